--- `moonpost config`: the settings in force for a folder, and where each comes from.
local files = require "moonpost.cli.files"
local moonpost = require "moonpost"
local node = require "moonpost.cli.node"
local shell = require "moonpost.shell"
local source = require "moonpost.cli.source"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"

local FAILED, USAGE = 1, 2

-- ---- values as people write them ----

local SECONDS = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } }
local BYTES = { { 1024 ^ 3, "G" }, { 1024 ^ 2, "M" }, { 1024, "K" } }

local function with_unit(value, units)
  for _, unit in ipairs(units) do
    if value >= unit[1] and value % unit[1] == 0 then return ("%d%s"):format(value / unit[1], unit[2]) end
  end
end

local function duration(value)
  if value == math.huge then return "for ever" end
  if value > 0 and value < 1 then return ("%gms"):format(value * 1000) end
  return with_unit(value, SECONDS) or ("%gs"):format(value)
end

local function size(value)
  return with_unit(value, BYTES) or ("%d"):format(value)
end

local function count(value)
  return value == math.huge and "without end" or ("%d"):format(value)
end

local function plain(value)
  return tostring(value)
end

local function list(value)
  if #value == 0 then return "none" end
  return table.concat(value, " ")
end

-- ---- the rows: key, value, how it is shown, and what is stronger than the file ----

local POLICY = {
  { "attempts", count }, { "first", duration }, { "factor", plain }, { "cap", duration }, { "jitter", plain },
  { "deadline", duration },
}

