local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local SMALL, LARGE = "small", ("large"):rep(1000)

describe("the msg of a delivery", function()
  local world, kept

  before_each(function()
    world = delivery.chain()
    kept = {}
  end)

  local function keep()
    delivery.agent(world, function(_, msg) kept[#kept + 1] = msg end)
  end

  for size, text in pairs { small = SMALL, large = LARGE } do
    it("still reads true after its delivery when it is " .. size, function()
      keep()
      delivery.send(world, { text = text }, { id = "first", headers = { order = "7" }, key = "k" })
      delivery.send(world, text, { id = "second" })
      world:settle()
      collectgarbage()
      assert.are.equal(text, kept[1].body.text)
      assert.are.same({ "first", "7", "k" }, { kept[1].id, kept[1].headers.order, kept[1].key })
      assert.are.same({ "second", text }, { kept[2].id, kept[2].body })
      assert.is_nil(kept[2].method)
    end)

    it("raises for a name that it does not have, with the nearest one, when it is " .. size, function()
      local read
      delivery.agent(world, function(_, msg) return msg.body and (msg.headers.nothing or read(msg)) end,
        { retry = { attempts = 1 } })
      read = function(msg) return msg.bdoy end
      delivery.send(world, text)
      world:settle()
      local reason = world:dead("a@x")[1].reason
      assert.matches('message_spec%.lua:%d+: msg%.bdoy: unknown; did you mean "body"%?$', reason)
    end)

    it("has what a handler set in it, and nothing for a field that its sender left out, when it is " .. size, function()
      local seen
      delivery.agent(world, function(_, msg)
        msg.customer = "Ada"
        seen = { msg.customer, tostring(msg.key), tostring(msg.topic), tostring(msg[1]) }
      end)
      delivery.send(world, text)
      world:settle()
      assert.are.same({ "Ada", "nil", "nil", "nil" }, seen)
    end)

    it("lists all its fields when it is " .. size, function()
      local names = {}
      delivery.agent(world, function(_, msg)
        for name in moonpost.sorted_pairs(msg) do names[#names + 1] = name end
      end)
      delivery.send(world, { text = text }, { method = nil, key = "k" })
      world:settle()
      assert.are.same({ "body", "from", "headers", "id", "key", "sent_at", "to" }, names)
    end)

    it("is plain data when it is " .. size, function()
      local copy
      delivery.agent(world, function(_, msg) copy = moonpost.json.decode(moonpost.json.encode(msg)) end)
      delivery.send(world, { text = text }, { id = "an id" })
      world:settle()
      assert.are.same({ "an id", text, "a@x" }, { copy.id, copy.body.text, copy.to })
    end)
  end

  it("can be passed on whole, as the body of another", function()
    delivery.agent(world, function() end, { address = "b@x" })
    delivery.agent(world, function(ctx, msg) ctx:send("b@x", { about = "it", original = msg }) end)
    delivery.send(world, { text = 'a "quoted"\nline' }, { id = "an id" })
    world:settle()
    local passed = world:received("b@x")[1].body
    assert.are.same({ "it", "an id", 'a "quoted"\nline' }, { passed.about, passed.original.id, passed.original.body.text })
  end)

  it("shows pairs the fields that nobody has read", function()
    local seen = {}
    delivery.agent(world, function(_, msg)
      for name, value in pairs(msg) do seen[name] = value end
    end)
    delivery.send(world, "x", { id = "an id" })
    world:settle()
    seen.sent_at = nil
    assert.are.same({ body = "x", from = "client", headers = {}, id = "an id", to = "a@x" }, seen)
  end)

  it("can be changed, for this delivery only", function()
    local bodies = {}
    delivery.agent(world, function(ctx, msg)
      msg.body.text = msg.body.text .. "!"
      bodies[#bodies + 1] = msg.body.text
      if ctx.attempt == 1 then error "again" end
    end)
    delivery.send(world, { text = "x" })
    world:settle()
    assert.are.same({ "x!", "x!" }, bodies)
  end)
end)
