--- Papers that are run as they stand. In a folder of their own, in the order of the text:
---
---   * a block of Lua that begins with a comment `-- path/of/file.lua` is saved there;
---   * in an indented block each line `$ command` is run, and what follows must be what it says. `…` stands for
---     whatever differs from run to run, a line of its own for any number of lines. `moonpost run` goes on beside the
---     others, until the next one or the end; of its log the lines that are shown must come, in this order.
local node = require "spec.support.node"
local shell = require "spec.support.shell"

local paper = {}

local ANY = "…"

local function pattern_of(lines)
  local text = table.concat(lines, "\n"):gsub("\n" .. ANY .. "\n", "\n" .. ANY)
  text = text:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
  return "^" .. text:gsub(ANY, ".-") .. "$"
end

-- The steps of a text: { file =, text = } or { command =, said = { lines } }.
local function steps_of(text)
  local steps, block, step = {}, nil, nil
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if block then
      if line == "```" then
        local file = block[1] and block[1]:match("^%-%- ([%w_%-./]+%.lua)$")
        if file then steps[#steps + 1] = { file = file, text = table.concat(block, "\n") .. "\n" } end
        block = nil
      else
        block[#block + 1] = line
      end
    elseif line:find("^```lua") then
      block, step = {}, nil
    else
      local command, said = line:match("^    %$ (.*)$"), line:match("^    (.*)$")
      if command then
        step = { command = command, said = {} }
        steps[#steps + 1] = step
      elseif said and step then
        step.said[#step.said + 1] = said
      elseif line ~= "" then
        step = nil
      elseif step and #step.said > 0 then
        step.said[#step.said + 1] = ""
      end
    end
  end
  return steps
end

local function without_blank_end(lines)
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

local Run = {}
Run.__index = Run

function Run:save(file, text)
  local parent = file:match("^(.*)/")
  if parent then shell.must("mkdir -p " .. shell.quoted(parent), self.folder) end
  local opened = assert(io.open(self.folder .. "/" .. file, "w"))
  opened:write(text)
  opened:close()
end

function Run:start(command, said)
  if self.running then self.running:stop() end
  local words = {}
  for word in command:gmatch("%S+") do words[#words + 1] = word end
  table.remove(words, 1)
  self.running = node.start(words, self.folder, "listening unix:")
  local log = table.concat(self.running.said, "\n")
  for _, line in ipairs(said) do
    local pattern = pattern_of({ line }):sub(2, -2)
    assert(line == ANY or log:find(pattern), ("%s never says: %s\nbut:\n%s"):format(command, line, log))
  end
end

function Run:command(step)
  local said = without_blank_end(step.said)
  if step.command:find("^moonpost run") then return self:start(step.command, said) end
  local line = ("(exit %d)\n%s\ncode=$?; pwd >%s/.cwd; exit $code"):format(self.code, step.command, self.home)
  local output, code = shell.run("(" .. line .. ")", self.folder, { PATH = self.home .. "/.bin:" .. self.path })
  self.code = code
  self.folder = shell.must("cat .cwd", self.home):gsub("\n$", "")
  local pattern = pattern_of(said)
  output = output:gsub("[ \t]+\n", "\n"):gsub("\n+$", "")
  assert(output:find(pattern), ("$ %s\nsays:\n%s\nbut the paper shows:\n%s"):format(step.command, output,
    table.concat(said, "\n")))
end

--- Run a paper; raises at the first thing that is not as it says.
---@param file string
---@return integer steps
function paper.run(file)
  local opened = assert(io.open(file))
  local text = opened:read("*a")
  opened:close()
  local home = node.folder()
  shell.must("mkdir .bin && ln -s " .. shell.quoted(node.executable()) .. " .bin/moonpost", home)
  local run = setmetatable({ home = home, folder = home, code = 0, path = os.getenv "PATH" }, Run)
  local steps = steps_of(text)
  local ok, reason = pcall(function()
    for _, step in ipairs(steps) do
      if step.file then run:save(step.file, step.text) else run:command(step) end
    end
  end)
  if run.running then run.running:stop() end
  node.remove(home)
  if not ok then error(file .. ": " .. tostring(reason), 0) end
  return #steps
end

return paper
