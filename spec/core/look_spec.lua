-- What a person may want to know of an engine.
local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local core, ffi = c.core, c.ffi

-- What `ask` tells of each struct of this kind, as a list of what `each` makes of it.
local function told(kind, ask, each)
  local found = {}
  local callback = ffi.cast(("void (*)(void *, const struct %s *)"):format(kind), function(_, one)
    found[#found + 1] = each(one)
  end)
  ask(callback)
  callback:free()
  return found
end

local function states(node)
  return told("link_view", function(callback) core.engine_links(node.handle, callback, nil) end,
    function(view) return ffi.string(view.state) end)
end

describe("a link", function()
  local node

  before_each(function() node = engine.new { name = "node", links = { "tcp://hub" } } end)

  it("is said to be dialled, greeted, up and down as it goes", function()
    assert.same({ "dialing" }, states(node))
    local hub = node:connect()
    assert.same({ "greeting" }, states(node))
    hub:say(wire.welcome("hub", ("h"):rep(16)))
    assert.same({ "up" }, states(node))
    hub:say(wire.bye())
    assert.same({ "closing" }, states(node))
    hub:hang_up()
    assert.same({ "down" }, states(node))
  end)

  it("is said to have failed when the peer will never have it", function()
    local hub = node:connect()
    hub:say(wire.frame(10, "\42\0\0"))
    hub:hang_up()
    assert.same({ "failed" }, states(node))
  end)
end)

describe("what is pending", function()
  it("is told with its address, its state and when it is due", function()
    local node = engine.new { name = "node" }
    node:agent("a@x", { concurrency = 1 })
    node:send("a@x", "m1")
    node:send("a@x", "m2")
    node:send("nobody@x", "m3")
    node:send("a@x", "m4", { due_ms = 5000 })
    local pending = told("pending", function(callback)
      assert.equal(4, tonumber(core.engine_pending(node.handle, callback, nil)))
    end, function(one) return ("%s %s %s"):format(c.text(one.id), c.text(one.address), ffi.string(one.state)) end)
    table.sort(pending)
    assert.same({ "m1 a@x leased", "m2 a@x waiting", "m3 nobody@x deferred", "m4 a@x deferred" }, pending)
  end)
end)
