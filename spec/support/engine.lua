--- An engine alone, fed with what peers say, byte by byte, in virtual time: for what no well-behaved node would do.
local c = require "spec.support.c"
local wire = require "spec.support.wire"

local ffi, core = c.ffi, c.core

local engine = {}

local Engine = {}
Engine.__index = Engine
Engine.core = core

local Peer = {}
Peer.__index = Peer

local function retry(first_ms)
  local policy = core.retry_default_link()
  policy.first_ms, policy.factor, policy.jitter, policy.step_ms = first_ms, 1, 0, 0
  return policy
end

--- A policy that waits so many milliseconds after each failure.
Engine.retry = retry

-- One function for all engines (there are few of them to be had), which asks for a record of the store by its number.
local stores, store_count = setmetatable({}, { __mode = "v" }), 0

local fetch = ffi.cast("bool (*)(void *, const struct span *, struct block **)", function(user, key, value)
  local found = stores[tonumber(ffi.cast("intptr_t", user))].store[c.text(key[0])]
  if found then value[0] = core.block_copy(c.span(found)) end
  return found ~= nil
end)

local function policies_of(self)
  local policies = ffi.new "struct policies"
  store_count = store_count + 1
  stores[store_count] = self
  policies.store_user, policies.fetch = ffi.cast("void *", store_count), fetch
  return policies
end