-- A function or a list decides instead of these.
local function add_policy(rows, key, policy, said, override)
  if said and said.kind == "function" then
    rows[#rows + 1] = { key = key, value = "a function", show = plain }
    return
  end
  for _, field in ipairs(POLICY) do
    local name, show = field[1], field[2]
    local growth = name == "first" or name == "factor"
    if not (growth and said and said.delays) and (name ~= "deadline" or override ~= "LINK") then
      rows[#rows + 1] = { key = key .. "." .. name, value = policy[name], show = show,
        override = override .. "_" .. name:upper() }
    end
  end
  if said and said.delays then
    local waits = {}
    for index, wait in ipairs(said.delays) do waits[index] = duration(wait) end
    rows[#rows + 1] = { key = key .. ".delays", value = waits, show = list }
  end
end

local function add_links(rows, said, values)
  if #values.links == 0 then rows[#rows + 1] = { key = "links", value = {}, show = list } end
  for index, link in ipairs(values.links) do
    local key, own = ("links[%d]"):format(index), said.links[index]
    rows[#rows + 1] = { key = key .. ".to", value = own.to, show = plain }
    add_policy(rows, key, link, nil, "LINK")
    for _, field in ipairs { { "stable_for", duration }, { "heartbeat", duration }, { "window", count } } do
      rows[#rows + 1] = { key = key .. "." .. field[1], value = own[field[1]], show = field[2] }
    end
  end
end

local function add_store(rows, values)
  local memory = values.store == "memory"
  rows[#rows + 1] = { key = memory and "store" or "store.path", value = values.store, show = plain, override = "STORE" }
  if memory then return end
  rows[#rows + 1] = { key = "store.sync", value = values.sync, show = plain, override = "SYNC" }
  rows[#rows + 1] = { key = "store.max", value = values.store_max, show = size }
end

local function entries(said, key)
  local given = said[key]
  if not given then return { key .. "/*.lua" } end
  local shown = {}
  for index, entry in ipairs(given) do shown[index] = entry or "(a value)" end
  return shown
end

local function rows_of(said, values)
  local function number(value) return value == "inf" and math.huge or value end
  local rows = {
    { key = "name", value = values.name ~= "" and values.name or "kept in the store", show = plain, override = "NAME" },
    { key = "listen", value = values.listen, show = list, override = "LISTEN" },
    { key = "insecure", value = said.insecure, show = plain },
  }
  add_links(rows, said, values)
  for _, key in ipairs { "agents", "hooks" } do
    rows[#rows + 1] = { key = key, value = entries(said, key), show = list }
  end
  rows[#rows + 1] = { key = "policies", value = said.policies, show = list }
  add_store(rows, values)
  rows[#rows + 1] = { key = "send.profile", value = values.profile, show = plain, override = "PROFILE" }
  rows[#rows + 1] = { key = "send.await", value = said.await or "by profile", show = plain }
  add_policy(rows, "send", values.send, said.send, "SEND")
  add_policy(rows, "handle", values.handle, said.handle, "HANDLE")
  for _, row in ipairs {
    { key = "outbox.max", value = said.outbox.max, show = count },
    { key = "outbox.max_bytes", value = said.outbox.max_bytes, show = size },
    { key = "mailbox.max", value = said.mailbox.max, show = count },
    { key = "mailbox.max_bytes", value = said.mailbox.max_bytes, show = size },
    { key = "body_max", value = said.body_max, show = size },
    { key = "state_max", value = said.state_max, show = size },
    { key = "grace", value = said.grace, show = duration },
    { key = "watchdog", value = number(said.watchdog), show = duration },
    { key = "log.level", value = values.level, show = plain, override = "LOG" },
    { key = "log.format", value = values.format, show = plain, override = "LOG" },
    { key = "show_envelopes", value = values.show_envelopes, show = plain, override = "SHOW_ENVELOPES" },
    { key = "production", value = said.production, show = plain },
    { key = "strict", value = said.strict, show = plain },
  } do rows[#rows + 1] = row end
  return rows
end

-- ---- where a value comes from ----

-- A link is found by where it goes.
local function given_line(project, text, key)
  local given, link, rest = project.settings.given, key:match("^links%[(%d+)%](.*)$")
  if link and not (given[key] or rest == ".to") then return nil end
  if link then return source.line_of(text, project.settings.links[tonumber(link)].to) end
  if not given[key] then return nil end
  local keys = {}
  for word in key:gmatch("[%w_]+") do keys[#keys + 1] = word end
  return source.line_of_key(text, keys) or source.line_of_key(text, { keys[1] })
end

local function origin_of(project, text, row)
  local stronger = row.override and project.origins[row.override]
  if stronger then return stronger end
  local line = text and given_line(project, text, row.key)
  return line and ("%s:%d"):format(project.settings_file, line) or "default"
end

-- ---- the variables and settings that are of commands ----

local function add_variables(rows)
  for _, name in ipairs { "NODE", "SEED" } do
    local value = shell.variable(name)
    if value then
      rows[#rows + 1] = { key = name:lower(), value = value, show = plain, origin = "MOONPOST_" .. name }
    end
  end
end

local function as_json(row, origin)
  local value = row.value == math.huge and "inf" or row.value
  if type(value) == "table" then value = moonpost.array(value) end
  return moonpost.json.encode { key = row.key, value = value, text = row.show(row.value), origin = origin }
end

local function show(project, options)
  local text = project.settings_file and shell.read_file(project.settings_file)
  local rows = rows_of(project.settings, project.values)
  add_variables(rows)
  local shown = {}
  for index, row in ipairs(rows) do
    local origin = row.origin or origin_of(project, text, row)
    if options.json then term.out(as_json(row, origin)) end
    shown[index] = { key = row.key, value = row.show(row.value), origin = options.explain and origin or nil }
  end
  if options.json then return end
  tables.print({ { key = "key", head = "SETTING" }, { key = "value", head = "VALUE", flexible = true },
    { key = "origin", head = "FROM", optional = true } }, shown)
end

-- The same without a settings file: what its absence means.
local function defaults()
  local file = assert(shell.temp()) .. "/node.lua"
  local opened = assert(io.open(file, "w"))
  opened:write 'return require("moonpost").node {}\n'
  opened:close()
  return assert(files.project(file)).settings
end

local flags = {
  { name = "explain", help = "and where each value comes from" },
  { name = "json", help = "a JSON object a line" },
}
for _, flag in ipairs(node.FLAGS) do
  local is_setting = not flag.not_yet and flag.name ~= "no-respawn" and flag.name ~= "fault"
  if is_setting then flags[#flags + 1] = flag end
end

return {
  name = "config",
  usage = "config [FILE]",
  summary = "the settings in force here, and where each comes from",
  details = [[
  Those of node.lua, or FILE; the environment (MOONPOST_STORE ...) is stronger, and flags, the same as of
  `moonpost run`, are strongest.]],
  takes = "file",
  flags = flags,
  at_most = 1,
  examples = {
    { "moonpost config --explain", "and who said so" },
    { "moonpost config --store memory", "what would run with this flag" },
  },
  run = function(options)
    local path = options[1]
    if path and shell.kind(path) == "folder" then path = path:gsub("(.)/+$", "%1") .. "/node.lua" end
    if path and not shell.kind(path) then
      term.complain("config", path .. ": no such file")
      return FAILED
    end
    local project, reason = files.project(path, node.overrides(options, options.listen or {}))
    if not project then
      term.complain("config", reason)
      return USAGE
    end
    if project.reason then
      term.complain("config", project.reason)
      return FAILED
    end
    if not project.settings then
      local values, origins = project.values, project.origins
      project = { settings = defaults(), values = values, origins = origins }
    end
    show(project, options)
    return 0
  end,
}
