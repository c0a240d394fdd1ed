local moonpost = require "moonpost"
local test = require "moonpost.test"

local function counting(address, seen, options)
  options = options or {}
  return moonpost.agent {
    address = address,
    concurrency = options.concurrency,
    retry = { attempts = options.attempts or 3, first = "1s", jitter = 0 },
    on = {
      message = function(ctx, msg)
        seen[#seen + 1] = msg.body
        if options.handle then return options.handle(ctx, msg) end
      end,
    },
  }
end

describe("a node of a world that crashes", function()
  local world, seen

  before_each(function()
    seen = {}
    world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } } })
  end)
  after_each(function() world:close() end)

  it("keeps what it had confirmed", function()
    world:load(counting("mail@x", seen, { handle = function() moonpost.sleep "10s" end }), { node = "owner" })
    local id = world:send("mail@x", "hello", { from = "sender", await = "stored" })
    world:advance "1s"
    assert.is_true(world:receipt(id).ok)
    world:crash("owner")
    assert.is_false(world:up("owner"))
    world:restart("owner")
    world:settle()
    assert.same({ "hello", "hello" }, seen)
  end)

  it("forgets what was not durable, and its sender sends it again", function()
    world:load(counting("mail@x", seen), { node = "owner" })
    world:advance "1s"
    world:disk("owner", "ok", { commit = "1s" })
    world:send("mail@x", "hello", { from = "sender", await = "handled" })
    world:crash("owner")
    world:advance "5s"
    world:restart("owner")
    world:settle()
    assert.same("hello", seen[#seen])
    assert.equal(0, #world:dead("mail@x"))
  end)

  it("keeps nothing when its store is memory", function()
    world:close()
    world = test.world { seed = 1 }
    world:node("owner", { store = "memory" })
    world:load(counting("mail@x", seen, { handle = function() moonpost.sleep "10s" end }), { node = "owner" })
    world:send("mail@x", "hello", { await = "stored" })
    world:crash("owner")
    world:restart("owner")
    world:settle()
    assert.same({ "hello" }, seen)
  end)

  it("has the next epoch, so that its links are taken over from the life before", function()
    world:advance "1s"
    world:crash("owner")
    world:restart("owner")
    world:advance "5s"
    assert.equal(1, world:counts("owner").links_up)
  end)

  it("ends in the middle of the handler that ends it, which is charged an attempt, and no other is", function()
    world:load(counting("mail@x", seen, {
      concurrency = 4,
      attempts = 2,
      handle = function(_, msg)
        if msg.body == "poison" then world:crash("owner") end
        moonpost.sleep "20s"
      end,
    }), { node = "owner" })
    local neighbour = world:send("mail@x", "neighbour", { from = "sender" })
    local poison = world:send("mail@x", "poison", { from = "sender" })
    for _ = 1, 4 do
      world:advance "5s"
      if not world:up("owner") then world:restart("owner") end
    end
    world:settle()
    local letters = world:dead("mail@x")
    assert.equal(1, #letters)
    assert.equal(poison, letters[1].id)
    assert.equal(2, letters[1].attempts)
    assert.equal(1, #world:times(neighbour, "handled"))
  end)

  it("is not reached until it is started again", function()
    world:crash("owner")
    assert.has_error(function() world:counts("owner") end)
  end)
end)

describe("a node that stands still", function()
  it("loses its links after a while, and goes on where it was", function()
    local seen = {}
    local world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } } })
    world:load(counting("mail@x", seen), { node = "owner" })
    world:advance "1s"
    world:pause("owner")
    world:send("mail@x", "hello", { from = "sender" })
    world:advance "5m"
    assert.same({}, seen)
    world:resume("owner")
    world:settle()
    assert.equal("hello", seen[1])
    world:close()
  end)
end)

