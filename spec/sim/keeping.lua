--- What agents of random worlds keep, and whether it is as if their handlers had run one after the other, each once.
---
--- Each handler that is acked leaves a mark for its message in ctx.kv, and its number as the result. Counters, one in
--- ctx.kv and one in each document, are read, and written after a while; each step is told to an auditor.
local moonpost = require "moonpost"
local storm = require "moonpost.test.storm"

local keeping = {}

--- What a run remembers of what handlers tried, whether it was committed or not.
function keeping.new()
  return { runs = 0, begins = 0, marked = {}, keys = {}, told = {}, begun = {}, lines = {} }
end

local function lasts(actor) return actor.settings.store ~= "memory" end

local function note(list, actor, name)
  local of_actor = list[actor] or {}
  list[actor] = of_actor
  of_actor[name] = true
end

--- A handler works on a message: its mark. Answers what to return as its result.
function keeping.mark(run, actor, ctx, msg)
  local keeps = run.keeping
  keeps.runs = keeps.runs + 1
  local mark = ctx.kv:get("of/" .. msg.id) or { times = 0, first = keeps.runs }
  ctx.kv:set("of/" .. msg.id, { times = mark.times + 1, first = mark.first })
  ctx.kv:add("marks", 1)
  note(keeps.marked, actor, msg.id)
  if msg.key then
    ctx.kv:add("key/" .. msg.key, 1)
    note(keeps.keys, actor, msg.key)
  end
  return { run = keeps.runs }
end

local function document_key(actor, msg)
  return actor.fields.order == "key" and msg.key or ""
end

local function label(actor, msg)
  if msg.body.kv then return actor[1] .. " kv" end
  return ("%s state %s"):format(actor[1], document_key(actor, msg))
end

local function read_count(ctx, msg)
  if msg.body.kv then return ctx.kv:get "count" or 0 end
  return ctx.state.count or 0
end

local function write_count(ctx, msg, count)
  if msg.body.kv then ctx.kv:set("count", count) else ctx.state.count = count end
end

-- Each version of an agent finds what it reads, and leaves what it writes.
local function check_version(run, ctx, msg, version)
  local found = ctx.state.version or version
  if found ~= version then run.problem(("version %d was handed the state of %d for %s"):format(version, found, msg.id)) end
  ctx.state.version = version
end

--- What makes the state of the version before that of this one.
function keeping.migrate(run, version)
  return function(old, from)
    local wrote = old.version or from
    if wrote ~= from then run.problem(("migrate was asked of version %d for the state of %d"):format(from, wrote)) end
    old.version = version
    return old
  end
end

--- A counter goes on by one, and an auditor is told.
function keeping.count(run, actor, ctx, msg, version)
  if actor.fields.batch then return end
  check_version(run, ctx, msg, version)
  local told = run.keeping.told
  local count, name = read_count(ctx, msg) + 1, label(actor, msg)
  if msg.body.waits then moonpost.sleep(msg.body.waits) end
  write_count(ctx, msg, count)
  local id = ctx:send(msg.body.to, { does = "audit", of = name, count = count }, { key = name, profile = msg.body.profile })
  told[name] = told[name] or { actor = actor, key = document_key(actor, msg), kv = msg.body.kv, steps = {} }
  told[name].steps[count] = told[name].steps[count] or {}
  table.insert(told[name].steps[count], id)
end

-- ---- order ----

local function line_of(run, act, actor)
  local options, from = act.options, run.by_name[act.options.from]
  local order = actor.fields.order
  if order == "none" or options.delay or options.profile == "at-most-once" or not lasts(from) then return nil end
  if type(actor.fields.dedup) == "table" and actor.fields.dedup.key then return nil end
  return ("%s %s %s"):format(options.from, act.to, order == "key" and options.key or "")
end

--- A message was sent: its place among those of its sender that follow each other.
function keeping.sent(run, id, act, actor)
  local line = line_of(run, act, actor)
  if not line then return end
  local lines = run.keeping.lines
  lines[line] = lines[line] or {}
  table.insert(lines[line], id)
end

--- A handler begins.
function keeping.began(run, msg)
  local keeps = run.keeping
  keeps.begins = keeps.begins + 1
  keeps.begun[msg.id] = keeps.begun[msg.id] or keeps.begins
end

-- ---- at the end ----

local function fail(...) error(string.format(...), 0) end

