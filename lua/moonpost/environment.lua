--- Variables of the environment: MOONPOST_X, or MOONPOST_X_FILE, which names a file that has the value.
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

--- The value of MOONPOST_`name`, or nil. Raises when its file cannot be read.
---@param name string
---@return string|nil
local function variable(name)
  local path = runtime.getenv("MOONPOST_" .. name .. "_FILE")
  local value = not path and runtime.getenv("MOONPOST_" .. name) or nil
  if path then
    local file, reason = io.open(path, "rb")
    if not file then return errors.misuse(("MOONPOST_%s_FILE: %s"):format(name, reason)) end
    value = file:read("*a"):gsub("[\r\n]+$", "")
    file:close()
  end
  return value ~= "" and value or nil
end

return variable
