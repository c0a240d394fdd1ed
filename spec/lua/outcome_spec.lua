require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"

describe("an outcome", function()
  it("has its name and its reason", function()
    assert.equal("retry", moonpost.retry("busy").outcome)
    assert.equal("busy", moonpost.retry("busy").reason)
    assert.equal("skip", moonpost.skip("old news").outcome)
    assert.equal("retry: busy", tostring(moonpost.retry "busy"))
  end)

  it("of a retry may have a delay", function()
    assert.equal(120, moonpost.retry("busy", { delay = "2m" }).delay)
    assert.is_nil(moonpost.retry("busy").delay)
  end)

  it("of a defer has a delay or a moment", function()
    assert.equal(600, moonpost.defer("night", { delay = "10m" }).delay)
    assert.equal(1767225600, moonpost.defer("night", { at = "2026-01-01T00:00:00Z" }).at)
    assert.matches("moonpost%.defer: needs delay or at$", raised(moonpost.defer, "night"))
    assert.matches("moonpost%.defer: delay and at exclude each other$", raised(moonpost.defer, "night", { delay = 1, at = 2 }))
  end)

  it("of a reject has a code", function()
    assert.equal("REJECTED", moonpost.reject("no").code)
    assert.equal("BAD_ADDRESS", moonpost.reject("no", { code = "BAD_ADDRESS" }).code)
    assert.matches('moonpost%.reject%.code: "bad" is not a code; write capitals, such as "BAD_ADDRESS"$',
      raised(moonpost.reject, "no", { code = "bad" }))
  end)

  it("needs a reason", function()
    assert.matches("outcome_spec%.lua:%d+: moonpost%.retry: reason: expected a string, got nil$",
      raised(function() local value = moonpost.retry() return value end))
  end)

  it("refuses an unknown option and names the nearest", function()
    assert.matches('moonpost%.retry%.dely: unknown key; did you mean "delay"%?$', raised(moonpost.retry, "x", { dely = 1 }))
  end)
end)
