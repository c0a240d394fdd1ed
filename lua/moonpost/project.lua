--- A project's own files: modules, and policies by name. Modules are private to this state and run in the
--- environment of the scripts that require them.
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local project = {}

local PLACES = { "lua/%s.lua", "lua/%s/init.lua", "%s.lua", "%s/init.lua" }
local LIBRARIES = { string = true, table = true, math = true, os = true, io = true, debug = true,
  coroutine = true, bit = true, _G = true }
local CLOSED = { ffi = true, jit = true, package = true, ["jit.util"] = true, ["jit.opt"] = true }
local PUBLIC = {
  moonpost = true, ["moonpost.webhook"] = true, ["moonpost.test"] = true, ["moonpost.test.storm"] = true,
  ["moonpost.test.transcript"] = true,
}
local LOADING = {}

local modules = {} -- by kind, by name

local function path_of(file)
  local root = runtime.root and runtime.root() or "."
  return (root == "." or file:sub(1, 1) == "/") and file or root .. "/" .. file
end

--- The text of a file of the project, or nil. Whoever asks depends on it, be it there or not.
---@param file string relative to the project's folder
---@return string|nil
function project.read(file)
  runtime.track(path_of(file))
  local opened = io.open(path_of(file), "rb")
  if not opened then return nil end
  local text = opened:read("*a")
  opened:close()
  return text
end

--- Compile a file of the project (text only) for a kind of script.
---@param file string relative to the project's folder
---@param kind string
---@return function|nil
---@return string|nil reason
function project.load(file, kind)
  local text = project.read(file)
  if not text then return nil, file .. ": no such file" end
  return load(text, "@" .. path_of(file), "t", require("moonpost.strict").environment(kind))
end

local function find(name)
  local stem = name:gsub("%.", "/")
  for _, place in ipairs(PLACES) do
    local file = place:format(stem)
    if project.read(file) then return file end
  end
end

local function run(name, file, kind, loaded)
  local chunk, reason = project.load(file, kind)
  if not chunk then error(reason, 0) end
  loaded[name] = LOADING
  local ok, value = pcall(chunk, name)
  loaded[name] = nil
  if not ok then error(value, 0) end
  if value == nil then value = true end
  loaded[name] = value
  return value
end

local function places(name)
  local tried = {}
  for _, place in ipairs(PLACES) do
    tried[#tried + 1] = "\n\tno file '" .. path_of(place:format((name:gsub("%.", "/")))) .. "'"
  end
  return table.concat(tried)
end

local function rock(name)
  local ok, value = pcall(require, name)
  if ok then return value end
  local missing = type(value) == "string" and value:match("^module '[^']*' not found:(.*)$")
  if not missing then error(value, 0) end
  return errors.at_caller(("module '%s' not found:%s%s"):format(name, places(name), missing))
end

local function check(name, kind)
  if type(name) ~= "string" then errors.at_caller("require: expected a string, got " .. type(name)) end
  if CLOSED[name] then errors.at_caller(('require "%s": not in scripts'):format(name)) end
  local ours = name:find("^moonpost%.") and not PUBLIC[name]
  if ours then errors.at_caller(('require "%s": a private module; use require "moonpost"'):format(name)) end
  if name:find("^moonpost%.test") and kind ~= "spec" and kind ~= "program" then
    errors.at_caller(('require "%s": only in specs'):format(name))
  end
end

--- `require` for a kind of script: the project's lua/, then its root, then the rocks.
---@param name string
---@param kind string
---@param environment table
---@return any
function project.require(name, kind, environment)
  check(name, kind)
  if LIBRARIES[name] then return environment[name] end
  if PUBLIC[name] then return require(name) end
  local loaded = modules[kind]
  if not loaded then
    loaded = {}
    modules[kind] = loaded
  end
  if loaded[name] == LOADING then errors.at_caller(('require "%s": it requires itself'):format(name)) end
  if loaded[name] ~= nil then return loaded[name] end
  local file = find(name)
  if file then return run(name, file, kind, loaded) end
  return rock(name)
end

return project
