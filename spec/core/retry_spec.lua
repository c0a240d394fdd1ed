local c = require "spec.support.c"
local core = c.core

-- The waits after failures 1..count, in milliseconds.
local function delays(policy, count, spread)
  local found = {}
  for n = 1, count do found[n] = tonumber(core.retry_delay(policy, n, spread or 0)) end
  return found
end

local function policy(fields)
  local made = core.retry_default_handle()
  for name, value in pairs(fields) do made[name] = value end
  return made
end

describe("the wait after a failure", function()
  it("is one second, doubled each time, up to a minute", function()
    assert.are.same({ 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 }, delays(policy {}, 8))
  end)

  it("grows by the factor", function()
    assert.are.same({ 100, 150, 225, 338, 506 }, delays(policy { first_ms = 100, factor = 1.5 }, 5))
  end)

  it("grows by the step", function()
    assert.are.same({ 1000, 1500, 2000, 2500 }, delays(policy { step_ms = 500 }, 4))
  end)

  it("is the list's, whose last entry repeats", function()
    local listed = policy { delay_count = 3 }
    listed.delays_ms[0], listed.delays_ms[1], listed.delays_ms[2] = 10, 500, 30
    assert.are.same({ 10, 500, 30, 30, 30 }, delays(listed, 5))
  end)

  it("is spread both ways by the jitter", function()
    assert.are.same({ 900, 1800 }, delays(policy {}, 2, -1))
    assert.are.same({ 1100, 2200 }, delays(policy {}, 2, 1))
    assert.are.same({ 1050, 2100 }, delays(policy {}, 2, 0.5))
  end)

  it("is capped after the jitter, so that nothing is longer than the cap", function()
    assert.are.same({ 55000 }, delays(policy { first_ms = 50000 }, 1, 1))
    assert.are.same({ 60000 }, delays(policy { first_ms = 58000 }, 1, 1))
    assert.are.same({ 54000 }, delays(policy { first_ms = 60000 }, 1, -1))
  end)

  it("caps a list as well", function()
    local listed = policy { delay_count = 1, cap_ms = 100 }
    listed.delays_ms[0] = 500
    assert.are.same({ 100, 100 }, delays(listed, 2))
  end)

  it("stays at the cap when the number of failures is beyond all reason", function()
    assert.are.equal(60000, tonumber(core.retry_delay(policy {}, 4294967295, 0)))
    assert.are.equal(60000, tonumber(core.retry_delay(policy { step_ms = 1 }, 4294967295, 0)))
  end)

  -- Nothing times more than any number is no number: it had become a wait without end.
  it("stays nothing when the first one is, however far the factor has grown", function()
    local at_once = policy { first_ms = 0, factor = 1000 }
    assert.are.equal(0, tonumber(core.retry_delay(at_once, 103, 0)))
    assert.are.equal(0, tonumber(core.retry_delay(at_once, 104, 0)))
    assert.are.equal(0, tonumber(core.retry_delay(at_once, 4294967295, -1)))
  end)

  it("is for ever when the list or the cap says so, and not an overflow", function()
    local forever = 0x7fffffffffffffffLL
    local listed = policy { delay_count = 1, cap_ms = forever, jitter = 0 }
    listed.delays_ms[0] = forever
    assert.are.equal(forever, core.retry_delay(listed, 1, 0))
    assert.are.equal(forever, core.retry_delay(policy { cap_ms = forever, factor = 1000, jitter = 1 }, 500, -1))
  end)

  it("is not negative with a jitter of one", function()
    assert.are.same({ 0 }, delays(policy { jitter = 1 }, 1, -1))
  end)

  it("is a number of milliseconds even when there is no cap and the growth has no end", function()
    local endless = policy { cap_ms = 0x7fffffffffffffffLL }
    assert.are.equal("9223372036854775807LL", tostring(core.retry_delay(endless, 5000, 0)))
  end)
end)

describe("the built-in policies", function()
  it("give six transmissions, five attempts, and endless dials", function()
    assert.are.same({ 6, 5, 4294967295 }, {
      core.retry_default_send().attempts, core.retry_default_handle().attempts, core.retry_default_link().attempts,
    })
    assert.are.equal(0.1, core.retry_default_send().jitter)
  end)
end)
