--- Environments of scripts: undeclared globals are errors that name them.
local coroutines = require "moonpost.coroutines"
local errors = require "moonpost.errors"
local iteration = require "moonpost.iteration"
local libraries = require "moonpost.libraries"
local nearest = require "moonpost.nearest"
local project = require "moonpost.project"
local runtime = require "moonpost.runtime"

local strict = {}

local KINDS = { agent = true, hook = true, policy = true, settings = true, program = true, spec = true }
local PRINTS = { program = true, spec = true }

local PLAIN = [[assert error ipairs rawequal rawget rawset select getmetatable setmetatable
  tonumber tostring type unpack _VERSION]]

local NOT_HERE = {
  ffi = true, jit = true, getfenv = true, setfenv = true, newproxy = true, module = true, package = true,
}

local environments = {}

local function print_to_log(...)
  local texts = {}
  for index = 1, select("#", ...) do texts[index] = tostring((select(index, ...))) end
  runtime.log("info", table.concat(texts, "\t"))
end

local function count_only(option)
  if option ~= "count" then errors.at_caller('collectgarbage: only "count"; the node collects by itself') end
  return collectgarbage("count")
end

local function add_loaders(environment, kind)
  function environment.load(chunk, name, mode, other)
    if mode ~= nil and not tostring(mode):find("t", 1, true) then return nil, "bytecode is not loaded" end
    return load(chunk, name, "t", other or environment)
  end
  function environment.loadstring(text, name)
    return load(text, name, "t", environment)
  end
  function environment.loadfile(path)
    if path then runtime.track(path) end
    return loadfile(path, "t", environment)
  end
  function environment.dofile(path)
    return assert(environment.loadfile(path))()
  end
  function environment.require(name)
    return project.require(name, kind, environment)
  end
end

-- The library is a module, not a global.
local function hint(name, known)
  if name == "moonpost" then return '; write local moonpost = require "moonpost"' end
  return nearest.hint(name, known)
end

--- What is wrong with a global that scripts of a kind do not have, or nil.
---@param kind string
---@param name string
---@param is_set boolean it is given a value
---@return string|nil
function strict.complaint(kind, name, is_set)
  local environment = strict.environment(kind)
  if rawget(environment, name) ~= nil or (kind == "program" and name == "arg") then return nil end
  if is_set then return ('undeclared global "%s": write local'):format(name) end
  if NOT_HERE[name] then return ('global "%s": not in scripts'):format(name) end
  return ('undeclared global "%s"%s'):format(name, hint(name, environment))
end

-- Specs see what the test runner exports: describe, it, and so on.
local function exported(kind, name)
  if kind == "spec" and not NOT_HERE[name] then return rawget(_G, name) end
end

local function undeclared(kind)
  return {
    __metatable = "strict",
    __index = function(self, name)
      local value = exported(kind, name)
      if value ~= nil then return value end
      if NOT_HERE[name] then errors.at_caller(('global "%s": not in scripts'):format(name)) end
      errors.at_caller(('undeclared global "%s"%s'):format(tostring(name), hint(name, self)))
    end,
    __newindex = function(_, name)
      errors.at_caller(('undeclared global "%s": write local'):format(tostring(name)))
    end,
  }
end

local function build(kind)
  local environment = libraries.new(kind)
  for name in PLAIN:gmatch("%S+") do environment[name] = _G[name] end
  environment.next, environment.pairs = iteration.next, iteration.pairs
  environment._G = environment
  environment.pcall, environment.xpcall = coroutines.pcall, coroutines.xpcall
  environment.print = PRINTS[kind] and not runtime.virtual and print or print_to_log
  environment.collectgarbage = count_only
  add_loaders(environment, kind)
  return setmetatable(environment, undeclared(kind))
end

--- The environment for a kind of script: one per kind and state.
---@param kind "agent"|"hook"|"policy"|"settings"|"program"|"spec"
---@return table
function strict.environment(kind)
  assert(KINDS[kind], "no such kind of script")
  environments[kind] = environments[kind] or build(kind)
  return environments[kind]
end

return strict
