-- What random worlds have found, each in words, with the seed that found it.
local moonpost = require "moonpost"
local test = require "moonpost.test"

local function drop_receipts()
  return moonpost.hook {
    forward = function(envelope)
      if envelope.type == "receipt" then return moonpost.drop("lost on the way") end
    end,
  }
end

describe("a sender on disk", function()
  local world

  before_each(function()
    world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } }, send = { first = "5s", jitter = 0 } })
    world:load(moonpost.agent { address = "mail@x", on = { message = function() end } }, { node = "owner" })
    world:advance "1s"
  end)
  after_each(function() world:close() end)

  -- Seed 9. Was: when a message expired before its ACK timer fired, the facts that were then written had a
  -- wait of less than nothing; the next start did not take them, and `store check` named the record.
  it("writes facts that can be read of a message that expired while it was out", function()
    world:fault(drop_receipts(), { node = "owner" })
    world:send("mail@x", "hello", { from = "sender", expires = "2s" })
    world:advance "5s"
    assert.equal(0, (world:store_check("sender")))
    world:check()
  end)

  -- Seed 11. Was: the attempt at which a sender gave up was in no record, so that the dead letter had one less
  -- after a restart.
  it("knows after a restart how many attempts a message in doubt had spent", function()
    world:fault(drop_receipts(), { node = "owner" })
    world:send("mail@x", "hello", { from = "sender", retry = { attempts = 2, first = "1s", jitter = 0 } })
    world:advance "1m"
    local attempts = world:dead("mail@x")[1].attempts
    assert.equal(2, attempts)
    world:crash("sender")
    world:restart("sender")
    assert.equal(attempts, world:dead("mail@x")[1].attempts)
  end)
end)

describe("an agent at most once", function()
  local world, handled

  local function load(handle)
    handled = 0
    world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } }, send = { first = "2s", jitter = 0 } })
    world:load(moonpost.agent {
      address = "mail@x",
      profile = "at-most-once",
      on = {
        message = function()
          handled = handled + 1
          return handle()
        end,
      },
    }, { node = "owner" })
    world:advance "1s"
  end
  after_each(function() world:close() end)

  -- Seed 13. Was: asked while its handler was at work, the owner said `handled`, and it failed afterwards.
  it("is not said to have handled a message before its handler has come to an end", function()
    load(function()
      moonpost.sleep "3s"
      error "it does not work"
    end)
    local id = world:send("mail@x", "hello", { from = "sender", await = "handled" })
    world:advance "2s"
    assert.is_nil(world:receipt(id))
    world:settle()
    assert.is_false(world:receipt(id).ok)
  end)

  -- Seed 1798. Was: a message that expired while its removal was being committed was handed over all the same.
  it("is not handed a message that expired before its handler could begin", function()
    load(function() end)
    world:disk("owner", nil, { commit = "1s" })
    local id = world:send("mail@x", "hello", { from = "sender", await = "handled", expires = "100ms" })
    world:settle()
    assert.equal(0, handled)
    assert.equal("EXPIRED", world:receipt(id).code)
  end)

  -- Seed 13. Was: without a dedup policy a resend was accepted once more, and its handler ran twice, while the
  -- receipt said that there are no duplicates.
  it("is not handed a stored message again that was sent again", function()
    load(function() return "done" end)
    local lost = 0
    world:fault(moonpost.hook {
      forward = function(envelope)
        if envelope.type == "receipt" and lost < 2 then
          lost = lost + 1
          return moonpost.drop("lost on the way")
        end
      end,
    }, { node = "owner" })
    local id = world:send("mail@x", "hello", { from = "sender", await = "handled" })
    world:settle()
    assert.equal(2, lost)
    assert.equal(1, handled)
    assert.equal("none: settled before the handler starts", world:receipt(id).guarantees.duplicates)
  end)
end)

