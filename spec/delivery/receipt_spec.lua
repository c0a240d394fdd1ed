local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local function noop() end

describe("a receipt", function()
  local world

  before_each(function() world = delivery.chain() end)

  local function receipt(options, handle, fields)
    delivery.agent(world, handle or noop, fields)
    local id = delivery.send(world, "x", options)
    world:settle()
    return world:receipt(id), id
  end

  it("prints as one line", function()
    local answer, id = receipt()
    assert.are.equal(("type=ack ok=true code=nil reason=nil ref=%s level=stored attempt=1"):format(id), tostring(answer))
  end)

  it("of a stored message says what its two memories promise", function()
    assert.are.same({
      loss = "possible if the owner's process ends first: its store is memory",
      duplicates = "possible: the agent's dedup policy is none",
      acknowledged = "when the owner had stored it",
      retries = "up to 6 transmissions, while the sender's process lives: its store is memory",
      scope = "messages between nodes; not what a handler does to the outside world",
    }, receipt().guarantees)
  end)

  it("of a handled message says that nothing can be lost any more", function()
    local guarantees = receipt({ await = "handled" }).guarantees
    assert.are.equal("none: its handler has finished", guarantees.loss)
    assert.are.equal("when the agent had handled it", guarantees.acknowledged)
  end)

  it("of an agent with a dedup policy says that duplicates are recognised", function()
    assert.are.equal("recognised by the agent's dedup policy", receipt(nil, nil, { dedup = {} }).guarantees.duplicates)
  end)

  it("of an at-most-once message says that it may be lost and is never doubled", function()
    local guarantees = receipt({ profile = "at-most-once" }).guarantees
    assert.are.equal("possible: sent once, kept nowhere", guarantees.loss)
    assert.are.equal("none: sent once", guarantees.duplicates)
    assert.are.equal("none", guarantees.retries)
    assert.are.equal("no: it has left the sender, nobody has answered", guarantees.acknowledged)
  end)

  it("of an at-most-once agent states the weaker of the two profiles", function()
    local guarantees = receipt(nil, nil, { profile = "at-most-once" }).guarantees
    assert.are.equal("possible: the agent settles it before its handler starts", guarantees.loss)
    assert.are.equal("none: settled before the handler starts", guarantees.duplicates)
  end)

  it("names the attempts and the deadline of the policy in force", function()
    local policy = { attempts = 3, deadline = "10s", jitter = 0 }
    assert.are.equal("up to 3 transmissions, for at most 10 s, while the sender's process lives: its store is memory",
      receipt({ retry = policy }).guarantees.retries)
  end)

  it("of a refusal promises nothing", function()
    local guarantees = receipt({ await = "handled" }, function() return moonpost.reject "no" end).guarantees
    assert.are.equal("not handled as far as the sender knows: the code says why", guarantees.loss)
    assert.are.equal("no: refused", guarantees.acknowledged)
  end)

  it("of a message of the same node says the same as one over a link", function()
    delivery.agent(world, noop, { dedup = {} })
    local id = world:send("a@x", "x", { from = "owner" })
    world:settle()
    local guarantees = world:receipt(id).guarantees
    assert.are.equal("possible if the owner's process ends first: its store is memory", guarantees.loss)
    assert.are.equal("recognised by the agent's dedup policy", guarantees.duplicates)
  end)

  -- Was: a receipt that answered a question, or a resend after the end, knew nothing of the agent's settings.
  it("that answers a question says the same as the one that was lost", function()
    delivery.agent(world, function() moonpost.sleep(5) end, { dedup = {} })
    local id = delivery.send(world, "x", { await = "handled" })
    local speak = delivery.mute(world)
    world:advance(10)
    speak()
    world:settle()
    assert.are.equal("handled", world:receipt(id).level)
    assert.are.equal("recognised by the agent's dedup policy", world:receipt(id).guarantees.duplicates)
  end)

  it("is for the level that the node's settings ask for when the send names none", function()
    world = delivery.chain { client = { send = { await = "handled" } } }
    assert.are.equal("handled", receipt(nil, function() moonpost.sleep(1) end).level)
  end)

  it("is for the profile that the node's settings name when the send names none", function()
    world = delivery.chain { client = { send = { profile = "at-most-once" } } }
    assert.are.equal("sent", receipt().level)
  end)

  it("of a body over the sender's body_max is TOO_LARGE, and nothing is sent", function()
    world = delivery.chain { client = { body_max = 10 } }
    delivery.agent(world, noop)
    local id = delivery.send(world, ("x"):rep(11))
    assert.are.equal("TOO_LARGE", world:receipt(id).code)
    assert.are.equal("the body has 11 bytes; body_max is 10", world:receipt(id).reason)
    assert.are.equal(0, world:counts("client").transmissions)
  end)

  it("of a body over the owner's body_max is TOO_LARGE, and it is a dead letter of its sender", function()
    world = delivery.chain { owner = { body_max = 10 } }
    local answer = receipt()
    assert.is_true(answer.ok)
    local id = delivery.send(world, ("x"):rep(11))
    world:settle()
    assert.are.equal("TOO_LARGE", world:receipt(id).code)
    assert.are.equal("TOO_LARGE", world:dead("a@x")[1].code)
  end)

  it("of many messages that are stored together comes to each sender", function()
    delivery.agent(world, noop)
    local ids = {}
    for n = 1, 50 do ids[n] = delivery.send(world, n) end
    world:settle()
    for n = 1, 50 do
      assert.are.equal("stored", world:receipt(ids[n]).level)
      assert.are.equal(ids[n], world:receipt(ids[n]).ref)
    end
  end)

  -- Was: neighbours without bytes in their results went out as one range, with the first one's encoding.
  it("of an empty string and one of nothing stay what they are when they leave together", function()
    delivery.agent(world, function(_, msg) if msg.body % 2 == 1 then return "" end end)
    world:cut("client", "hub")
    local ids = {}
    for n = 1, 4 do ids[n] = delivery.send(world, n, { await = "handled" }) end
    world:heal("client", "hub")
    world:settle()
    local results = {}
    for n = 1, 4 do results[n] = tostring(world:receipt(ids[n]).result) end
    assert.are.same({ "", "nil", "", "nil" }, results)
  end)

  -- Was: the same for codes of the script's own when their reasons were empty.
  it("of one code and one of another stay what they are when they leave together", function()
    delivery.agent(world, function(_, msg) return moonpost.reject("", { code = msg.body }) end)
    world:cut("client", "hub")
    local ids = {}
    for n, code in ipairs { "ONE", "TWO", "THREE" } do ids[n] = delivery.send(world, code, { await = "handled" }) end
    world:heal("client", "hub")
    world:settle()
    local codes = {}
    for n = 1, 3 do codes[n] = world:receipt(ids[n]).code end
    assert.are.same({ "ONE", "TWO", "THREE" }, codes)
  end)
end)
