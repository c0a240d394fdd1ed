--- Policies by name: `retry = "notify"` is what policies/notify.lua returns.
local project = require "moonpost.project"
local runtime = require "moonpost.runtime"

local policy = {}

local DEFAULT = { "policies/*.lua" }
local loaded = {}

--- The file with this name that the settings' `policies` allow, relative to the project.
local function file_of(name)
  local first
  for _, pattern in ipairs(runtime.policies and runtime.policies() or DEFAULT) do
    local file = pattern:gsub("%*", (name:gsub("%%", "%%%%")))
    local ours = pattern:find("*", 1, true) or file:match("([^/]+)%.lua$") == name
    if ours and project.read(file) then return file end
    if ours then first = first or file end
  end
  return nil, first or "policies/" .. name .. ".lua"
end

--- Load the policy of a name, once per state.
---@param name string
---@return any value what its file returns
---@return string file its file, or when value is nil the reason
function policy.load(name)
  if not name:find("^[%w_%-]+$") then return nil, ('"%s" is not the name of a policy'):format(name) end
  if loaded[name] then return loaded[name].value, loaded[name].file end
  local file, missing = file_of(name)
  if not file then return nil, ('there is no policy "%s": no file %s'):format(name, missing) end
  local chunk, reason = project.load(file, "policy")
  if not chunk then error(reason, 0) end
  local value = chunk()
  if value == nil then return nil, file .. " returns nothing" end
  loaded[name] = { value = value, file = file }
  return value, file
end

return policy
