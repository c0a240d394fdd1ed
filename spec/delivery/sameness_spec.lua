local moonpost = require "moonpost"
local test = require "moonpost.test"

local ADDRESS = "same@spec"

describe("a dedup policy", function()
  local world, seen

  before_each(function() world, seen = test.world(), {} end)
  after_each(function() world:close() end)

  local function agent(dedup, handler)
    world:load(moonpost.agent { address = ADDRESS, dedup = dedup, retry = { attempts = 2, first = "1s", jitter = 0 },
      on = { message = handler or function(_, msg)
        seen[#seen + 1] = msg.body.n
        return { n = msg.body.n }
      end } })
  end

  local function send(body) return world:send(ADDRESS, body, { await = "handled" }) end

  local function result(id) return world:receipt(id).result end

  it("takes messages with one key of its own for the same, whatever their ids", function()
    agent { key = function(msg) return msg.body.key end }
    local first, second = send { key = "k", n = 1 }, send { key = "k", n = 2 }
    world:settle()
    assert.same({ 1 }, seen)
    assert.same({ { n = 1 }, { n = 1 } }, { result(first), result(second) })
    assert.is_true(world:receipt(second).dup)
  end)

  it("takes a message without a key for no duplicate of any", function()
    agent { key = function() return nil end }
    send { n = 1 }
    send { n = 1 }
    world:settle()
    assert.same({ 1, 1 }, seen)
  end)

  describe("with versions", function()
    local function versions()
      agent { key = function(msg) return msg.body.key end, version = function(msg) return msg.body.n end }
    end

    it("hands a newer one over, and acknowledges what is stale", function()
      versions()
      for _, n in ipairs { 3, 2, 3, 5, 4, 6 } do
        send { key = "k", n = n }
        world:settle()
      end
      assert.same({ 3, 5, 6 }, seen)
    end)

    it("keeps keys apart", function()
      versions()
      send { key = "a", n = 5 }
      send { key = "b", n = 1 }
      world:settle()
      assert.same({ 5, 1 }, seen)
    end)

    it("looks at those that came while one was in hand when that is handled", function()
      agent({ key = function(msg) return msg.body.key end, version = function(msg) return msg.body.n end },
        function(_, msg)
          seen[#seen + 1] = msg.body.n
          moonpost.sleep "1s"
        end)
      for _, n in ipairs { 3, 2, 7, 5 } do send { key = "k", n = n } end
      world:settle()
      assert.same({ 3, 7 }, seen)
    end)
  end)

  it("may remember until the first is settled only", function()
    agent({ ttl = "done", key = function(msg) return msg.body.key end }, function(_, msg)
      seen[#seen + 1] = msg.body.n
      moonpost.sleep "1s"
      return { n = msg.body.n }
    end)
    local first, second = send { key = "k", n = 1 }, send { key = "k", n = 2 }
    world:settle()
    assert.same({ { n = 1 }, { n = 1 } }, { result(first), result(second) })
    send { key = "k", n = 3 }
    world:settle()
    assert.same({ 1, 3 }, seen)
  end)

  it("may be a function of its own, which decides for each message", function()
    agent(function(msg)
      if msg.body.free then return nil end
      return { key = msg.body.key, ttl = msg.body.ttl }
    end)
    for _, body in ipairs { { key = "k", n = 1 }, { key = "k", n = 2 }, { free = true, n = 3 }, { free = true, n = 3 } } do
      send(body)
      world:settle()
    end
    assert.same({ 1, 3, 3 }, seen)
    send { key = "short", ttl = "1m", n = 4 }
    world:settle()
    world:advance "2m"
    send { key = "short", ttl = "1m", n = 5 }
    world:settle()
    assert.same({ 1, 3, 3, 4, 5 }, seen)
  end)

  it("takes the id when its function raises, and says so", function()
    agent(function() error "no idea" end)
    local id = send { n = 1 }
    world:settle()
    world:send(ADDRESS, { n = 2 }, { id = id })
    world:settle()
    assert.same({ 1 }, seen)
    local found = false
    for _, line in ipairs(world:log()) do found = found or line.text:find("no idea", 1, true) ~= nil end
    assert.is_true(found)
  end)

  it("may forget results: a duplicate is acknowledged, and told that the result is lost", function()
    agent { key = function(msg) return msg.body.key end, keep_result = false }
    send { key = "k", n = 1 }
    world:settle()
    local second = send { key = "k", n = 2 }
    world:settle()
    assert.is_true(world:receipt(second).ok)
    assert.is_nil(result(second))
    assert.is_true(world:receipt(second).result_lost)
  end)

  it("remembers for as long as it was asked to when the wall clock jumps", function()
    agent { key = function(msg) return msg.body.key end, ttl = "1h" }
    send { key = "k", n = 1 }
    world:settle()
    world:advance "10s" -- its record is durable, and a fingerprint is all that is left in memory
    world:set_time "2026-01-01T03:00:00Z"
    send { key = "k", n = 2 }
    world:settle()
    world:set_time "2025-12-30T00:00:00Z"
    send { key = "k", n = 3 }
    world:settle()
    assert.same({ 1 }, seen)
    world:advance "1h"
    send { key = "k", n = 4 }
    world:settle()
    assert.same({ 1, 4 }, seen)
  end)

  it("remembers no message whose handler failed for good", function()
    local fail = true
    agent({ key = function(msg) return msg.body.key end }, function(_, msg)
      seen[#seen + 1] = msg.body.n
      if fail then return moonpost.reject "no" end
    end)
    send { key = "k", n = 1 }
    world:settle()
    fail = false
    send { key = "k", n = 2 }
    world:settle()
    assert.same({ 1, 2 }, seen)
  end)
end)