local function check_marks(run, actor)
  local sum = 0
  for id in pairs(run.keeping.marked[actor] or {}) do
    local mark = run.world:kv(actor.agent, "of/" .. id, { node = actor[1] })
    sum = sum + (mark and mark.times or 0)
  end
  local marks = run.world:kv(actor.agent, "marks", { node = actor[1] }) or 0
  if marks ~= sum then fail("%s on %s has %d marks, and its messages %d", actor.agent, actor[1], marks, sum) end
end

local function check_keys(run, actor)
  local dedup = actor.fields.dedup
  if type(dedup) ~= "table" or not dedup.key then return end
  for key in pairs(run.keeping.keys[actor] or {}) do
    local times = run.world:kv(actor.agent, "key/" .. key, { node = actor[1] }) or 0
    if times > 1 then fail("%s on %s handled the key %s %d times", actor.agent, actor[1], key, times) end
  end
end

local function count_of(run, told)
  local actor = told.actor
  if told.kv then return run.world:kv(actor.agent, "count", { node = actor[1] }) or 0 end
  local document = run.world:state(actor.agent, told.key, { node = actor[1] })
  return document and document.count or 0
end

local function times_of(run, id)
  local times, first = 0, nil
  for _, actor in ipairs(run.actors) do
    local mark = actor.agent and run.world:kv(actor.agent, "of/" .. id, { node = actor[1] })
    if mark then times, first = times + mark.times, first or mark.first end
  end
  return times, first
end

local function any_taken(run, ids)
  for _, id in ipairs(ids or {}) do
    if run.was_taken(id) then return true end
  end
  return false
end

-- How many messages that tell of a step have left a mark with an auditor.
local function count_heard(run, ids) -- with one that handles batches: none
  local count = 0
  for _, id in ipairs(ids) do count = count + math.min(1, (times_of(run, id))) end
  return count
end

-- Each step up to the last one was told once, and none behind it: state and sends are one commit, and no update is lost.
local function check_steps(run, name, told)
  local count = count_of(run, told)
  for step, ids in pairs(told.steps) do
    local heard = count_heard(run, ids)
    if heard > 1 then fail("step %d of %s was made %d times", step, name, heard) end
    if heard > 0 and step > count then fail("an auditor knows of step %d of %s, which is at %d", step, name, count) end
  end
  for step = 1, count do
    if not any_taken(run, told.steps[step]) then fail("nobody was told of step %d of %s", step, name) end
  end
end

local function check_once(run, id)
  local times, first = times_of(run, id)
  if times > 1 then fail("%s, exactly once, left %d marks", id, times) end
  local receipt = run.world:receipt(id)
  if not receipt then return end
  if receipt.code == "IN_DOUBT" and #run.world:times(id, "sent") == 0 then
    fail("%s is in doubt, and was never sent", id)
  end
  if not receipt.ok or not first then return end -- or it is a duplicate of another with its key
  if type(receipt.result) ~= "table" or receipt.result.run ~= first then
    fail("%s was answered with another result than its first one", id)
  end
end

-- Whoever is acked has left its mark; what a batch does is of all its messages.
local function check_handled(run, id, act)
  if run.by_address[act.to].fields.batch then return end
  if act.body.does == "skip" or not storm.handled(run.world, id) then return end
  if times_of(run, id) == 0 then fail("%s was handled, and left no mark", id) end
end

-- Of one whose first copy expired, a second copy may come: how long it was on its way does not count. One that was purged
-- comes back when the process dies before that is durable.
local function came_back(run, id)
  for _, fact in ipairs(run.world:facts(id)) do
    if fact.fact == "expired" or fact.fact == "purged" then return true end
    if fact.fact == "delivered" then return false end
  end
  return false
end

-- None begins for the first time behind one that was sent later, but for those that came back.
local function check_line(run, line)
  local last, latest = nil, 0
  for _, id in ipairs(line) do
    local begun = not came_back(run, id) and run.keeping.begun[id]
    if begun and begun < latest then fail("%s begins before %s, which was sent earlier", id, last) end
    if begun then last, latest = id, begun end
  end
end

--- All of it holds. Nodes that forget are left out.
function keeping.check(run)
  for _, actor in ipairs(run.actors) do
    if actor.agent and lasts(actor) then
      check_marks(run, actor)
      check_keys(run, actor)
    end
  end
  for _, line in pairs(run.takeover and {} or run.keeping.lines) do check_line(run, line) end
  for name, told in pairs(run.keeping.told) do
    if run.all_last then check_steps(run, name, told) end
  end
  for _, id in ipairs(run.all_last and run.order or {}) do
    local act = run.sent[id]
    check_handled(run, id, act)
    if act.options.profile == "exactly-once" then check_once(run, id) end
  end
end

return keeping
