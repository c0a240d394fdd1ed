require "spec.support.fake_runtime"
local receipt = require "moonpost.receipt"

local function facts(changes)
  local all = {
    profile = "at-least-once", level = "stored", owner_memory = true, owner_relaxed = false, owner_dedup = false,
    owner_at_most_once = false, sender_memory = true, sender_relaxed = false, attempts = 6, deadline = 120,
  }
  for name, value in pairs(changes or {}) do all[name] = value end
  return all
end

local function promises(changes, ok)
  return receipt.new({ ok = ok ~= false, facts = facts(changes) }).guarantees
end

describe("a receipt", function()
  it("prints as one line", function()
    assert.equal("type=nack ok=false code=BUSY reason=full ref=m1 attempt=2", tostring(receipt.new {
      type = "nack", ok = false, code = "BUSY", reason = "full", ref = "m1", attempt = 2,
    }))
  end)

  it("has nil for what it does not say", function()
    assert.is_nil(receipt.new({}).retry_after)
    assert.is_nil(receipt.new({}).guarantees)
  end)

  it("computes its guarantees once", function()
    local one = receipt.new { ok = true, facts = facts() }
    assert.is_nil(rawget(one, "guarantees"))
    assert.equal(one.guarantees, one.guarantees)
  end)
end)

describe("the guarantees of a receipt", function()
  it("for a message in memory say what may lose it", function()
    assert.same({
      loss = "possible if the owner's process ends first: its store is memory",
      duplicates = "possible: the agent's dedup policy is none",
      acknowledged = "when the owner had stored it",
      retries = "up to 6 transmissions, for at most 120 s, while the sender's process lives: its store is memory",
      scope = "messages between nodes; not what a handler does to the outside world",
    }, promises())
  end)

  it("for at-most-once promise no duplicates and nothing else", function()
    local words = promises { profile = "at-most-once", level = "sent" }
    assert.equal("possible: sent once, kept nowhere", words.loss)
    assert.equal("none: sent once", words.duplicates)
    assert.equal("no: it has left the sender, nobody has answered", words.acknowledged)
    assert.equal("none", words.retries)
  end)

  it("state the weaker of message and agent", function()
    local words = promises { owner_at_most_once = true }
    assert.equal("possible: the agent settles it before its handler starts", words.loss)
    assert.equal("none: settled before the handler starts", words.duplicates)
  end)

  it("say when duplicates are recognised", function()
    assert.equal("recognised by the agent's dedup policy", promises({ owner_dedup = true }).duplicates)
  end)

  it("say what a handled message has behind it", function()
    assert.equal("none: its handler has finished", promises({ level = "handled" }).loss)
    assert.equal("when the agent had handled it", promises({ level = "handled" }).acknowledged)
  end)

  it("say what a disk is good for", function()
    assert.equal("none: it is on the owner's disk", promises({ owner_memory = false }).loss)
    assert.equal("possible in a power cut: the owner's store is relaxed",
      promises({ owner_memory = false, owner_relaxed = true }).loss)
    local endless = { attempts = math.huge, sender_memory = false }
    assert.equal("without limit, for at most 120 s", promises(endless).retries)
  end)

  it("of a nack promise nothing", function()
    assert.equal("not handled as far as the sender knows: the code says why", promises({}, false).loss)
    assert.equal("no: refused", promises({}, false).acknowledged)
  end)
end)
