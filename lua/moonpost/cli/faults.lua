--- Faults in the files of a project: what `moonpost check` finds.
local files = require "moonpost.cli.files"
local inspect = require "moonpost.inspect"
local lost = require "moonpost.cli.lost"
local machine = require "moonpost.machine"
local misnamed = require "moonpost.cli.names"
local shell = require "moonpost.shell"
local source = require "moonpost.cli.source"

local faults = {}

---@class moonpost.cli.Fault
---@field file string
---@field line integer|nil
---@field rule string
---@field message string
---@field fix string|nil

-- What a reason of the loader is about. The first that matches.
local RULES = {
  { "%(cap%-below%-first%)", "cap-below-first" },
  { "unknown key", "unknown-field" },
  { "unknown; did you mean", "unknown-name" },
  { ": required$", "missing-field" },
  { "undeclared global", "global" },
  { "CANNOT_WAIT", "wait" },
  { "there is no policy", "no-policy" },
  { "is not the name of a policy", "no-policy" },
  { "UNSUPPORTED", "unsupported" },
  { "there is no port", "address" },
  { "is not a door", "address" },
  { "is outside loopback", "outside-loopback" },
  { "ran for more than", "endless" },
  { "module '.-' not found", "no-module" },
  { "end the file with return", "no-declaration" },
  { "it returns", "no-declaration" },
}

local FIXES = {
  ["cap-below-first"] = "raise cap, or lower first",
  ["missing-field"] = "say it",
  global = "declare it with local, or require the module it is in",
  wait = "wait in a handler; hooks, policies and what runs while a file loads cannot",
  unsupported = "leave it out",
  ["outside-loopback"] = "set insecure = true, or listen on 127.0.0.1",
  endless = "let the file only declare; work belongs in handlers",
  ["no-module"] = "put the module into lua/, or install its rock",
  ["no-declaration"] = "end the file with return moonpost.agent { ... } (or node, hook); programs: moonpost exec",
  address = 'write "tcp://127.0.0.1:7071" or "unix:///run/x.sock"',
}

local MOONPOST = 'local moonpost = require "moonpost"'

local Faults = {}
Faults.__index = Faults

