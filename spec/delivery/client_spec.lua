local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local HEAD = [[
local moonpost = require "moonpost"
local client = assert(moonpost.client { link = "hub" })
local function same(expected, value)
  if expected ~= value then error(("expected %s, got %s"):format(tostring(expected), tostring(value)), 2) end
end
]]

describe("a client that sends many", function()
  local world

  -- Run this text as a program with a client that is linked to the sentinel.
  local function run(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(HEAD, text)
    file:close()
    local code, reason = world:exec(path, { name = "visitor" })
    os.remove(path)
    assert.are.equal(0, code, reason)
  end

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function(_, msg)
      if msg.body == "slow" then moonpost.sleep(5) end
      if msg.body == "no" then return moonpost.reject "no" end
      return msg.body
    end)
  end)

  describe("with send_batch", function()
    it("has a receipt for each, in the order of the sends", function()
      run [[
        local receipts = assert(client:send_batch {
          { to = "a@x", body = "slow", await = "handled" },
          { to = "a@x", body = "no", await = "handled", id = "m2" },
          { to = "a@x", body = { n = 1 }, key = "k" },
          { to = "a@x", body = "x", await = "none", id = "m4" },
        })
        same(4, #receipts)
        same("slow", receipts[1].result)
        same("REJECTED", receipts[2].code)
        same("m2", receipts[2].ref)
        same("stored", receipts[3].level)
        same("m4", receipts[4])
        same("type=ack", tostring(receipts[3]):match("^%S+"))
      ]]
      assert.equal(4, #world:received("a@x"))
      assert.equal("k", world:received("a@x")[3].key)
    end)

    it("sends all at once: they are stored in one commit of the owner", function()
      run [[
        local items = {}
        for n = 1, 1000 do items[n] = { to = "a@x", body = n } end
        local receipts = assert(client:send_batch(items))
        for n = 1, 1000 do same(true, receipts[n].ok) end
      ]]
      local times = {}
      for _, fact in ipairs(delivery.facts(world, "stored")) do times[fact.at] = (times[fact.at] or 0) + 1 end
      assert.same({ [0] = 1000 }, times)
    end)

    it("may be empty, and waits for nobody whose receipt is not wanted", function()
      run [[
        same(0, #assert(client:send_batch {}))
        local ids = assert(client:send_batch { { to = "a@x", body = "x", await = "none" }, { to = "a@x", body = "y", await = "none" } })
        same("string", type(ids[1]))
        same(true, client:flush())
      ]]
      assert.equal(2, #world:received("a@x"))
    end)

    it("sends nothing when one of the items is wrong, and says which", function()
      run [[
        local function fault(items) return select(2, pcall(client.send_batch, client, items)) end
        assert(fault({ { to = "a@x", body = "x" }, { to = "a@x", body = "x", dely = 1 } }):find("unknown key"))
        assert(fault({ { to = "a@x" }, "x" }):find("%[2%]: expected a table"))
        local many = {}
        for n = 1, 1001 do many[n] = { to = "a@x", body = n } end
        assert(fault(many):find("1001 items, and at most 1000"))
      ]]
      assert.equal(0, #world:received("a@x"))
    end)
  end)

  describe("with flush", function()
    it("waits until what it does not wait for has been stored", function()
      run [[
        same(true, client:flush())
        for n = 1, 5 do assert(client:send("a@x", n, { await = "none" })) end
        same(true, client:flush { timeout = "5s" })
        client:close()
      ]]
      assert.equal(5, #world:received("a@x"))
    end)

    it("fails at its timeout with the ids of what is left", function()
      world:cut("hub", "owner")
      run [[
        assert(client:send("a@x", "x", { await = "none", id = "m1" }))
        assert(client:send("a@x", "y", { await = "none", id = "m2" }))
        local before = moonpost.clock()
        local ok, reason, code, left = client:flush { timeout = "5s" }
        same(nil, ok)
        same("2 of what was sent is still on its way after 5 s", reason)
        same("TIMEOUT", code)
        same("m1 m2", table.concat(left, " "))
        same(5, moonpost.clock() - before)
      ]]
    end)

    it("ends as soon as the last has ended, be it well or not", function()
      run [[
        assert(client:send("a@x", "slow", { await = "none", profile = "at-least-once" }))
        assert(client:send("nobody@x", "x", { await = "none", expires = "3s" }))
        local before = moonpost.clock()
        same(true, client:flush { timeout = "1m" })
        same(3, moonpost.clock() - before)
        client:close()
        local ok, _, code = client:flush()
        same(nil, ok)
        same("GONE", code)
      ]]
    end)
  end)

  describe("with on_done", function()
    it("is told how each ended that it did not wait for", function()
      run [[
        local told = {}
        local function done(receipt) told[#told + 1] = receipt.ref .. " " .. receipt.type .. " " .. (receipt.code or receipt.level) end
        assert(client:send("a@x", "x", { id = "m1", await = "none", on_done = done }))
        assert(client:send_batch { { to = "a@x", body = "y", id = "m2", await = "none", on_done = done } })
        assert(client:transaction(function(tx) tx:send("a@x", "z", { id = "m3", await = "none", on_done = done }) end))
        assert(client:send("nobody@x", "x", { id = "m4", await = "none", expires = "3s", on_done = done }))
        same(0, #told)
        assert(client:flush())
        same("m1 ack stored, m2 ack stored, m3 ack stored, m4 nack EXPIRED", table.concat(told, ", "))
      ]]
    end)

    it("may send and wait there", function()
      run [[
        local results = {}
        local function next_one(n)
          if n > 3 then return end
          client:send("a@x", n, { await = "none", on_done = function(receipt)
            results[#results + 1] = client:call("a@x", receipt.level .. n)
            next_one(n + 1)
          end })
        end
        next_one(1)
        moonpost.sleep "10s"
        same("stored1 stored2 stored3", table.concat(results, " "))
      ]]
    end)

    it("that fails is logged, and the program goes on", function()
      run [[
        client:send("a@x", 1, { await = "none", on_done = function() error "no luck" end })
        assert(client:flush())
        same("x", client:call("a@x", "x"))
      ]]
      local found = 0
      for _, line in ipairs(world:log()) do
        if line.text:find("on_done failed: .*no luck") then found = found + 1 end
      end
      assert.equal(1, found)
    end)

    it("is told nothing any more when it is closed", function()
      run [[
        client:send("nobody@x", 1, { await = "none", expires = "3s", on_done = function() error "told" end })
        client:close()
        moonpost.sleep "10s"
      ]]
      for _, line in ipairs(world:log()) do assert.is_nil(line.text:find("on_done", 1, true)) end
    end)
  end)

  describe("in a transaction", function()
    it("sends all when the function has returned", function()
      run [[
        local receipts = assert(client:transaction(function(tx)
          local id = tx:send("a@x", "one", { await = "handled" })
          same(26, #id)
          tx:send("a@x", "two")
          moonpost.sleep(5)
        end))
        same(2, #receipts)
        same("one", receipts[1].result)
        same("stored", receipts[2].level)
      ]]
      local times = {}
      for _, fact in ipairs(delivery.facts(world, "stored")) do times[#times + 1] = fact.at end
      assert.same({ 5, 5 }, times)
    end)

    it("sends nothing when the function raises", function()
      run [[
        local ok, fault = pcall(client.transaction, client, function(tx)
          tx:send("a@x", "one")
          error "changed my mind"
        end)
        same(false, ok)
        assert(fault:find "changed my mind")
        local none, reason, code = client:transaction(function(tx)
          tx:send("a@x", "one")
          tx:send("a@x", { n = 0 / 0 })
        end)
        same(nil, none)
        same("BAD_VALUE", code)
      ]]
      world:settle()
      assert.equal(0, #world:received("a@x"))
    end)

    it("sends nothing when one of them is refused, and says why", function()
      run [[
        local receipts, reason, code, all = client:transaction(function(tx)
          tx:send("a@x", "one")
          tx:send("a@x", ("x"):rep(2 ^ 20 + 1))
        end)
        same(nil, receipts)
        same("TOO_LARGE", code)
        assert(reason:find("body_max", 1, true))
        same(2, #all)
        same("TOO_LARGE", all[1].code)
      ]]
      world:settle()
      assert.equal(0, #world:received("a@x"))
    end)

    it("has no use after its end", function()
      run [[
        local kept
        assert(client:transaction(function(tx) kept = tx end))
        assert(select(2, pcall(kept.send, kept, "a@x", "x")):find("the transaction has ended", 1, true))
        assert(select(2, pcall(function() return kept.sned end)):find('did you mean "send"', 1, true))
      ]]
    end)
  end)
end)
