--- An engine alone, fed with what peers say, byte by byte, in virtual time: for what no well-behaved node would do.
local c = require "spec.support.c"
local wire = require "spec.support.wire"

local ffi, core = c.ffi, c.core

local engine = {}

local Engine = {}
Engine.__index = Engine

local Peer = {}
Peer.__index = Peer

local function retry(first_ms)
  local policy = core.retry_default_link()
  policy.first_ms, policy.factor, policy.jitter, policy.step_ms = first_ms, 1, 0, 0
  return policy
end

local function settings_of(options)
  local settings, links = ffi.new "struct engine_settings", ffi.new("struct link_settings[?]", #options.links)
  for index, address in ipairs(options.links) do
    local link = links[index - 1]
    link.address, link.retry, link.stable_for_ms, link.heartbeat_ms = c.span(address), retry(1000), 10000, 15000
  end
  settings.name, settings.store_id = c.span(options.name), ("e"):rep(16)
  settings.epoch, settings.seed, settings.profile, settings.window = 1, 1, 1, 64
  settings.send, settings.handle = core.retry_default_send(), core.retry_default_handle()
  settings.outbox_count_max, settings.outbox_bytes_max = 10000, 1e9
  settings.mailbox_count_max, settings.mailbox_bytes_max = 10000, 1e9
  settings.body_max, settings.heartbeat_ms = 1048576, 15000
  settings.links, settings.link_count = links, #options.links
  return settings, links
end

--- A started engine. `links` are addresses that it dials.
---@param options { name: string, links: string[]|nil }
function engine.new(options)
  options.links = options.links or {}
  local settings, links = settings_of(options)
  local self = setmetatable({ now = 1, peers = {}, dials = {}, facts = {}, batches = {}, anchor = links }, Engine)
  self.effects = ffi.gc(ffi.new "struct effects", core.effects_deinit)
  self.handle = ffi.gc(core.engine_new(settings, ffi.new "struct policies"), core.engine_free)
  core.engine_watch(self.handle, 0xffffffff, 0)
  self:step { kind = "START" }
  return self
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
    table.insert(self.batches, effect.batch)
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
  while #self.batches > 0 do once(self, { kind = "COMMITTED", batch = table.remove(self.batches, 1) }) end
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

--- Somebody connects.
function Engine:accept()
  local peer = connected(self)
  self:step { kind = "ACCEPTED", connection = peer.number }
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
  local peer = self:accept()
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
