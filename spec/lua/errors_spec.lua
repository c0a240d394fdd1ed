local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local errors = require "moonpost.errors"

describe("an error object", function()
  it("prints its code and its reason", function()
    assert.equal("BUSY: the mailbox is full", tostring(errors.new { code = "BUSY", reason = "the mailbox is full" }))
  end)

  it("is final when its code is", function()
    assert.is_true(errors.new({ code = "REJECTED", reason = "no" }).final)
    assert.is_false(errors.new({ code = "TIMEOUT", reason = "no" }).final)
  end)

  it("is not final for a value that is not plain data, unless said so", function()
    assert.is_false(errors.new({ code = "BAD_VALUE", reason = "no" }).final)
    assert.is_true(errors.new({ code = "BAD_VALUE", reason = "no", final = true }).final)
  end)

  it("keeps the message it is about", function()
    assert.equal("m1", errors.new({ code = "DEAD", reason = "no", ref = "m1" }).ref)
  end)

  it("of the outside is told apart", function()
    assert.is_true(errors.is_outside(errors.new { code = "TIMEOUT", reason = "30 s", outside = true }))
    assert.is_false(errors.is_outside(errors.new { code = "TIMEOUT", reason = "30 s" }))
    assert.is_false(errors.is_outside("TIMEOUT"))
  end)
end)

describe("a name that is not there yet", function()
  it("raises UNSUPPORTED, which is not final", function()
    local text, fault = raised(errors.not_yet, "ctx:publish")
    assert.equal("UNSUPPORTED: ctx:publish: not yet in this version", text)
    assert.is_false(fault.final)
  end)
end)

describe("misuse", function()
  it("names the caller's line", function()
    local function caller() errors.misuse("wrong") end
    local line = debug.getinfo(caller, "S").linedefined
    assert.matches("errors_spec%.lua:" .. line .. ": wrong$", raised(caller))
  end)

  it("has no line while a file loads: the loader names the file", function()
    fake.at = "load"
    finally(fake.reset)
    assert.equal("wrong", raised(errors.misuse, "wrong"))
  end)
end)
