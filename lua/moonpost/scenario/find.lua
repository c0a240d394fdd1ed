--- Where scenarios are, and what their scenario.lua says.
local installed = require "moonpost.installed"
local nearest = require "moonpost.nearest"
local shape = require "moonpost.shape"
local shell = require "moonpost.shell"
local strict = require "moonpost.strict"

local find = {}

local FILE = "scenario.lua"

local function parent(path, levels)
  for _ = 1, levels do path = path:match("^(.*)/[^/]*$") or "" end
  return path
end

-- Those that come with the executable, or what the environment names.
local function root()
  local named = os.getenv "MOONPOST_EXAMPLES"
  local place, tried = named, { named }
  if not named or named == "" then place, tried = installed.folder "examples" end
  if place and shell.kind(place) == "folder" then return place end
  return nil, "no scenarios here; looked in " .. table.concat(tried, " and ")
end

--- The names of all scenarios, sorted.
---@return string[]|nil
---@return string|nil reason
function find.names()
  local place, reason = root()
  if not place then return nil, reason end
  local names = {}
  for _, path in ipairs(shell.list(place .. "/*/" .. FILE)) do
    names[#names + 1] = path:match("([^/]+)/[^/]+$")
  end
  table.sort(names)
  return names
end

local function unknown(name)
  local names, reason = find.names()
  if not names then return nil, reason end
  local known = {}
  for _, each in ipairs(names) do known[each] = true end
  if shell.kind(name .. "/" .. FILE) == "file" then
    return nil, ('%q is the name of none; did you mean the folder: "./%s"?'):format(name, name)
  end
  return nil, ("%q is no scenario%s"):format(name, nearest.hint(name, known))
end

-- "." and ".." by their names, which say what it is called and what stands beside it.
local function whole(path)
  if path == "." then return shell.cwd() end
  return path == ".." and parent(shell.cwd(), 1) or path
end

--- The folder of a scenario: a name, or a path with a slash in it, "." or "..".
---@param name string
---@return string|nil
---@return string|nil reason
function find.folder(name)
  local path = whole((name:gsub("(.)/+$", "%1")))
  local folder, is_name = path, not (name .. path):find("/", 1, true)
  if is_name then
    local place, reason = root()
    if not place then return nil, reason end
    folder = place .. "/" .. name
  end
  if shell.kind(folder .. "/" .. FILE) == "file" then return folder end
  if not is_name then return nil, ("%s: there is no %s"):format(folder, FILE) end
  return unknown(name)
end

-- ---- scenario.lua ----

local TEXT = shape.string(4096)
local NAME = shape.string(64)

local function named_values(value)
  if type(value) ~= "table" then return nil, "expected a table of names and texts" end
  for name, text in pairs(value) do
    if type(name) ~= "string" or type(text) ~= "string" then return nil, "expected names and texts" end
  end
  return value
end

local PROCESS = {
  name = { read = NAME, required = true },
  run = { read = TEXT },
  exec = { read = TEXT },
  ready = { read = TEXT },
  gives = { read = NAME },
  socket = { read = NAME },
  ports = { read = named_values, default = {} },
  env = { read = named_values, default = {} },
}

local function process(value)
  local taken, reason, code = shape.read(PROCESS, value)
  if not taken then return nil, reason, code end
  if (taken.run == nil) == (taken.exec == nil) then return nil, "needs one of run and exec" end
  if taken.run and not taken.ready then return nil, "ready: a node needs the line that says it is up" end
  return taken
end

local CUE = {
  process = { read = NAME, required = true },
  says = { read = TEXT, required = true },
  kill = { read = NAME },
  replace = { read = NAME },
}

local function cue(value)
  local taken, reason, code = shape.read(CUE, value)
  if not taken then return nil, reason, code end
  if (taken.kill == nil) == (taken.replace == nil) then return nil, "needs one of kill and replace" end
  return taken
end

local PROMISE = {
  file = { read = TEXT, required = true },
  line = { read = TEXT, required = true },
  why = { read = TEXT, required = true },
  instead = { read = TEXT, required = true },
  otherwise = { read = TEXT, required = true },
}

local function promise(value)
  return shape.read(PROMISE, value)
end

local function check(value)
  if type(value) ~= "table" or type(value[1]) ~= "string" or type(value[2]) ~= "function" then
    return nil, "expected { sentence, function(facts) return what is, what should be end }"
  end
  return value
end

local FIELDS = {
  summary = { read = TEXT, required = true },
  duration = { read = shape.number(0, 3600), required = true },
  processes = { read = shape.list(process, 16), required = true },
  shown = { read = TEXT },
  hide = { read = shape.list(TEXT, 16), default = {} },
  cues = { read = shape.list(cue, 16), default = {} },
  only_real = { read = TEXT },
  promises = { read = shape.list(promise, 16), default = {} },
  totals = { read = shape.func, required = true },
  checks = { read = shape.list(check, 64), required = true },
}

-- Cues speak of processes; only nodes are started again, and a world can replace none.
local function check_cues(value)
  local names, nodes = {}, {}
  for _, each in ipairs(value.processes) do
    names[each.name], nodes[each.name] = true, each.run and true or nil
  end
  for index, each in ipairs(value.cues) do
    local known = names[each.process] and nodes or names
    local name = names[each.process] and (each.kill or each.replace) or each.process
    if each.replace and not value.only_real then
      return nil, (".cues[%d].replace: needs only_real, with the reason"):format(index)
    end
    if not known[name] then
      return nil, (".cues[%d]: %q is no %s here%s"):format(index, name, known == nodes and "node" or "process",
        nearest.hint(name, known))
    end
  end
  return value
end

-- What scenario.lua sees: what programs see, `seed`, and `scenario "name"` for a neighbour that it builds on.
local function environment(folder, neighbours, seed)
  local function scenario(name)
    neighbours[#neighbours + 1] = name
    local other, reason = find.load(parent(folder, 1) .. "/" .. name, seed)
    return other or error(reason, 0)
  end
  return setmetatable({ scenario = scenario, seed = seed }, { __index = strict.environment "program" })
end

--- Load a scenario: its fields, and `name`, `folder` and `neighbours` (names of folders it needs beside it).
---@param name string
---@param seed integer|nil of what it draws; else 1
---@return table|nil
---@return string|nil reason
function find.load(name, seed)
  local folder, reason = find.folder(name)
  if not folder then return nil, reason end
  local path, neighbours = folder .. "/" .. FILE, {}
  local text, env = assert(shell.read_file(path)), environment(folder, neighbours, seed or 1)
  local chunk, syntax = load(text, "@" .. path, "t", env)
  if not chunk then return nil, syntax end
  local ran, given = pcall(chunk)
  if not ran then return nil, tostring(given) end
  local value, wrong = shape.read(FIELDS, given)
  if value then value, wrong = check_cues(value) end
  if not value then return nil, ("%s: scenario%s"):format(path, wrong) end
  value.folder, value.name, value.neighbours = folder, folder:match("([^/]+)$"), neighbours
  return value
end

return find
