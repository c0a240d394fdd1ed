local moonpost = require "moonpost"
local test = require "moonpost.test"

-- Two nodes, of which one forgets what it has accepted when it wants to.
local function mail(handle, prepare)
  return function(world)
    world:node("owner")
    world:node("sender", { links = { { to = "owner", first = "500ms", cap = "2s" } } })
    world:load(moonpost.agent { address = "mail@x", on = { message = handle } }, { node = "owner" })
    if prepare then prepare(world) end
    for n = 1, 10 do
      world:send("mail@x", n, { from = world:up "sender" and "sender" or "owner" })
      world:advance "1s"
    end
  end
end

describe("a fuzz", function()
  it("runs as many worlds as it is told, each with another storm", function()
    local worlds, hashes = 0, {}
    test.fuzz({ runs = 5, faults = { "drop", "duplicate", "cut" } }, function(world)
      worlds = worlds + 1
      mail(function() end)(world)
      hashes[world:trace_hash()] = true
    end)
    local different = 0
    for _ in pairs(hashes) do different = different + 1 end
    assert.equal(5, worlds)
    assert.is_true(different > 1)
  end)

  it("names the seed and the fault that is needed, and no other", function()
    local ok, reason = pcall(test.fuzz, { runs = 50, faults = { "drop", "delay", "clock" } }, function(world)

      mail(function() end)(world)
      for _, fact in ipairs(world:facts()) do assert(fact.fact ~= "timed_out", "a message was sent again") end
    end)
    assert.is_false(ok)
    assert.truthy(reason:find("seed %d+: .*a message was sent again\n.*1 of its %d+ faults are needed:\n"))
    local again = 'again: test.fuzz%({ seed = %d+, runs = 1, faults = { "drop", "delay", "clock" } }, the same function%)$'
    assert.truthy(reason:find(again), reason)
  end)

  it("calls what its function returned when all has come to its end", function()
    local pending
    local function body(world)
      mail(function() end)(world)
      world:send("mail@x", "late", { from = "owner", delay = "1m" })
      return function(same)
        assert.equal(world, same)
        pending = #world:received "mail@x"
      end
    end
    test.fuzz({ runs = 1, faults = {} }, body)
    assert.equal(11, pending)
    local ok, reason = pcall(test.fuzz, { runs = 1 }, function() return function() error("not as it should be", 0) end end)
    assert.is_false(ok)
    assert.matches("seed 1: not as it should be\n0 of its %d+ faults are needed:\n  no fault is needed", reason)
  end)

  it("keeps every promise when hooks make envelopes late, double, drop and reorder them", function()
    test.fuzz({ runs = 40, faults = { "cut", "delay", "duplicate" } }, mail(function() end, function(world)
      for index, kind in ipairs { "delay:by=700ms,", "duplicate:", "reorder:", "drop:" } do
        local text = ("%srate=0.2,seed=%d"):format(kind, 4 * world.seed + index)
        for _, node in ipairs { "owner", "sender" } do world:fault(text, { node = node }) end
      end
    end))
  end)

  -- Was: only those that a spec had given as values.
  it("loads agents from files again, too", function()
    local reloaded = 0
    test.fuzz({ runs = 3, faults = { "reload" } }, function(world)
      world:node "owner"
      world:load "spec/sim/greedy.lua"
      world:advance "1m"
      for _, line in ipairs(world:log()) do reloaded = reloaded + (line.text:find "^reload greedy@world" and 1 or 0) end
    end)
    assert.is_true(reloaded > 3, reloaded)
  end)

  describe("that fails", function()
    local function failure(faults, fields)
      local handled, sent
      local ok, reason = pcall(test.fuzz, { runs = 100, faults = faults }, function(world)
        handled, sent = 0, 0
        world:node "owner"
        world:node("sender", { links = { { to = "owner", first = "500ms", cap = "2s" } } })
        fields.on = { message = function()
          handled = handled + 1
          if fields.takes then moonpost.sleep(fields.takes) end
        end }
        world:load(moonpost.agent { address = "mail@x", profile = fields.profile, on = fields.on }, { node = "owner" })
        for n = 1, 10 do
          if world:up "sender" then
            world:send("mail@x", n, { from = "sender" })
            sent = sent + 1
          end
          world:advance "1s"
        end
        return function() assert(handled <= sent, "each once") end
      end)
      assert.is_false(ok)
      return reason
    end

    it("says which message was handled twice", function()
      assert.matches('each once\n  %w+ was handled [%w ]+: a copy that was sent again; see profile = "exactly%-once" and '
        .. "dedup\n", failure({ "drop" }, {}))
    end)

    it("says which handler began twice when a crash undid it", function()
      assert.matches("each once\n  the handler of %w+ began [%w ]+: what it did before was not committed",
        failure({ "crash" }, { takes = "500ms" }))
    end)

    it("names the agent whose sender gives less than it asks for", function()
      assert.matches("\n  mail@x: PROFILE_MISMATCH: a sender's profile is weaker than the agent asks for",
        failure({ "drop" }, { profile = "exactly-once" }))
    end)
  end)

  it("refuses a kind of fault that is not there", function()
    assert.has_error(function() test.fuzz({ faults = { "earthquake" } }, function() end) end)
  end)

  it("gives the same worlds for the same seed", function()
    local function hashes()
      local list = {}
      test.fuzz({ runs = 5, seed = 7 }, function(world)
        local ok = pcall(mail(function() end), world)
        list[#list + 1] = tostring(ok) .. world:trace_hash()
      end)
      return table.concat(list, " ")
    end
    assert.equal(hashes(), hashes())
  end)
end)
