local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local errors = require "moonpost.errors"
local verbs = require "moonpost.ctx"

describe("ctx:send", function()
  it("hands the message to the runtime and answers its id", function()
    finally(fake.reset)
    local ctx = fake.ctx()
    assert.equal("01J00000000000000000000001", ctx:send("a@b", { n = 1 }))
    assert.equal("01J00000000000000000000002", ctx:send("a@b", "x", { key = "k" }))
    assert.same({
      { to = "a@b", body = '{"n":1}', encoding = "json" },
      { to = "a@b", body = "x", encoding = "raw", key = "k" },
    }, fake.sent)
  end)

  it("refuses an unknown option at the caller's line", function()
    assert.matches('ctx_spec%.lua:%d+: options%.dely: unknown key; did you mean "delay"%?$', raised(function()
      fake.ctx():send("a@b", "x", { dely = 1 })
    end))
  end)
end)

describe("ctx:call", function()
  local function call(answer)
    return fake.run(function() return fake.ctx():call("a@b", "x", { timeout = "5s" }) end, answer)
  end

  it("waits and answers the result", function()
    fake.at = "handler"
    finally(fake.reset)
    local kind, message
    assert.equal("sum", call(function(...)
      kind, message = ...
      return true, { type = "ack", ok = true, result = "sum" }
    end))
    assert.equal("call", kind)
    assert.same({ to = "a@b", body = "x", encoding = "raw", timeout = 5, expires = 5.001, await = "handled" }, message)
  end)

  it("raises the receipt's code", function()
    local text, fault = raised(call, function()
      return true, { type = "nack", ok = false, code = "NO_METHOD", reason = "no method", ref = "m1" }
    end)
    assert.equal("NO_METHOD: no method", text)
    assert.equal("m1", fault.ref)
    assert.is_true(fault.final)
  end)

  it("raises what ends the wait", function()
    local fault = errors.new { code = "TIMEOUT", reason = "5 s" }
    assert.equal("TIMEOUT: 5 s", raised(call, function() return false, fault end))
  end)

  it("raises GONE after the delivery", function()
    fake.gone = true
    finally(function() fake.gone = nil end)
    assert.equal("GONE: the delivery has ended", raised(call, function() error("it waited") end))
  end)
end)

describe("other names of ctx", function()
  it("are nil when a fact is absent", function()
    assert.is_nil(verbs.key)
    assert.is_nil(verbs.expires)
  end)

  for name in ("publish stream http emit progress cancelled"):gmatch("%S+") do
    it("do not have the verb " .. name .. " yet", function()
      assert.equal(("UNSUPPORTED: ctx:%s: not yet in this version"):format(name), raised(function() return verbs[name] end))
    end)
  end

  it("are refused with the nearest one", function()
    assert.matches('ctx%.atempt: unknown; did you mean "attempt"%?$', raised(function() return verbs.atempt end))
  end)

  it("cannot be set", function()
    assert.matches("ctx%.count: cannot be set$", raised(getmetatable(verbs).__newindex, verbs, "count", 1))
  end)
end)