describe("a mailbox after a restart", function()
  -- Seed 4033. Was: the last message behind one that had a record of its own (deferred, retrying) was taken for one
  -- that is still being committed, and waited until something else was written.
  it("hands over its last message although nothing else happens", function()
    local seen = {}
    local world = test.world { seed = 1 }
    world:node("alone")
    world:load(moonpost.agent {
      address = "mail@x",
      on = {
        message = function(_, msg)
          seen[#seen + 1] = msg.body
          if msg.body == "later" then return moonpost.defer("not now", { delay = "1h" }) end
          moonpost.sleep "10s"
        end,
      },
    })
    world:send("mail@x", "later")
    world:send("mail@x", "last")
    world:advance "1s"
    world:crash("alone")
    world:restart("alone")
    world:advance "1s"
    assert.same({ "later", "last", "last" }, seen)
    world:close()
  end)
end)

describe("two messages whose handlers end the process", function()
  -- Seed 5139. Was: each next start handed over the other one before the charge of the first was durable, so neither
  -- was ever charged, and the node could not be started any more.
  it("are both dead letters after their attempts", function()
    local world = test.world { seed = 1 }
    world:node("alone")
    world:load(moonpost.agent {
      address = "mail@x",
      retry = { attempts = 1 },
      on = { message = function() world:crash("alone") end },
    })
    for n = 1, 2 do world:send("mail@x", n, { delay = "1s" }) end
    for _ = 1, 6 do
      if not world:up("alone") then world:restart("alone") end
      world:advance "5s"
    end
    assert.is_true(world:up("alone"))
    assert.equal(2, #world:dead("mail@x"))
    world:close()
  end)
end)

describe("a node whose disk was full", function()
  -- Seed 26 of a fuzz. Was: only a commit told that there was room again, and a node that refuses everything and has
  -- nothing to settle does not commit; it refused until it was started again.
  it("takes messages again when there is room, although it had nothing to do meanwhile", function()
    local world = test.world { seed = 1 }
    world:node("owner")
    world:load(moonpost.agent { address = "mail@x", on = { message = function() end } })
    world:disk("owner", "full")
    world:send("mail@x", "first")
    world:advance "1m"
    assert.equal("STORE_FULL", world:receipt(world:send("mail@x", "second")).code)
    world:disk("owner", "ok")
    world:advance "2s"
    assert.is_true(world:receipt(world:send("mail@x", "third")).ok)
    world:close()
  end)
end)

describe("a message whose handler ends the process and which has the dedup key of another", function()
  -- Seed 2285. Was: charged, but never judged, because it waited for the other one; when its turn came it ran again,
  -- whatever its attempts were, at each start.
  it("is a dead letter after its attempts", function()
    local world = test.world { seed = 1 }
    world:node("alone")
    world:load(moonpost.agent {
      address = "mail@x",
      retry = { attempts = 2, first = "1s", jitter = 0 },
      dedup = { ttl = "24h", key = function(msg) return msg.key end },
      on = {
        message = function(_, msg)
          if msg.body == "kills" then world:crash("alone") end
          error "it does not work"
        end,
      },
    })
    world:send("mail@x", "fails", { key = "one" })
    local id = world:send("mail@x", "kills", { key = "one" })
    for _ = 1, 8 do
      world:advance "5s"
      if not world:up("alone") then world:restart("alone") end
    end
    world:settle()
    local letters = world:dead("mail@x")
    assert.equal(2, #letters)
    assert.equal(id, letters[2].id)
    world:close()
  end)
end)

describe("exactly-once over a slow link", function()
  -- Seed 4125. Was: when OPEN had been sent twice, the second answer was taken for one to the message that was sent
  -- meanwhile: "no such lane". The message went out once more in another lane, and was handled twice.
  it("is handled once although the lane was opened twice", function()
    local handled = {}
    local world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } }, send = { first = "1s", factor = 2, jitter = 0 } })
    world:load(moonpost.agent {
      address = "mail@x",
      on = { message = function(_, msg) handled[#handled + 1] = msg.body end },
    }, { node = "owner" })
    world:advance "1s"
    world:delay("owner", "sender", "600ms")
    world:send("mail@x", "hello", { from = "sender", profile = "exactly-once" })
    world:settle()
    assert.same({ "hello" }, handled)
    world:check()
    world:close()
  end)
end)

describe("a message at most once whose state was changed by another meanwhile", function()
  -- Seed 4021. Was: its handler ran again on the new state.
  it("is lost, and its handler does not run twice", function()
    local begun = 0
    local world = test.world { seed = 1 }
    world:load(moonpost.agent {
      address = "mail@x",
      on = {
        message = function(ctx, msg)
          local count = ctx.state.count or 0
          if msg.body == "slow" then
            begun = begun + 1
            moonpost.sleep "1s"
          end
          ctx.state.count = count + 1
        end,
      },
    })
    local id = world:send("mail@x", "slow", { profile = "at-most-once" })
    world:send("mail@x", "quick")
    world:settle()
    assert.equal(1, begun)
    assert.same({ count = 1 }, world:state "mail@x")
    assert.equal(1, #world:times(id, "dropped"))
    world:check()
    world:close()
  end)
end)

describe("an agent with order that is loaded again", function()
  -- Seed 6434. Was: a message that its handler had deferred had no attempt, and did not hold its key any more after a
  -- reload; the next one of its key overtook it.
  it("keeps what its handler deferred before what follows it", function()
    local seen, deferred = {}, false
    local world = test.world { seed = 1 }
    local agent = moonpost.agent {
      address = "mail@x",
      order = "key",
      on = {
        message = function(_, msg)
          if msg.body == "first" and not deferred then
            deferred = true
            return moonpost.defer("not now", { delay = "5s" })
          end
          seen[#seen + 1] = msg.body
        end,
      },
    }
    world:load(agent)
    world:send("mail@x", "first", { key = "one" })
    world:reload("mail@x", agent)
    world:send("mail@x", "second", { key = "one" })
    world:settle()
    assert.same({ "first", "second" }, seen)
    world:check()
    world:close()
  end)
end)

describe("requests of $node that come while a node stands still", function()
  -- Seed 4289. Was: what a purge or a peek asks for was not copied, but looked for where it had been; when several requests
  -- were taken in one turn the mailbox was not found any more, nobody answered, and no further request was heard.
  it("are all answered", function()
    local world, ids = test.world { seed = 1 }, {}
    world:load(moonpost.agent {
      address = "mail@x",
      dedup = { ttl = "1h", key = function(msg) return msg.key or "" end },
      on = { message = function() moonpost.sleep "1m" end },
    })
    world:advance "1s"
    world:pause "node"
    for n, method in ipairs { "drain", "purge", "pause", "peek", "purge", "resume" } do
      for m = 1, 4 do world:send("mail@x", m) end
      ids[n] = world:send("$node", { address = "mail@x" }, { method = method, await = "handled" })
      world:advance "1s"
    end
    world:resume "node"
    world:settle()
    for _, id in ipairs(ids) do assert.is_true(world:receipt(id).ok) end
    world:close()
  end)
end)

describe("a sender whose address has another owner now", function()
  local world, handled

  local function load(node, profile, handle)
    local function message(ctx, msg)
      handled[#handled + 1] = msg.body
      return handle and handle(ctx, msg)
    end
    world:load(moonpost.agent { address = "mail@x", profile = profile, on = { message = message } }, { node = node })
  end

  local function other(profile)
    world:node("other", { links = { "hub" } }, { store = "other" })
    load("other", profile)
  end

  local function send(body, profile)
    return world:send("mail@x", body, { id = body, from = "sender", profile = profile or "exactly-once", await = "handled" })
  end

  local function lose_receipts(node, pattern)
    world:fault(moonpost.fault.drop { type = "receipt", pattern = pattern }, { node = node })
  end

  before_each(function()
    world, handled = test.world { seed = 1 }, {}
    world:node "hub"
    world:node("first", { links = { { to = "hub", first = "1s", factor = 1 } } }, { store = "first" })
    world:node("sender", { links = { "hub" }, send = { first = "1s", factor = 1, attempts = 40 } })
  end)
  after_each(function()
    world:check()
    world:close()
  end)

  -- Seed 4570. Was: the outbox had a new lane, and a message that was stored at the first owner was of the old one; the next
  -- start took its record for a damaged one, and nobody ever heard of the message again.
  it("knows after a restart what the first owner had stored", function()
    load("first", nil, function() moonpost.sleep "20s" end)
    world:advance "1s"
    send "stored"
    world:advance "100ms"
    world:cut("first", "hub")
    other()
    send "new"
    world:crash "sender"
    world:restart "sender"
    assert.equal(0, (world:store_check "sender"))
    world:settle()
    local letters = world:dead "mail@x"
    assert.equal(1, #letters)
    assert.same({ "stored", "IN_DOUBT" }, { letters[1].id, letters[1].code })
  end)

  -- Seed 147480. Was: both stores had opened the lane, the first one unheard; back again, it took what the other had handled.
  it("asks each owner for a lane of its own", function()
    load "first"
    world:advance "1s"
    lose_receipts("first", "X" .. ("."):rep(100))
    send "hello"
    world:cut("first", "hub")
    other()
    lose_receipts("other", "." .. ("X"):rep(100))
    world:advance "3s"
    assert.same({ "hello" }, handled)
    world:crash "other"
    world:heal("first", "hub")
    world:settle()
    assert.same({ "hello" }, handled)
    assert.equal("IN_DOUBT", world:dead("mail@x")[1].code)
  end)

  -- Seed 142215. Was: what had been sent at least once, and not answered, followed into the new lane, where its owner did not
  -- know it: an agent at most once was handed it again.
  it("sends again in the old lane what it had sent there", function()
    local lost = true
    load("first", "exactly-once")
    world:advance "1s"
    send "first"
    world:settle()
    world:cut("first", "hub")
    other "at-most-once"
    world:advance "1s"
    world:fault(moonpost.hook { receive = function(envelope)
      if lost and envelope.type == "receipt" and envelope.ref == "sent" then return moonpost.drop "lost" end
    end }, { node = "hub" })
    send("sent", "at-least-once")
    world:advance "500ms"
    send "next"
    world:advance "100ms"
    lost = false
    world:settle()
    assert.same({ "first", "sent", "next" }, handled)
  end)

  -- Seed 138452. Was: what was kept while the wish for a lane had no answer said that nothing had been sent; the start after
  -- the message was sent believed it, and sent it to the other store, too.
  it("knows after a restart that it may have been handled, though its lane was long in coming", function()
    load "first"
    world:advance "1s"
    lose_receipts("first", "X." .. ("X"):rep(100))
    send "hello"
    world:advance "2s"
    assert.same({ "hello" }, handled)
    world:crash "sender"
    world:cut("first", "hub")
    other()
    world:restart "sender"
    world:settle()
    assert.same({ "hello" }, handled)
    local letters = world:dead "mail@x"
    assert.same({ "hello", "IN_DOUBT" }, { letters[1].id, letters[1].code })
  end)
end)

describe("a sender that dies before it has kept that its lane is open", function()
  -- Seed 222369. Was: the message behind the one that had asked for the lane was sent at once; the next start took it for
  -- unsent, and sent it in a lane of its own.
  it("has sent nothing in it", function()
    local world, handled = test.world { seed = 1 }, {}
    world:node "owner"
    world:node("sender", { links = { "owner" }, send = { first = "1s", factor = 1, attempts = 20 } })
    local on = { message = function(_, msg)
      if msg.body == "slow" then return moonpost.sleep "300ms" end
      handled[#handled + 1] = msg.body
    end }
    world:load(moonpost.agent { address = "mail@x", on = on }, { node = "owner" })
    world:advance "1s"
    world:delay("owner", "sender", "200ms")
    world:send("mail@x", "slow", { from = "sender", await = "handled" }) -- its end wakes the outbox
    for _, body in ipairs { "asks", "waits" } do
      world:send("mail@x", body, { from = "sender", profile = "exactly-once", await = "handled" })
    end
    world:advance "100ms"
    world:disk("sender", nil, { commit = "100s" })
    world:advance "1s"
    world:crash "sender"
    world:disk("sender", nil, { commit = 0 })
    world:restart "sender"
    world:settle()
    table.sort(handled)
    assert.same({ "asks", "waits" }, handled)
    world:check()
    world:close()
  end)
end)

describe("a sender that dies before it has kept that a message was rejected", function()
  -- Seed 10683. Was: it told the owner at once that all numbers up to the rejected one were closed, with the next frame it
  -- sent again; when it came back with that number the owner had forgotten it, and said `handled`.
  it("is told the same again", function()
    local world = test.world { seed = 4 }
    world:node "owner"
    world:node("sender", { links = { "owner" }, send = { first = "500ms", factor = 1, jitter = 0, attempts = 20 } })
    world:load(moonpost.agent {
      address = "mail@x",
      on = {
        message = function(_, msg)
          moonpost.sleep "1s"
          if msg.body == "bad" then return moonpost.reject "no" end
        end,
      },
    }, { node = "owner" })
    world:advance "1s"
    local id = world:send("mail@x", "bad", { from = "sender", await = "handled" })
    world:fault(moonpost.hook {
      forward = function(envelope)
        if envelope.type == "receipt" and envelope.ref ~= id then return moonpost.drop("lost on the way") end
      end,
    }, { node = "owner" })
    world:send("mail@x", "other", { from = "sender" })
    world:disk("sender", nil, { commit = "100s" })
    world:advance "2s"
    assert.equal(1, #world:times(id, "nacked"))
    world:crash "sender"
    world:disk("sender", nil, { commit = 0 })
    world:restart "sender"
    world:settle()
    assert.equal(0, #world:times(id, "acked"))
    world:check()
    world:close()
  end)
end)

describe("the ledger", function()
  -- Seed 5786. Was: two copies of one message died one after the other, and their notices, which have one id, were
  -- taken for one that was handled twice.
  it("does not take the notices of two copies that died for one that was handled twice", function()
    local world = test.world { seed = 1 }
    local notices = 0
    world:node("owner")
    for _, name in ipairs { "left", "right" } do
      world:node(name, { links = { { to = "owner", first = "1s" } } })
    end
    world:load(moonpost.agent {
      address = "mail@x",
      dedup = { ttl = "24h" },
      on = {
        message = function()
          moonpost.sleep "2s"
          return moonpost.reject "never"
        end,
        dead = function() notices = notices + 1 end,
      },
    }, { node = "owner" })
    world:advance "1s"
    for _, name in ipairs { "left", "right" } do
      world:send("mail@x", "hello", { from = name, id = "one" })
    end
    world:settle()
    assert.equal(2, notices)
    world:check()
    world:close()
  end)

  -- Seed 10261. Was: the attempt that a start had charged durably before it died, and before it told of it, was not counted,
  -- and the next delivery was taken for one attempt too far.
  it("counts an attempt that a start has charged and could not tell of", function()
    local world = test.world { seed = 1 }
    local attempts = {}
    world:node "owner"
    world:load(moonpost.agent {
      address = "mail@x",
      retry = { attempts = 5, first = "1s" },
      on = {
        message = function(ctx)
          attempts[#attempts + 1] = ctx.attempt
          moonpost.sleep "1s"
          if #attempts == 1 then world:crash "owner" end
        end,
      },
    })
    world:send("mail@x", "hello")
    world:advance "2s"
    world:disk("owner", nil, { fails_in = 2 })
    pcall(world.restart, world, "owner")
    assert.is_false(world:up "owner")
    world:restart "owner"
    world:settle()
    assert.same({ 1, 2 }, attempts)
    world:check()
    world:close()
  end)
end)

describe("a batch that ends the process", function()
  -- Seed 121488. Was: while the messages of one batch were tried by themselves, another batch with such a message was made;
  -- it ended the process first, and the next start knew of that one only: neither was ever charged.
  it("does not hide behind another one", function()
    local world = test.world { seed = 1 }
    local handled, lives = {}, 1
    world:node "owner"
    world:load(moonpost.agent {
      address = "mail@x",
      retry = { attempts = 2, first = "100ms" },
      batch = {
        size = 2,
        within = "10ms",
        handle = function(_, msgs)
          if #msgs == 1 then moonpost.sleep "1s" end
          for _, msg in ipairs(msgs) do
            if msg.body == "kill" then return world:crash "owner" end
            handled[msg.body] = true
          end
        end,
      },
    })
    for _, body in ipairs { "kill", "a", "kill", "b" } do world:send("mail@x", body, { delay = "1s" }) end
    repeat
      world:advance "5s"
      if not world:up "owner" then
        world:restart "owner"
        lives = lives + 1
      end
    until #world:dead "mail@x" == 2 or lives == 20
    world:settle()
    assert.same({ a = true, b = true }, handled)
    assert.is_true(lives < 10, lives)
    world:check()
    world:close()
  end)
end)
