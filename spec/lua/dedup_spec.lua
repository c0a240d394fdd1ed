local fake = require "spec.support.fake_runtime"
local dedup = require "moonpost.dedup"

describe("a dedup policy", function()
  it("may be none", function()
    assert.same({ kind = "none" }, dedup.read("none"))
  end)

  it("remembers the message's id for a day", function()
    assert.same({ kind = "key", ttl = 86400 }, dedup.read({}))
  end)

  it("may have a key of its own, and another time", function()
    local policy = dedup.read { key = function(msg) return msg.body.order end, ttl = "1m" }
    assert.equal(60, policy.ttl)
    assert.equal("o1", policy.ask { id = "m1", body = { order = "o1" } })
    assert.is_nil(policy.ask { id = "m1", body = {} })
  end)

  it("may know versions", function()
    local policy = dedup.read { key = function(msg) return msg.body.sku end, version = function(msg) return msg.body.n end }
    assert.same({ "tea", 7 }, { policy.ask { id = "m1", body = { sku = "tea", n = 7 } } })
    assert.same({ "m1", 7 }, { dedup.read({ version = function() return 7 end }).ask { id = "m1" } })
  end)

  it("may be a function that answers a table, or nil for what is never a duplicate", function()
    local policy = dedup.read(function(msg)
      if msg.body.free then return nil end
      return { key = msg.body.key, version = msg.body.version, ttl = msg.body.ttl }
    end)
    assert.is_nil(policy.ask { id = "m1", body = { free = true } })
    assert.same({ "k", 2, 60 }, { policy.ask { id = "m1", body = { key = "k", version = 2, ttl = "1m" } } })
    assert.same({ "m1" }, { policy.ask { id = "m1", body = {} } })
    assert.same({ "k", nil, 0 }, { policy.ask { id = "m1", body = { key = "k", ttl = "done" } } })
  end)

  it("has keys that are texts and versions that are numbers", function()
    local function fails(answer, pattern)
      local ok, reason = pcall(dedup.read(function() return answer end).ask, { id = "m1" })
      assert.is_false(ok)
      assert.matches(pattern, reason)
    end
    fails({ key = {} }, "dedup: the key has to be a string of 1 to 255 bytes, got a table")
    fails({ version = "new" }, 'dedup: the version has to be a number, got "new"')
    fails({ kye = "x" }, 'dedup: the answer%.kye: unknown key; did you mean "key"')
    fails("x", "dedup: the answer: expected a table")
  end)

  it("may remember until the first is settled only", function()
    assert.equal(0, dedup.read({ ttl = "done" }).ttl)
  end)

  it("may forget results", function()
    assert.is_true(dedup.read({ keep_result = false }).forget_results)
  end)

  it("may remember for ever", function()
    assert.equal(math.huge, dedup.read({ ttl = math.huge }).ttl)
  end)

  it("keeps results", function()
    assert.same({ kind = "key", ttl = 86400 }, dedup.read { keep_result = true })
  end)

  it("may be the name of a file in policies/", function()
    fake.folder = "spec/support/project"
    finally(fake.reset)
    assert.equal(3600, dedup.read("by_key").ttl)
    assert.equal('policies/patient.lua: dedup.attempts: unknown key', select(2, dedup.read("patient")))
  end)

  local later = {
    { "wait", { wait = "1s" }, ".wait: not yet in this version" },
  }
  for _, case in ipairs(later) do
    it("does not have " .. case[1] .. " yet", function()
      local policy, reason, code = dedup.read(case[2])
      assert.is_nil(policy)
      assert.equal(case[3], reason)
      assert.equal("UNSUPPORTED", code)
    end)
  end

  it("is refused as anything else", function()
    assert.equal('expected "none", a table, a function or a name, got 5', select(2, dedup.read(5)))
    assert.equal('.ttl: 0 is no time at all, or "done"', select(2, dedup.read { ttl = 0 }))
    assert.equal('.tll: unknown key; did you mean "ttl"?', select(2, dedup.read { tll = 1 }))
  end)
end)