function Faults:add(file, line, rule, message, fix)
  for _, known in ipairs(self.list) do
    if known.file == file and known.line == line and known.rule == rule then return end
  end
  self.list[#self.list + 1] = { file = file, line = line, rule = rule, message = message, fix = fix }
end

function Faults:text(path)
  if self.texts[path] == nil then self.texts[path] = shell.read_file(path) or false end
  return self.texts[path]
end

-- ---- what can be seen without running it ----

local function globals(self, path, kind)
  for _, global in ipairs(source.globals(self:text(path), kind)) do
    local nearest = global.reason:match('did you mean "(.-)"')
    local fix = global.name == "moonpost" and "write " .. MOONPOST or nearest and "write " .. nearest or FIXES.global
    self:add(path, global.line, "global", (global.reason:gsub(";.*$", "")), fix)
  end
end

local function names(self, path)
  for _, name in ipairs(misnamed.find(self:text(path))) do self:add(path, name.line, "name", name.message, name.fix) end
end

local RETURNS_OUTCOMES = { agent = true, hook = true, policy = true }

local function outcomes(self, path)
  for _, call in ipairs(lost.find(self:text(path))) do
    self:add(path, call.line, "lost-outcome", call.message, call.fix)
  end
end

local function waits(self, path)
  for _, line in ipairs(source.fields(self:text(path), "sleep")) do
    self:add(path, line, "wait", "waits where nothing can wait", FIXES.wait)
  end
end

--- Look at a file's text; answers whether it can be loaded.
local function read(self, path, kind)
  if self.seen[path] then return false end
  self.seen[path] = true
  local text = self:text(path)
  if not text then
    self:add(path, nil, "no-file", "there is no such file", "write its path as it is from here")
    return false
  end
  self.files = self.files + 1
  local wrong = source.syntax(text, path)
  if wrong then
    self:add(path, wrong.line, "syntax", wrong.reason, "mend the line, or the one before it")
    return false
  end
  if kind ~= "spec" then globals(self, path, kind) end
  names(self, path)
  if RETURNS_OUTCOMES[kind] then outcomes(self, path) end
  if kind == "hook" or kind == "policy" then waits(self, path) end
  return true
end

-- ---- what loading says ----

local function rule_of(reason)
  for _, rule in ipairs(RULES) do
    if reason:find(rule[1]) then return rule[2] end
  end
  return "load"
end

local function policy_fix(self)
  local known = {}
  for _, path in ipairs(self.policies) do known[#known + 1] = path:match("([^/]+)%.lua$") end
  if #known == 0 then return "make policies/NAME.lua, or write the policy as a table" end
  return "there is " .. table.concat(known, ", ") .. "; or make that file, or write the policy as a table"
end

local function fix_of(self, rule, reason)
  local nearest = reason:match('did you mean "(.-)"')
  if nearest then return ('write "%s"'):format(nearest) end
  if reason:find('local moonpost = require', 1, true) then return "write " .. MOONPOST end
  local methods = reason:match("methods = {.*}")
  if methods then return "write " .. methods end
  if rule == "no-policy" then return policy_fix(self) end
  if rule == "unknown-field" then return "leave it out; the fields are in docs/reference.md" end
  local digits = reason:match('expected a.- number.-, got "(%-?[%d.]+)"$')
  if digits then return ("write %s, without quotes"):format(digits) end
  return FIXES[rule] -- nil: the message says what was expected
end

--- The keys of "agent.retry.atempts", and the value that the reason quotes.
local function line_in(self, path, reason)
  local text = self:text(path)
  if not text then return nil end
  local keys = {}
  for key in (reason:match("^[%w_]+([%.%w_%[%]]+)") or ""):gmatch("[%a_][%w_]*") do keys[#keys + 1] = key end
  local quoted = reason:match(': "(.-)"')
  return quoted and source.line_of(text, quoted) or source.line_of_key(text, keys)
    or source.line_of(text, "moonpost.")
end

-- Lua shortens long paths in front: ".../agents/mail.lua".
local function same_file(named, path)
  return named == path or (named:sub(1, 3) == "..." and path:sub(-#named + 3) == named:sub(4))
end

--- Take what the loader says of a file: "agents/mail.lua:3: reason", or without a line.
local function refused(self, path, reason)
  reason = reason:match("^[^\n]*")
  local file, line, rest = reason:match("^([^:\n]+):(%d+): (.*)$")
  if not file then
    file, rest = reason:match("^([^:\n]+%.lua): (.*)$")
  end
  if not file or same_file(file, path) then file = path end
  rest = rest or reason
  local rule = rule_of(rest)
  local number = tonumber(line) or line_in(self, file, (rest:gsub("^%u+_?%u*: ", "")))
  local message = rule == "unknown-field" and rest:gsub("; messages with.*$", "") or rest
  if rule ~= "unsupported" then message = message:gsub("; did you mean.*$", "") end
  self:add(file, number, rule, message, fix_of(self, rule, rest))
end

-- ---- policies ----

local function number_of(value)
  return value == "inf" and math.huge or value
end

--- A schedule that cannot be meant.
local function schedule(self, path, policy, where)
  if not policy or policy.kind ~= "table" then return end
  local cap, deadline = number_of(policy.cap), number_of(policy.deadline)
  local first = policy.delays and policy.delays[1] or policy.first
  local text = self:text(path) or ""
  if cap < first then
    self:add(path, source.line_of_key(text, { "cap" }), "cap-below-first",
      ("%s: no wait is longer than cap (%g s), so first (%g s) never happens"):format(where, cap, first),
      FIXES["cap-below-first"])
  end
  if deadline and deadline < first and number_of(policy.attempts) > 1 then
    self:add(path, source.line_of_key(text, { "deadline" }), "deadline-below-first",
      ("%s: deadline (%g s) ends before the first wait (%g s): nothing is ever tried again"):format(where, deadline,
        first), "raise deadline, or lower first")
  end
end

local function policy(self, path)
  if not read(self, path, "policy") then return end
  local said, reason = files.load("policy", path)
  if not said then return refused(self, path, reason) end
  schedule(self, path, said, "retry")
end

-- ---- agents and hooks ----

local function address_taken(self, path, said)
  local first = self.addresses[said.address]
  self.addresses[said.address] = first or path
  if not first then return end
  local text = self:text(path)
  self:add(path, source.line_of(text, '"' .. said.address .. '"') or source.line_of_key(text, { "address" }),
    "address-taken", ('address "%s" is served by %s already'):format(said.address, first),
    "give one of them another address")
end

local function budget(self, path, said)
  if number_of(said.budget) <= number_of(said.timeout) then return end
  local line = source.line_of_key(self:text(path), { "budget" }) or source.line_of_key(self:text(path), { "timeout" })
  self:add(path, line, "budget-above-timeout", ("%s may run for %s s without waiting, but ends after %s s"):format(
    said.address, said.budget, said.timeout), "raise timeout, or lower budget")
end

local function declared(self, path, said)
  address_taken(self, path, said)
  schedule(self, path, said.retry, "agent.retry")
  budget(self, path, said)
  if said.has_handler or said.starts then return end
  local text = self:text(path)
  self:add(path, source.line_of(text, '"' .. said.address .. '"') or source.line_of(text, "agent"), "no-handler",
    ("%s has no handler: every message to it is rejected"):format(said.address),
    "add on = { message = function(ctx, msg) ... end }, or methods = { ... }")
end

-- Opens a client and declares nothing.
local function is_program(text)
  local function reads(name) return #source.fields(text, name) > 0 end
  return reads "client" and not (reads "agent" or reads "node" or reads "hook")
end

local function program(self, path)
  if not self.of_node[path] then
    self.programs[#self.programs + 1] = path
    return
  end
  self:add(path, nil, "no-agent", "it opens a client: it is a program, and a node would load it as an agent",
    "move it to another folder; run it with moonpost exec " .. path:match("[^/]+$"))
end

local function agent(self, path)
  local text = self:text(path)
  local maybe = text and not source.syntax(text, path) and is_program(text)
  if not read(self, path, maybe and "program" or "agent") then return end
  local said, reason = files.load("agent", path)
  if said then return declared(self, path, said) end
  if maybe then return program(self, path) end
  refused(self, path, reason)
end

local function hook(self, path)
  if not read(self, path, "hook") then return end
  local ok, reason = inspect.hook(path)
  if not ok then refused(self, path, reason) end
end

-- ---- settings ----

local function hidden_library(self, root)
  for _, name in ipairs { "moonpost.lua", "lua/moonpost.lua", "moonpost/init.lua", "lua/moonpost/init.lua" } do
    local path = files.at(root, name)
    if shell.kind(path) == "file" then
      self:add(path, nil, "hides-moonpost", "a file of a project cannot have this name: it is the library's",
        name == "moonpost.lua" and "settings are in node.lua; rename it" or "rename it")
    end
  end
end

local function no_match(self, project, key, missing)
  local path = project.settings_file
  for _, pattern in ipairs(missing) do
    self:add(path, source.line_of(self:text(path), pattern), "no-match",
      ('%s: "%s" stands for no file'):format(key, pattern), "write a path or glob that is there, or leave it out")
  end
end

--- The files of a list, or of the glob that applies without one.
local function listed(self, project, key)
  local own = project.settings and project.settings[key]
  local paths, missing = files.matches(project.root, own or { key .. "/*.lua" })
  local given = own and not self.named and (key ~= "policies" or project.settings.given.policies)
  if given then no_match(self, project, key, missing) end
  return paths
end

local function link(self, project, at)
  local path, to = project.settings_file, at.to
  local line = source.line_of(self:text(path), to)
  if not to:find("://", 1, true) then
    return self:add(path, line, "address", ('links: "%s" is the name of a node; that is for worlds'):format(to),
      FIXES.address)
  end
  local ok, reason = machine.is_address(to)
  if not ok then return self:add(path, line, "address", "links: " .. reason, FIXES.address) end
  for _, door in ipairs(project.settings.listen) do
    if door == to then
      self:add(path, line, "link-to-itself", ("links: %s is a door of this node"):format(to),
        "name the door of another node")
    end
  end
  local socket = to:match("^unix://(/.*)$")
  if socket and not shell.kind(socket:match("^(.*)/") ~= "" and socket:match("^(.*)/") or "/") then
    self:add(path, line, "link-to-nobody", ("links: %s: its folder is not there"):format(to),
      "name the socket of a node, such as unix:///path/of/its/data/moonpost.sock")
  end
end

local function doors(self, project)
  for _, door in ipairs(project.settings.listen) do
    local ok, reason = machine.is_address(door)
    if not ok then
      local path = project.settings_file
      self:add(path, source.line_of(self:text(path), door), "address", "listen: " .. reason, FIXES.address)
    end
  end
end

local function settings(self, project)
  local path, said = project.settings_file, project.settings
  if not said then return refused(self, path, project.reason) end
  doors(self, project)
  for _, at in ipairs(said.links) do
    link(self, project, at)
    schedule(self, path, { kind = "table", first = at.first, cap = at.cap, attempts = at.attempts }, "links")
  end
  schedule(self, path, said.send, "send")
  schedule(self, path, said.handle, "handle")
  for _, value in ipairs(said.values) do declared(self, path, value) end
end

-- ---- the whole ----

local MODULES = { "lua/*.lua", "lua/*/*.lua", "lua/*/*/*.lua" }
local SPECS = { "spec/*_spec.lua", "spec/*/*_spec.lua" }

local function each(self, paths, look, ...)
  for _, path in ipairs(paths) do look(self, path, ...) end
end

local function by_place(left, right)
  if left.file ~= right.file then return left.file < right.file end
  if (left.line or 0) ~= (right.line or 0) then return (left.line or 0) < (right.line or 0) end
  return left.rule < right.rule
end

--- What a file is, by where it stands: everything else is an agent, as for `moonpost run`.
local function kind_of(path)
  if path:find("_spec%.lua$") then return "spec" end
  local folder = path:match("([^/]+)/[^/]+$")
  return (folder == "hooks" and "hook") or (folder == "policies" and "policy") or (folder == "lua" and "module")
    or "agent"
end

local LOOK = {
  agent = agent,
  hook = hook,
  policy = policy,
  module = function(self, path) read(self, path, "agent") end,
  spec = function(self, path) read(self, path, "spec") end,
}

local function named_files(self, named)
  for _, path in ipairs(named) do
    if path ~= self.project.settings_file then LOOK[kind_of(path)](self, path) end
  end
end

local function all_files(self)
  local project = self.project
  hidden_library(self, project.root)
  each(self, self.policies, policy)
  each(self, listed(self, project, "hooks"), hook)
  each(self, listed(self, project, "agents"), agent)
  each(self, (files.matches(project.root, MODULES)), LOOK.module)
  each(self, (files.matches(project.root, SPECS)), LOOK.spec)
end

-- Settings that load are only told of when they are asked for.
local function look_at_settings(self, named)
  local path, wanted = self.project.settings_file, not named
  for _, name in ipairs(named or {}) do wanted = wanted or name == path end
  if not path or (self.project.settings and not wanted) then return end
  if read(self, path, "settings") then settings(self, self.project) end
end

--- Look at the files of a project, or at those that are named.
---@param project moonpost.cli.Project
---@param named string[]|nil
---@return moonpost.cli.Fault[]
---@return integer files how many were looked at
---@return string[] programs those of them that are for `moonpost exec`
function faults.find(project, named)
  local self = setmetatable({ list = {}, texts = {}, seen = {}, addresses = {}, files = 0, project = project,
    named = named, policies = {}, programs = {}, of_node = {} }, Faults)
  self.policies = listed(self, project, "policies")
  for _, path in ipairs(listed(self, project, "agents")) do self.of_node[path] = true end
  look_at_settings(self, named)
  if named then named_files(self, named) else all_files(self) end
  table.sort(self.list, by_place)
  return self.list, self.files, self.programs
end

return faults
