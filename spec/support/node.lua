--- Real nodes for specs of the executable: started in a folder of their own, waited for by what they
--- say, ended at the end.
local assert = require "luassert"
local node = {}

local Node = {}
Node.__index = Node

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The executable that runs this spec.
function node.executable()
  local pipe = assert(io.popen("readlink /proc/$PPID/exe"))
  local path = pipe:read("*l")
  pipe:close()
  return path
end

--- A new folder with these files: name to text.
---@param files table<string, string>
---@return string path
function node.folder(files)
  local pipe = assert(io.popen("mktemp -d /tmp/moonpost-spec-XXXXXX"))
  local path = pipe:read("*l")
  pipe:close()
  for name, text in pairs(files or {}) do
    local parent = name:match("^(.*)/")
    if parent then os.execute("mkdir -p " .. quoted(path .. "/" .. parent)) end
    local file = assert(io.open(path .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  return path
end

--- Remove a folder that node.folder made.
function node.remove(path)
  assert(path:find("^/tmp/moonpost%-spec%-"), path)
  os.execute("rm -rf " .. quoted(path))
end

local function command(words, folder, variables)
  local parts = { "cd " .. quoted(folder) .. " &&" }
  for name, value in pairs(variables or {}) do parts[#parts + 1] = name .. "=" .. quoted(value) end
  parts[#parts + 1] = quoted(words.executable or node.executable())
  for _, word in ipairs(words) do parts[#parts + 1] = quoted(word) end
  return table.concat(parts, " ")
end

--- Run `moonpost` with these words to its end; `words.executable` names another than the one that runs this.
---@return string output standard output and error together
---@return integer code
function node.run(words, folder, variables)
  local pipe = assert(io.popen(command(words, folder, variables) .. " 2>&1; echo $?"))
  local text = pipe:read("*a")
  pipe:close()
  local output, code = text:match("^(.-)(%d+)\n$")
  return output, tonumber(code)
end

--- Run `moonpost` with these words when the function returned is called, or when this process has ended, by whatever:
--- then the pipe that holds it up is closed. For what stays up behind the command that started it.
---@return fun()
function node.at_end(words, folder, variables)
  local pipe = assert(io.popen(("trap '' INT TERM HUP; cat >/dev/null; %s >/dev/null 2>&1")
    :format(command(words, folder, variables)), "w"))
  return function() pipe:close() end
end

--- Run `moonpost` with these words to its end: it says this text, and its exit code is this one.
---@return string output
function node.says(folder, words, text, code)
  local output, got = node.run(words, folder)
  assert.truthy(output:find(text, 1, true), output)
  assert.equal(code, got, output)
  return output
end

--- Start `moonpost` with these words; it is there once it has said `ready`.
---@param ready string a plain text
---@param before string|nil shell text to run first, in the same process
function node.start(words, folder, ready, variables, before)
  local first = (" && echo $$ && %s exec env "):format(before and before .. " &&" or "")
  local line = command(words, folder, variables):gsub(" && ", (first:gsub("%%", "%%%%")), 1)
  local self = setmetatable({ pipe = assert(io.popen(line .. " 2>&1")), said = {} }, Node)
  self.pid = self.pipe:read("*l")
  self:wait_for(ready)
  return self
end

--- Read its lines until one has this text; fails with all it said when it ends before.
function Node:wait_for(text)
  for line in self.pipe:lines() do
    self.said[#self.said + 1] = line
    if line:find(text, 1, true) then return line end
  end
  error(("it never said %q, but:\n%s"):format(text, table.concat(self.said, "\n")), 2)
end

--- Send it a signal.
function Node:signal(signal)
  os.execute(("kill -%s %s 2>/dev/null"):format(signal, self.pid))
end

--- Wait for its end; answers everything it said.
function Node:finish()
  for line in self.pipe:lines() do self.said[#self.said + 1] = line end
  self.pipe:close()
  return table.concat(self.said, "\n")
end

--- End it, and answer everything it said.
function Node:stop(signal)
  self:signal(signal or "TERM")
  return self:finish()
end

return node