describe("the disk of a node", function()
  local world, seen

  before_each(function()
    seen = {}
    world = test.world { seed = 1 }
    world:node("owner")
    world:load(counting("mail@x", seen, { handle = function() moonpost.sleep "10s" end }))
  end)
  after_each(function() world:close() end)

  it("that is full lets nothing new in, and what is there go on", function()
    local first = world:send("mail@x", "first", { await = "handled" })
    world:disk("owner", "full")
    world:advance "11s"
    assert.is_true(world:receipt(first).ok)
    local second = world:send("mail@x", "second", { await = "stored" })
    assert.equal("STORE_FULL", world:receipt(second).code)
  end)

  it("that fails ends the process, and nothing is said", function()
    world:disk("owner", "failing")
    local id = world:send("mail@x", "first", { await = "stored" })
    assert.is_false(world:up("owner"))
    assert.is_nil(world:receipt(id))
  end)

  it("fails at the commit that it was told", function()
    world:disk("owner", "ok", { fails_in = 2 })
    world:send("mail@x", "first", { await = "stored" })
    assert.is_true(world:up("owner"))
    world:send("mail@x", "second", { await = "stored" })
    assert.is_false(world:up("owner"))
    world:restart("owner")
    assert.is_true(world:up("owner"))
  end)

  it("with a flipped bit gives no wrong message: it is found, and set aside", function()
    world:send("mail@x", "first", { await = "stored" })
    world:crash("owner")
    assert.equal("m", world:flip("owner", "m"))
    world:restart("owner")
    world:settle()
    assert.same({ "first" }, seen)
    assert.equal(1, world:store_check("owner"))
  end)

  it("with a flipped bit in who the node is refuses to start", function()
    world:crash("owner")
    world:flip("owner", "i")
    assert.has_error(function() world:restart("owner") end)
    assert.is_false(world:up("owner"))
  end)
end)

describe("a message that ends the process of an owner that forgets", function()
  -- Was: it was stored, forgotten and sent again, at no attempt and for ever.
  it("spends its sender's attempts in the end", function()
    local lives, world = 0, test.world { seed = 1 }
    world:node("owner", { store = "memory" })
    world:node("sender", { links = { { to = "owner", first = "1s", factor = 1 } }, send = { first = "1s", attempts = 3 } })
    world:load(moonpost.agent {
      address = "mail@x",
      on = {
        message = function()
          moonpost.sleep "1s"
          world:crash "owner"
        end,
      },
    }, { node = "owner" })
    world:advance "1s"
    local id = world:send("mail@x", "kill", { from = "sender", await = "handled" })
    while not world:receipt(id) and lives < 50 do
      world:advance "10s"
      if not world:up "owner" then
        world:restart "owner"
        lives = lives + 1
      end
    end
    assert.equal("IN_DOUBT", world:receipt(id).code)
    assert.matches("forgotten it each time", world:receipt(id).reason)
    assert.is_true(lives < 10, lives)
    world:close()
  end)
end)

describe("a link that is cut silently", function()
  local world, seen

  before_each(function()
    seen = {}
    world = test.world { seed = 1 }
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "1s" } } })
    world:load(counting("mail@x", seen), { node = "owner" })
    world:advance "1s"
  end)
  after_each(function() world:close() end)

  it("is found out by heartbeats, and carries again when it is healed", function()
    world:cut("sender", "owner", { silent = true })
    world:send("mail@x", "hello", { from = "sender", await = "handled" })
    assert.equal(1, world:counts("sender").links_up)
    world:advance "2m"
    assert.equal(0, world:counts("sender").links_up)
    assert.equal(0, world:counts("owner").links_up)
    world:heal("sender", "owner")
    world:settle()
    assert.same({ "hello" }, seen)
  end)

  it("in one way only lets the message through and not its receipt", function()
    world:cut("owner", "sender", { one_way = true })
    local id = world:send("mail@x", "hello", { from = "sender", await = "handled" })
    world:advance "5s"
    assert.equal("hello", seen[1])
    assert.is_nil(world:receipt(id))
    world:heal("owner", "sender")
    world:settle()
    assert.is_true(world:receipt(id).ok)
  end)
end)

describe("the wall clock of a world", function()
  it("may jump, and a delay lasts as long as it was asked for", function()
    local seen = {}
    local world = test.world { seed = 1 }
    world:load(counting("mail@x", seen))
    world:send("mail@x", "later", { delay = "1h" })
    world:set_time "2036-01-01T00:00:00Z"
    world:advance "59m"
    assert.same({}, seen)
    world:advance "1m"
    assert.same({ "later" }, seen)
    world:close()
  end)
end)
