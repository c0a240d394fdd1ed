--- A body in the user's editor.
local json = require "moonpost.json"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function editor()
  for _, name in ipairs { "VISUAL", "EDITOR" } do
    local value = os.getenv(name)
    if value and value:find "%S" then return value end
  end
  return "vi"
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text, "\n")
  file:close()
end

-- The command of an editor may have words of its own, such as "code --wait".
local function open(path)
  local command = editor()
  local status = os.execute(command .. " " .. quoted(path))
  if status == 0 or status == true then return true end
  return nil, ("the editor %q failed; VISUAL or EDITOR names another"):format(command)
end

local function again(reason)
  if not shell.isatty "stdin" then return false end
  io.stderr:write(reason, "\nedit it again? [Y/n] ")
  local answer = shell.read_line()
  return answer ~= nil and not answer:lower():find "^n"
end

-- Back to the editor until it is JSON, or the user has had enough.
local function edit(path)
  while true do
    local ok, reason = open(path)
    if not ok then return nil, reason end
    local text = shell.read_file(path) or ""
    local value, why = json.decode(text)
    if value ~= nil then return value, nil, text end
    reason = "not JSON: " .. tostring(why)
    if not again(term.styled("red", reason, "stderr")) then return nil, reason .. "; nothing was changed" end
  end
end

--- Let the user edit a body, as JSON.
---@param body any
---@return any value nil: there is none, and why
---@return string|nil reason
---@return boolean changed
return function(body)
  local path = shell.temp() .. "/body.json"
  local before = json.encode(body)
  write(path, before)
  local value, reason = edit(path)
  os.remove(path)
  return value, reason, value ~= nil and json.encode(value) ~= before
end