local function settings_of(options)
  local settings, links = ffi.new "struct engine_settings", ffi.new("struct link_settings[?]", #options.links)
  for index, address in ipairs(options.links) do
    local link = links[index - 1]
    link.address, link.retry, link.stable_for_ms, link.heartbeat_ms = c.span(address), options.redial or retry(1000), 10000, 15000
  end
  settings.name, settings.store_id = c.span(options.name), ("e"):rep(16)
  settings.epoch, settings.seed, settings.profile, settings.window = 1, 1, 1, 64
  settings.send, settings.handle = core.retry_default_send(), core.retry_default_handle()
  settings.outbox_count_max, settings.outbox_bytes_max = 10000, 1e9
  settings.mailbox_count_max, settings.mailbox_bytes_max = 100000, 1e9
  settings.body_max, settings.heartbeat_ms = 1048576, 15000
  settings.links, settings.link_count = links, #options.links
  return settings, links
end

-- What an earlier life left, kind by kind, each by its keys.
local function recover(self)
  for kind in ffi.string(core.engine_recovery_order()):gmatch "." do
    local keys = {}
    for key in pairs(self.store) do
      if key:sub(1, 1) == kind then keys[#keys + 1] = key end
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
      if c.status(core.engine_recover(self.handle, c.span(key), c.span(self.store[key]))) ~= "OK" then
        self.damaged[#self.damaged + 1] = key
      end
    end
  end
  core.engine_recovered(self.handle)
end

--- A started engine. `links` are addresses that it dials; `store` (key to value) is what an earlier life left, `wall` its
--- wall clock in milliseconds at the start; `redial` is the links' retry policy; `suspects` are sequences of messages
--- whose handlers ran when that life died.
---@param options { name: string, links: string[]|nil, store: table<string, string>|nil, wall: number|nil,
---  slow: boolean|nil, redial: ffi.cdata*|nil, suspects: table|nil }
function engine.new(options)
  options.links = options.links or {}
  local settings, links = settings_of(options)
  local self = setmetatable({ now = 1, peers = {}, dials = {}, facts = {}, batches = {}, loads = {}, runs = {}, answers = {},
    requests = {}, parts = {}, streams_over = {},
    held = false, damaged = {}, slow = options.slow, store = options.store or {}, options = options,
    anchor = links }, Engine)
  self.effects = ffi.gc(ffi.new "struct effects", core.effects_deinit)
  self.handle = ffi.gc(core.engine_new(settings, policies_of(self)), core.engine_free)
  core.engine_watch(self.handle, 0xffffffff, 0)
  core.engine_set_clock(self.handle, self.now, options.wall or 1000000)
  for _, sequence in ipairs(options.suspects or {}) do core.engine_suspect(self.handle, sequence) end
  for _, sequence in ipairs(options.together or {}) do core.engine_suspect_one_of(self.handle, sequence) end
  recover(self)
  self:step { kind = "START" }
  return self
end

--- The process is killed and started again so many milliseconds later; what was committed is there again. `suspects` are
--- the runs (as in `runs`) that were at work in it.
function Engine:restart(ms, suspects)
  local options = {}
  for name, value in pairs(self.options) do options[name] = value end
  options.store, options.suspects = self.store, {}
  options.together = {}
  for _, run in ipairs(suspects or {}) do
    local named = #run.others == 0 and options.suspects or options.together
    named[#named + 1] = run.sequence
    for _, other in ipairs(run.others) do named[#named + 1] = other.sequence end
  end
  options.wall = (self.options.wall or 1000000) + self.now - 1 + ms
  return engine.new(options)
end

local function change(self, op)
  local key = c.text(op.key)
  if op.kind == ffi.C.OP_DELETE then self.store[key] = nil end
  if op.kind ~= ffi.C.OP_PUT then return end
  self.store[key] = c.text(op.head) .. (op.value ~= nil and ffi.string(op.value.bytes, op.value.size) or "")
end

local function commit(self, batch)
  self.largest = math.max(self.largest or 0, tonumber(batch.op_count))
  if self.slow then
    self.out = batch
    return
  end
  for index = 0, tonumber(batch.op_count) - 1 do change(self, batch.ops[index]) end
  table.insert(self.batches, batch)
end

--- Of a slow store: the batch that is out is durable now. False: none is out.
function Engine:commit()
  local batch = self.out
  if not batch then return false end
  self.out = nil
  for index = 0, tonumber(batch.op_count) - 1 do change(self, batch.ops[index]) end
  self:step { kind = "COMMITTED", batch = batch }
  return true
end

-- A page is read behind every batch that was handed out before it.
local function read(self, page)
  for index = 0, tonumber(page.count) - 1 do
    local item = page.items[index]
    local value = self.store[ffi.string(item.key, 9)]
    if value then item.value = core.block_copy(c.span(value)) end
  end
  return page
end

local function page_of(page)
  local items = {}
  for index = 0, tonumber(page.count) - 1 do
    local item = page.items[index]
    items[index + 1] = { id = c.text(core.message_of(item.block).id), attempt = item.attempt, in_store = item.in_store,
      state = ffi.string(core.entry_state_name(item.state)), due = tonumber(item.due_ms), first = tonumber(item.first_ms),
      reason = item.reason ~= nil and ffi.string(item.reason.bytes, item.reason.size) or nil }
  end
  return { items = items, after = tonumber(page.after), purged = tonumber(page.purged), last = tonumber(page.last) }
end

local function take(self, effect)
  if effect.kind == ffi.C.EFFECT_WRITE then
    local peer = self.peers[effect.connection]
    peer.heard = peer.heard .. ffi.string(effect.block.bytes, effect.block.size)
    peer.unwritten = peer.unwritten + effect.block.size
  elseif effect.kind == ffi.C.EFFECT_CLOSE then
    self.peers[effect.connection].closing = true
  elseif effect.kind == ffi.C.EFFECT_DIAL then
    table.insert(self.dials, tonumber(effect.dial))
  elseif effect.kind == ffi.C.EFFECT_COMMIT then
    commit(self, effect.batch)
  elseif effect.kind == ffi.C.EFFECT_LOAD then
    table.insert(self.loads, effect.load)
  elseif effect.kind == ffi.C.EFFECT_RUN then
    local message = core.message_of(effect.run.block)
    local others = {}
    for index = 0, tonumber(effect.run.other_count) - 1 do
      others[index + 1] = { sequence = effect.run.others[index].sequence, attempt = effect.run.others[index].attempt,
        id = c.text(core.message_of(effect.run.others[index].block).id) }
    end
    table.insert(self.runs, { others = others, delivery = effect.run.delivery, sequence = effect.run.sequence,
      attempt = effect.run.attempt, notice = effect.run.notice, key = c.text(effect.run.key),
      id = c.text(message.id), body = c.text(message.body), at = self.now })
  elseif effect.kind == ffi.C.EFFECT_RECEIPT then
    table.insert(self.answers, { ok = effect.answer.ok, code = effect.answer.code, level = effect.answer.level,
      reason = c.text(effect.answer.reason), result = c.text(effect.answer.result) })
  elseif effect.kind == ffi.C.EFFECT_PART then
    table.insert(self.parts, { accepted = effect.part.accepted, left_out = effect.part.left_out,
      body = c.text(effect.part.body) })
  elseif effect.kind == ffi.C.EFFECT_STREAM_OVER then
    table.insert(self.streams_over, tonumber(effect.waiter))
  elseif effect.kind == ffi.C.EFFECT_ADMIN then
    table.insert(self.requests, { token = effect.waiter, body = c.text(core.message_of(effect.block).body),
      page = effect.page ~= nil and page_of(effect.page) or nil })
  elseif effect.kind == ffi.C.EFFECT_FACT then
    table.insert(self.facts, { fact = ffi.string(core.fact_name(effect.fact.kind)), code = effect.fact.code,
      subject = c.text(effect.fact.subject), reason = c.text(effect.fact.reason), at = self.now })
  end
end

local function once(self, fields)
  local event = ffi.new("struct event[1]")
  if fields then
    event[0].kind = ffi.C["EVENT_" .. fields.kind]
    for name, value in pairs(fields) do
      if name ~= "kind" then event[0][name] = type(value) == "string" and c.span(value) or value end
    end
  end
  core.engine_step(self.handle, event, fields and 1 or 0, self.now, self.effects)
  for index = 0, tonumber(self.effects.count) - 1 do take(self, self.effects.items[index]) end
  core.effects_reset(self.effects)
end

--- One event (`kind` and the fields of struct event, texts as strings), and every commit that comes of it.
function Engine:step(fields)
  once(self, fields)
  if self.held then return end
  while #self.batches + #self.loads > 0 and not (self.out and #self.batches == 0) do
    if #self.batches > 0 then once(self, { kind = "COMMITTED", batch = table.remove(self.batches, 1) }) end
    if #self.loads > 0 then once(self, { kind = "LOADED", load = read(self, table.remove(self.loads, 1)) }) end
  end
end

--- With `held` set no commit comes back before this.
function Engine:release()
  self.held = nil
  self:step()
end

--- An agent is there; `more` are fields of its declaration.
function Engine:agent(address, more)
  local agent = ffi.new "struct agent_declaration"
  agent.agent, agent.address, agent.concurrency, agent.timeout_ms = 1, c.span(address), 8, 30000
  agent.profile, agent.retry = 1, retry(1000)
  agent.retry.attempts = 5
  for name, value in pairs(more or {}) do agent[name] = value end
  self:step { kind = "AGENT_UP", agent = agent }
end

--- The handler of a run (as in `runs`) ended: "ACK", "RETRY", "DEFER", "REJECT", "SKIP"; that of a batch perhaps with
--- one word for each message instead.
function Engine:finish(run, kind, reason)
  local words = kind
  if type(kind) == "table" then kind = "ACK" end
  local outcome = ffi.new "struct outcome"
  outcome.delivery, outcome.kind, outcome.delay_ms = run.delivery, ffi.C["OUTCOME_" .. kind], -1
  outcome.encoding = ffi.C.ENCODING_JSON
  if kind == "RETRY" then outcome.code = ffi.C.CODE_HANDLER_ERROR end
  outcome.reason = c.span(reason or "")
  local parts = type(words) == "table" and ffi.new("struct outcome[?]", #words) or nil
  for index, word in ipairs(parts and words or {}) do
    parts[index - 1].kind, parts[index - 1].delay_ms = ffi.C["OUTCOME_" .. word], -1
    parts[index - 1].code = word == "RETRY" and ffi.C.CODE_HANDLER_ERROR or 0
  end
  outcome.parts, outcome.part_count = parts, parts and #words or 0
  self:step { kind = "OUTCOME", outcome = outcome }
end

--- Send from here; `more` are fields of the message.
function Engine:send(to, id, more)
  local submit = ffi.new "struct submit"
  submit.message.id, submit.message.to, submit.message.body = c.span(id), c.span(to), c.span("body of " .. id)
  submit.message.profile, submit.message.remaining_ms = 1, 0xffffffffffffffffULL
  for name, value in pairs(more or {}) do submit.message[name] = value end
  self:step { kind = "SUBMIT", submit = submit }
end

--- A submit whose waiter takes parts, awaited until it is handled.
function Engine:submit_stream(to)
  local submit = ffi.new "struct submit"
  submit.message.id, submit.message.to, submit.message.body = c.span "s", c.span(to), c.span "{}"
  submit.message.profile, submit.message.level, submit.message.remaining_ms = 1, 3, 0xffffffffffffffffULL
  submit.stream, submit.waiter = true, 77
  self:step { kind = "SUBMIT", submit = submit }
end

--- What is in the store, by kind: { m = 3, ... }.
function Engine:kept()
  local kept = {}
  for key in pairs(self.store) do
    local kind = key:sub(1, 1)
    kept[kind] = (kept[kind] or 0) + 1
  end
  return kept
end

--- The dead letters of an address: { reason, failures = { reasons } }.
function Engine:letters(address)
  local letters, handles = {}, {}
  local each = ffi.cast("void (*)(void *, const struct dead_letter *)", function(_, letter)
    local failures = {}
    for n = 0, tonumber(letter.failure_count) - 1 do failures[n + 1] = c.text(letter.failures[n].reason) end
    letters[#letters + 1] = { reason = c.text(letter.reason), failures = failures }
    handles[#handles + 1] = letter.handle
  end)
  core.engine_dead(self.handle, c.span(address), each, nil)
  each:free()
  return letters, handles
end

--- Somebody of the node's own user asks $node; the request is the newest in `requests`.
function Engine:ask(body)
  local submit = ffi.new "struct submit"
  self.askers = (self.askers or 1000) + 1
  submit.message.id, submit.message.to, submit.message.body = c.span "q", c.span "$node", c.span(body or "{}")
  submit.message.profile, submit.message.level, submit.message.remaining_ms = 1, 3, 0xffffffffffffffffULL
  submit.own, submit.waiter = true, self.askers
  self:step { kind = "SUBMIT", submit = submit }
  return self.requests[#self.requests]
end

--- The node has done what a request asked for; `more` are fields of its answer.
function Engine:administered(request, more)
  local answer = ffi.new "struct administered"
  for name, value in pairs(more or {}) do answer[name] = type(value) == "string" and c.span(value) or value end
  self:step { kind = "ADMINISTERED", waiter = request.token, administered = answer }
end

--- The node answers the request by parts from now on.
function Engine:stream(request)
  self:step { kind = "STREAM", waiter = request.token }
  self:administered(request)
end

--- A part of that answer; false: there was no room for it.
function Engine:part(request, body)
  if not core.engine_part_fits(self.handle, request.token) then return false end
  local part = ffi.new "struct part"
  part.encoding, part.body = 1, c.span(body)
  self:step { kind = "PART", waiter = request.token, part = part }
  return true
end

--- What is remembered of a message: the names of facts, and since when anything is (nil: nothing was forgotten).
function Engine:recent(id)
  local found = {}
  local each = ffi.cast("void (*)(void *, const struct recent_view *)", function(_, view)
    found[#found + 1] = { fact = ffi.string(core.fact_name(view.kind)), at = tonumber(view.at_ms),
      address = c.text(view.address), reason = c.text(view.reason), attempt = view.attempt }
  end)
  local since = core.engine_recent(self.handle, c.span(id), each, nil)
  each:free()
  return found, since > -0x7fffffffffffffffLL and tonumber(since) or nil
end

--- All dead letters of an address go back, as one request; `more` are fields of struct requeue.
function Engine:requeue(address, more)
  local _, handles = self:letters(address)
  local request = self:ask()
  for _, handle in ipairs(handles) do
    local requeue = ffi.new "struct requeue"
    requeue.letter = handle
    for name, value in pairs(more or {}) do requeue[name] = type(value) == "string" and c.span(value) or value end
    self:step { kind = "REQUEUE", waiter = request.token, requeue = requeue }
  end
  self:administered(request)
end

local HOLDS = { RESUME = 0, PAUSE = 1, DRAIN = 2 }

--- A mailbox is paused, drained or resumed ("PAUSE", "DRAIN", "RESUME").
function Engine:set(kind, address)
  local request = self:ask()
  self:step { kind = "HOLD", waiter = request.token, address = address, hold = HOLDS[kind] }
  self:administered(request)
end

--- All dead letters of an address go for ever, as one request.
function Engine:remove(address)
  local _, handles = self:letters(address)
  local request = self:ask()
  for _, handle in ipairs(handles) do self:step { kind = "REMOVE", waiter = request.token, letter = handle } end
  self:administered(request)
end

--- What waits in a mailbox is removed: at most so many, up to this sequence (0: all). Answers the page.
function Engine:purge(address, limit, last)
  local request = self:ask()
  local purge = ffi.new "struct purge"
  purge.address, purge.limit, purge.last = c.span(address), limit or 1000000, last or 0
  self:step { kind = "PURGE", waiter = request.token, purge = purge }
  return self:shown(request)
end

--- A page of what a queue holds: `more` are `states` (a list of names), `after` and `limit`.
function Engine:peek(address, more)
  more = more or {}
  local request = self:ask()
  local peek = ffi.new "struct peek"
  peek.address, peek.limit, peek.after, peek.states = c.span(address), more.limit or 100, more.after or 0, 0xff
  for index, state in ipairs(more.states or {}) do
    peek.states = index == 1 and 0 or peek.states
    peek.states = bit.bor(peek.states, bit.lshift(1, tonumber(ffi.C["ENTRY_" .. state])))
  end
  self:step { kind = "PEEK", waiter = request.token, peek = peek }
  return self:shown(request)
end

--- The page of a request, once it is there; the request is answered then.
function Engine:shown(request)
  local again = self.requests[#self.requests]
  if again.token ~= request.token or not again.page then return nil end
  self:administered(request)
  return again.page
end

--- Commits are not done until this is called again without `held`.
function Engine:hold(held)
  self.held = held
  if not held then self:step() end
end

--- What its queues hold: a list of { address, outbox, count of those that are not dead }.
function Engine:left()
  local found = {}
  local each = ffi.cast("void (*)(void *, const struct left *)", function(_, left)
    found[#found + 1] = { c.text(left.address), left.outbox,
      tonumber(left.waiting + left.leased + left.deferred + left.awaiting) }
  end)
  core.engine_left(self.handle, each, nil)
  each:free()
  return found
end

--- Let so many milliseconds pass.
function Engine:advance(ms)
  local till = self.now + ms
  while true do
    local due = tonumber(core.engine_deadline_ms(self.handle))
    if due > till then break end
    self.now = math.max(due, self.now)
    self:step()
  end
  self.now = till
end

local function connected(self)
  self.last = (self.last or 0) + 1
  local peer = setmetatable({ engine = self, number = self.last, heard = "", unwritten = 0 }, Peer)
  self.peers[self.last] = peer
  return peer
end

--- Somebody connects; `own`: a program of the node's own user.
function Engine:accept(own)
  local peer = connected(self)
  self:step { kind = "ACCEPTED", connection = peer.number, own = own or false }
  return peer
end

--- The oldest dial that waits succeeds.
function Engine:connect()
  local peer = connected(self)
  self:step { kind = "CONNECTED", dial = table.remove(self.dials, 1), connection = peer.number }
  return peer
end

--- Somebody connects and says hello; `more` as for wire.hello.
function Engine:guest(name, store_id, more)
  local peer = self:accept(more and more.own)
  peer:say(wire.hello(name, store_id, more))
  return peer
end

--- The facts of this kind so far.
function Engine:facts_of(kind)
  local found = {}
  for _, fact in ipairs(self.facts) do
    if fact.fact == kind then found[#found + 1] = fact end
  end
  return found
end

function Engine:counts()
  local counts = ffi.new "struct engine_counts"
  core.engine_count(self.handle, counts)
  return counts
end

function Peer:say(bytes)
  self.engine:step { kind = "BYTES", connection = self.number, bytes = bytes }
end

--- What it was told since the last look: a list of { kind, payload }.
function Peer:frames()
  local frames, at, heard = {}, 1, self.heard
  while at <= #heard do
    local a, b, d, e, kind = heard:byte(at, at + 4)
    local size = ((a * 256 + b) * 256 + d) * 256 + e
    frames[#frames + 1] = { kind = kind, payload = heard:sub(at + 5, at + 3 + size) }
    at = at + 4 + size
  end
  self.heard = ""
  return frames
end

--- The frames of one type since the last look; the others are forgotten.
function Peer:frames_of(kind)
  local found = {}
  for _, frame in ipairs(self:frames()) do
    if frame.kind == kind then found[#found + 1] = frame.payload end
  end
  return found
end

--- It has read what was written to it.
function Peer:read()
  local size = self.unwritten
  self.unwritten = 0
  self.engine:step { kind = "WRITTEN", connection = self.number, size = size }
end

--- Its connection is gone.
function Peer:hang_up()
  self.engine.peers[self.number] = nil
  self.engine:step { kind = "CLOSED", connection = self.number, reason = "gone" }
end

return engine
