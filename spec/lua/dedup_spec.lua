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
    local function key(msg) return msg.body.order end
    assert.same({ kind = "key", key = key, ttl = 60 }, dedup.read { key = key, ttl = "1m" })
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
    { "a function", function() end, "a function: not yet in this version" },
    { "ttl until it is settled", { ttl = "done" }, '.ttl: "done": not yet in this version' },
    { "version", { version = function() end }, ".version: not yet in this version" },
    { "wait", { wait = "1s" }, ".wait: not yet in this version" },
    { "forgetting results", { keep_result = false }, ".keep_result: false: not yet in this version" },
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
    assert.equal('expected "none", a table or a name, got 5', select(2, dedup.read(5)))
    assert.equal(".ttl: 0 is no time at all", select(2, dedup.read { ttl = 0 }))
    assert.equal('.tll: unknown key; did you mean "ttl"?', select(2, dedup.read { tll = 1 }))
  end)
end)
