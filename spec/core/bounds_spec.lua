local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local ATTACH, DETACH, RECEIPT, BYE = 3, 4, 6, 10
local BUSY, FENCED = 3, 41
local PLENTY = { credit = 2 ^ 40 }

-- Of limits.h.
local ORIGINS_MAX, EPOCHS_MAX, ATTACHMENTS_MAX, ORIGIN_HOLD_MS = 65536, 4096, 65536, 5000

local function origin_of(number)
  return ("%016d"):format(number) .. "\0\0"
end

local function message(fields)
  local whole = { id = "m", to = "a@x", from = "peer", lane = 7, seq = 1, base = 1, body = "" }
  for name, value in pairs(fields) do whole[name] = value end
  return wire.data(whole)
end

-- The owner of a@x says that it has stored the message of this origin.
local function stored(owner, origin)
  owner:say(wire.stored { origin = origin, to = "a@x", lane = 7, seq = 1 })
end

describe("the way back to a sender", function()
  local hub, owner, near, far

  before_each(function()
    hub = engine.new { name = "hub" }
    owner = hub:guest("owner", ("o"):rep(16), PLENTY)
    owner:say(wire.attach "a@x")
    near = hub:guest("near", ("n"):rep(16))
    far = hub:guest("far", ("f"):rep(16))
  end)

  local function hears_of(origin)
    near:frames()
    far:frames()
    stored(owner, origin)
    return #near:frames_of(RECEIPT), #far:frames_of(RECEIPT)
  end

  it("is the link over which its messages come", function()
    near:say(message { origin = origin_of(1) })
    assert.same({ 1, 0 }, { hears_of(origin_of(1)) })
  end)

  it("is not taken over by another link while the first is in use", function()
    near:say(message { origin = origin_of(1) })
    far:say(message { origin = origin_of(1) })
    assert.same({ 1, 0 }, { hears_of(origin_of(1)) })
  end)

  it("is taken over when the first link is gone", function()
    near:say(message { origin = origin_of(1) })
    near:hang_up()
    far:say(message { origin = origin_of(1) })
    near = hub:guest("near", ("n"):rep(16))
    assert.same({ 0, 1 }, { hears_of(origin_of(1)) })
  end)

  it("is taken over when its messages have come over another link only for a while", function()
    near:say(message { origin = origin_of(1) })
    hub:advance(ORIGIN_HOLD_MS)
    far:say(message { origin = origin_of(1) })
    assert.same({ 0, 1 }, { hears_of(origin_of(1)) })
  end)

  it("is never another link than the sender's own, as its hello says", function()
    local origin = ("n"):rep(16) .. "\0\0"
    near:say(message { origin = origin })
    hub:advance(2 * ORIGIN_HOLD_MS)
    far:say(message { origin = origin })
    assert.same({ 1, 0 }, { hears_of(origin) })
  end)

  it("is taken back at once by the link whose hello has the sender's store", function()
    local origin = ("n"):rep(16) .. "\0\0"
    far:say(message { origin = origin })
    near:say(message { origin = origin })
    assert.same({ 1, 0 }, { hears_of(origin) })
  end)

  it("that was used longest ago is forgotten when too many are known", function()
    near:say(message { origin = origin_of(1) })
    near:say(message { origin = origin_of(2) })
    near:say(message { origin = origin_of(1) })
    local batch = {}
    for number = 3, ORIGINS_MAX + 1 do
      batch[#batch + 1] = message { origin = origin_of(number), to = "nobody" }
      if #batch == 2000 then
        far:say(table.concat(batch))
        far:frames()
        batch = {}
      end
    end
    far:say(table.concat(batch))
    assert.same({ 0, 0 }, { hears_of(origin_of(2)) })
    assert.same({ 1, 0 }, { hears_of(origin_of(1)) })
  end)
end)

describe("the addresses that are attached to a node", function()
  it("are at most so many; the next is refused with BUSY and words, and nothing else happens to its link", function()
    local hub = engine.new { name = "hub" }
    local peer = hub:guest("peer", ("p"):rep(16))
    local attaches = {}
    for number = 1, ATTACHMENTS_MAX do attaches[number] = wire.attach("agent" .. number .. "@x") end
    peer:say(table.concat(attaches))
    assert.equal(ATTACHMENTS_MAX, #peer:frames_of(ATTACH))
    peer:say(wire.attach "late@x")
    local refusal = wire.read_attach(peer:frames_of(DETACH)[1])
    assert.same({ BUSY, "late@x", "this node knows 65536 addresses already and takes no more for now" },
      { refusal.code, refusal.address, refusal.reason })
    peer:say(wire.detach "agent1@x")
    peer:say(wire.attach "late@x")
    assert.equal("late@x", wire.read_attach(peer:frames_of(ATTACH)[1]).address)
  end)
end)

describe("the starts of stores that a node remembers", function()
  local hub

  before_each(function() hub = engine.new { name = "hub" } end)

  local function store(number) return ("%016d"):format(number) end

  local function visit(number, epoch)
    local peer = hub:guest("node" .. number, store(number), { epoch = epoch })
    local byes = peer:frames_of(BYE)
    peer:hang_up()
    return byes[1] and byes[1]:byte(1)
  end

  it("are at most so many; the one that was here longest ago is forgotten first", function()
    for number = 1, EPOCHS_MAX do visit(number, 2) end
    visit(1, 2)
    visit(EPOCHS_MAX + 1, 2)
    assert.equal(FENCED, visit(1, 1))
    assert.is_nil(visit(2, 1))
  end)

  it("do not hold first starts, of which none can be older", function()
    visit(1, 2)
    for number = 2, EPOCHS_MAX + 1 do visit(number, 1) end
    assert.equal(FENCED, visit(1, 1))
  end)

  it("are remembered of a node that is linked, however long ago it came", function()
    hub:guest("stays", store(0), { epoch = 2 })
    for number = 1, EPOCHS_MAX do visit(number, 2) end
    assert.equal(FENCED, visit(0, 1))
  end)
end)

describe("destinations that hold nothing any more", function()
  it("are forgotten when a node sends to more than half of those it can hold", function()
    local OUTBOXES_MAX = 65536
    local node = engine.new { name = "node" }
    for n = 1, OUTBOXES_MAX / 2 + 500 do node:send("a@" .. n, "m", { profile = 0 }) end
    local count = 0
    local each = c.ffi.cast("void (*)(void *, const struct queue_view *)", function() count = count + 1 end)
    c.core.engine_queues(node.handle, each, nil)
    each:free()
    assert.is_true(count < OUTBOXES_MAX / 2 + 10, count)
  end)
end)
