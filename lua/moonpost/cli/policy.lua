--- `moonpost policy`: the schedule of a retry policy.
local files = require "moonpost.cli.files"
local moonpost = require "moonpost"
local nearest = require "moonpost.nearest"
local shell = require "moonpost.shell"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local FAILED, USAGE = 1, 2
local SHOWN = 16
local ROLES = { send = true, handle = true }

-- ---- which one ----

local function names_of(project)
  local patterns = project.settings and project.settings.policies or { "policies/*.lua" }
  local names = {}
  for _, path in ipairs((files.matches(project.root, patterns))) do names[path:match("([^/]+)%.lua$")] = path end
  return names
end

local function no_such(name, names)
  local known = { send = true, handle = true }
  for each in pairs(names) do known[each] = true end
  local hint = nearest.hint(name, known)
  local fix = hint == "" and "; make policies/" .. name .. ".lua, or name a file" or hint
  return ('there is no policy "%s"%s'):format(name, fix)
end

--- The policy that a name or a file stands for: what it says, and the file it is in.
local function find(name)
  local project, reason = files.project()
  if not project then return nil, reason end
  local names = names_of(project)
  local path = names[name] or (shell.kind(name) == "file" and name)
  if path then
    local said, wrong = files.load("policy", path)
    return said, wrong or path
  end
  if not ROLES[name] then return nil, no_such(name, names) end
  if project.reason then return nil, project.reason end
  local said = project.settings and project.settings[name]
  if said and (said.kind == "function" or said.delays or said.step) then return said, project.settings_file end
  return project.values[name], project.settings_file or "the defaults"
end

-- ---- its schedule ----

local function number(value)
  if value == "inf" or value == nil then return math.huge end
  return value
end

local function base(policy, n)
  if policy.waits then return policy.waits[n] end
  if policy.delays then return policy.delays[math.min(n, #policy.delays)] end
  if policy.step then return policy.first + policy.step * (n - 1) end
  return policy.first * policy.factor ^ (n - 1)
end

local function at_deadline(deadline)
  return ("gives up at its deadline, %s after the first attempt"):format(words.duration(deadline))
end

-- How a policy ends that has more attempts than are shown.
local function far_end(attempts, deadline)
  if deadline < math.huge then return at_deadline(deadline) end
  return attempts == math.huge and "never gives up" or "gives up after " .. words.of(attempts, "attempt")
end

local function ending(policy, attempts)
  if not policy.waits then return "gives up after " .. words.of(attempts, "attempt") end
  if policy.reason then return "gives up: " .. policy.reason end
  return ("does not give up within %d failures"):format(#policy.waits)
end

--- The waits behind each failure: the shortest, the typical and the longest; their sums; how it ends; and whether
--- more of them follow.
local function schedule(policy)
  local attempts, deadline, cap = number(policy.attempts), number(policy.deadline), number(policy.cap)
  local jitter = policy.jitter or 0
  if policy.waits then attempts = #policy.waits + 1 end
  local rows, total = {}, { 0, 0, 0 }
  for n = 1, math.min(attempts - 1, SHOWN) do
    local wait = base(policy, n)
    local three = { math.min(wait * (1 - jitter), cap), math.min(wait, cap), math.min(wait * (1 + jitter), cap) }
    if total[2] + three[2] > deadline then return rows, total, at_deadline(deadline), false end
    for place = 1, 3 do total[place] = total[place] + three[place] end
    rows[n] = { attempt = n + 1, shortest = three[1], typical = three[2], longest = three[3], after = total[2] }
  end
  if attempts - 1 > SHOWN then return rows, total, far_end(attempts, deadline), true end
  return rows, total, ending(policy, attempts), false
end

-- ---- showing it ----

local function seconds(value)
  if value >= 3600 then return ("%.1f h"):format(value / 3600) end
  if value >= 120 then return ("%.1f min"):format(value / 60) end
  if value < 1 then return ("%d ms"):format(value * 1000 + 0.5) end
  return ("%.1f s"):format(value)
end

local COLUMNS = {
  { key = "attempt", head = "ATTEMPT", right = true },
  { key = "shortest", head = "SHORTEST", right = true },
  { key = "typical", head = "TYPICAL", right = true },
  { key = "longest", head = "LONGEST", right = true },
  { key = "after", head = "AFTER THE FIRST", right = true },
}

local function print_schedule(name, from, policy)
  local rows, total, last, cut = schedule(policy)
  local shown = { { attempt = "1", shortest = "0 s", typical = "0 s", longest = "0 s", after = "0 s" } }
  for index, row in ipairs(rows) do
    shown[index + 1] = { attempt = tostring(row.attempt), shortest = seconds(row.shortest),
      typical = seconds(row.typical), longest = seconds(row.longest), after = seconds(row.after) }
  end
  local sum = { attempt = cut and "so far" or "in all" }
  for place, key in ipairs { "shortest", "typical", "longest" } do sum[key] = seconds(total[place]) end
  shown[#shown + 1] = sum
  term.out(("%s  (%s)"):format(term.styled("bold", name), from))
  tables.print(COLUMNS, shown)
  term.out((cut and "and so on; " or "") .. last)
  if policy.final then term.out("its function `final` may give up earlier") end
  if policy.kind == "function" then term.out("a function decides; asked with failures of code HANDLER_ERROR") end
end

local function print_json(name, from, policy)
  local rows, total, last, cut = schedule(policy)
  term.out(moonpost.json.encode { name = name, file = from, attempts = moonpost.array(rows), cut = cut,
    total = { shortest = total[1], typical = total[2], longest = total[3] }, ends = last })
end

local function show(options)
  local name = options[2]
  local policy, from = find(name)
  if not policy then
    term.complain("policy", from)
    return FAILED
  end
  if policy.kind == "dedup" then
    term.complain("policy", ("%s is a dedup policy; only retry policies have a schedule"):format(from))
    return FAILED
  end
  local print_it = options.json and print_json or print_schedule
  print_it(name, from, policy)
  return 0
end

local function list(options)
  local project, reason = files.project()
  if not project then
    term.complain("policy", reason)
    return USAGE
  end
  for name, path in moonpost.sorted_pairs(names_of(project)) do
    term.out(options.json and moonpost.json.encode { name = name, file = path } or ("%s  %s"):format(name, path))
  end
  return 0
end

return {
  name = "policy",
  usage = "policy show|ls [NAME|FILE]",
  verbs = {
    { name = "show", usage = "NAME|FILE", summary = "its waits, their sums, and how it ends",
      examples = { { "moonpost policy show patient", "policies/patient.lua of this folder" } } },
    { name = "ls", summary = "which there are", examples = { { "moonpost policy ls", "the names" } } },
  },
  summary = "when a retry policy tries again, and when it gives up",
  details = [[
  NAME is a file of policies/ (retry = "patient" is policies/patient.lua), or send or handle: the settings of
  the two roles. Shortest and longest are what jitter makes of a wait; the cap is never exceeded.]],
  takes = "file",
  flags = { { name = "json", help = "one JSON object, in seconds" } },
  at_least = 1,
  at_most = 2,
  examples = {
    { "moonpost policy show patient", "policies/patient.lua of this folder" },
    { "moonpost policy show send", "of messages that leave this node" },
  },
  run = function(options)
    if options[1] == "ls" then return list(options) end
    if options[2] then return show(options) end
    term.complain("policy", "which one? moonpost policy show NAME; the names: moonpost policy ls")
    return USAGE
  end,
}
