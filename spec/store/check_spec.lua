local c = require "spec.support.c"
local disk = require "spec.support.disk"
local engine = require "spec.support.engine"
local core, ffi = c.core, c.ffi

pcall(ffi.cdef, "int getpid(void);")

-- A function of C that looks at nothing it is given. (LuaJIT's own cannot be called with a struct.)
local function nothing(kind) return ffi.cast(kind, ffi.C.getpid) end

describe("a check of a store", function()
  local store

  local function remove(kind)
    for _, pair in ipairs((disk.scan(store, kind))) do disk.commit(store, { pair:sub(1, 9) }) end
  end

  local function findings()
    local counts = ffi.new "struct check_counts"
    local calls = ffi.new("struct check_calls", { found = nothing "void (*)(void *, struct span, const char *)" })
    assert.equal("OK", c.status(core.store_check(store, calls, counts)))
    assert.equal(1, tonumber(counts.facts))
    return tonumber(counts.findings)
  end

  -- The records of a node that has a message to try again.
  before_each(function()
    store = core.store_memory_open()
    local node = engine.new { name = "owner" }
    node:agent "a@x"
    node:send("a@x", "m1")
    node:finish(node.runs[1], "RETRY", "not yet")
    node:advance(100)
    for key, value in pairs(node.store) do disk.commit(store, { key, value }) end
  end)
  after_each(function() store.engine.close(store) end)

  it("finds nothing wrong with what belongs together", function() assert.equal(0, findings()) end)

  it("finds facts without their message", function()
    remove "m"
    assert.equal(1, findings())
  end)

  -- Was: what was settled while a check beside a running node read page after page looked like facts without a message.
  it("does not miss the message of facts that are gone as well by then", function()
    remove "m"
    local whole = store.engine
    local engine_then = ffi.new("struct store_engine", whole[0])
    engine_then.get = nothing "enum status (*)(struct store *, struct span, struct block **)"
    store.engine = engine_then
    local found = findings()
    store.engine = whole
    assert.equal(0, found)
  end)
end)

describe("a check of the store of a node that sends", function()
  local store, node

  local function check()
    local counts = ffi.new "struct check_counts"
    local calls = ffi.new("struct check_calls", { found = nothing "void (*)(void *, struct span, const char *)" })
    assert.equal("OK", c.status(core.store_check(store, calls, counts)))
    return counts
  end

  local function findings() return tonumber(check().findings) end

  before_each(function()
    store = core.store_memory_open()
    node = engine.new { name = "client", links = { "hub" } }
    node:agent "here@x"
    node:send("a@x", "m1")
    node:send("here@x", "m2")
    node:finish(node.runs[1], "REJECT", "never")
    node:set("PAUSE", "here@x")
    node:advance(100)
    for key, value in pairs(node.store) do disk.commit(store, { key, value }) end
  end)
  after_each(function() store.engine.close(store) end)

  it("counts its records by kind, and finds nothing wrong", function()
    local counts = check()
    assert.equal(0, tonumber(counts.findings))
    assert.same({ 2, 1, 1 }, { tonumber(counts.messages), tonumber(counts.dead), tonumber(counts.outboxes) })
  end)

  it("finds a message in an outbox that has no record", function()
    disk.commit(store, { "ba@x" })
    assert.equal(1, findings())
  end)

  it("finds a number that its outbox never gave", function()
    local record = node.store["ba@x"]
    disk.commit(store, { "ba@x", record:sub(1, 8) .. ("\0"):rep(7) .. "\1" })
    assert.equal(1, findings())
  end)

  it("finds a dead letter without its message, too", function()
    for key in pairs(node.store) do
      if key:sub(1, 1) == "m" then disk.commit(store, { key }) end
    end
    assert.equal(tonumber(check().facts) + 1, findings())
  end)

  for kind, what in pairs { m = "message", f = "fact", d = "death", l = "lane", b = "outbox", h = "pause", e = "epoch" } do
    it("finds bytes that are no " .. what, function()
      disk.commit(store, { kind .. "12345678", "junk" })
      assert.equal(1, findings())
    end)
  end

  it("finds an identity that is none, and a record of no kind that is known", function()
    disk.commit(store, { "i", "junk" })
    disk.commit(store, { "?", "junk" })
    assert.equal(2, findings())
  end)
end)
