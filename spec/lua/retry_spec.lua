local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local retry = require "moonpost.retry"

describe("a retry policy", function()
  it("has the defaults of its role", function()
    assert.equal(5, retry.default("handle").attempts)
    assert.equal(6, retry.default("send").attempts)
    assert.equal(math.huge, retry.default("link").attempts)
  end)

  it("waits 1 s, twice as long each time, up to a minute", function()
    local policy = retry.default("handle")
    assert.equal(1, policy.first)
    assert.equal(2, policy.factor)
    assert.equal(60, policy.cap)
    assert.equal(0.1, policy.jitter)
    assert.is_nil(policy.deadline)
  end)

  it("reads durations", function()
    local policy = retry.policy { first = "250ms", cap = "2m", deadline = "1h" }
    assert.equal(0.25, policy.first)
    assert.equal(120, policy.cap)
    assert.equal(3600, policy.deadline)
  end)

  it("answers the wait after a failure", function()
    local policy = retry.policy { first = 1, factor = 2, cap = 60 }
    assert.equal(1, policy:delay(1))
    assert.equal(4, policy:delay(3))
    assert.equal(60, policy:delay(7))
    assert.equal(60, policy:delay(5000))
  end)

  it("waits nothing for ever when it begins with nothing", function()
    assert.equal(0, retry.policy { first = 0, factor = 1000 }:delay(500))
  end)

  it("grows by a step", function()
    local policy = retry.policy { first = 2, step = 3, cap = 9 }
    assert.equal(2, policy:delay(1))
    assert.equal(5, policy:delay(2))
    assert.equal(9, policy:delay(4))
  end)

  it("takes a list whose last entry repeats, and which no default caps", function()
    local policy = retry.policy { delays = { "5s", "5m", "30m" } }
    assert.equal(5, policy:delay(1))
    assert.equal(1800, policy:delay(3))
    assert.equal(1800, policy:delay(9))
  end)

  it("shows its schedule: the waits between the attempts", function()
    assert.same({ 1, 2, 4, 8 }, retry.policy({}):schedule())
    assert.same({}, retry.policy({ attempts = 1 }):schedule())
  end)

  it("ends its schedule at the deadline", function()
    assert.same({ 1, 2 }, retry.policy({ deadline = "5s" }):schedule())
  end)

  it("shows a hundred waits of a schedule without end", function()
    assert.equal(100, #retry.policy({ attempts = math.huge }):schedule())
  end)

  it("may be for ever", function()
    assert.equal(math.huge, retry.policy({ attempts = math.huge }).attempts)
    assert.is_nil(retry.policy({ deadline = math.huge }).deadline)
  end)

  it("passes through as a function", function()
    local function decide() return 1 end
    assert.equal(decide, retry.read(decide, "handle"))
  end)

  it("passes through when it has been read before", function()
    local policy = retry.policy { attempts = 2 }
    assert.equal(policy, retry.read(policy, "send"))
  end)

  local wrong = {
    { { atempts = 3 }, 'retry_policy.atempts: unknown key; did you mean "attempts"?' },
    { { attempts = 0 }, "retry_policy.attempts: expected a whole number from 1 on, got 0" },
    { { jitter = 1.5 }, "retry_policy.jitter: expected a number from 0 to 1, got 1.5" },
    { { first = math.huge }, "retry_policy.first: for ever is too long" },
    { { step = 1, factor = 2 }, "retry_policy: factor and step exclude each other" },
    { { delays = { 1 }, step = 2 }, "retry_policy: delays and step exclude each other" },
    { { delays = { 1 }, first = 2 }, "retry_policy: delays and first exclude each other" },
    { { delays = {} }, "retry_policy.delays: is empty" },
    { { first = 10, cap = 1 }, "retry_policy.cap: 1 s is below the first wait, 10 s" },
    { { delays = { 1, "x" } }, "retry_policy.delays[2]: \"x\" is not a duration" },
    { { final = true }, "retry_policy.final: expected a function, got true" },
    { 7, "retry_policy: expected a table, got 7" },
  }
  for _, case in ipairs(wrong) do
    it("is refused: " .. case[2], function()
      assert.truthy(raised(retry.policy, case[1]):find(case[2], 1, true), raised(retry.policy, case[1]))
    end)
  end

  it("wants the number of a failure", function()
    assert.matches("policy:delay: expected a whole number from 1 on, got 0", raised(function()
      retry.policy({}):delay(0)
    end))
  end)
end)

describe("a retry policy given by name", function()
  before_each(function() fake.folder = "spec/support/project" end)
  after_each(function() fake.reset() end)

  it("is what its file in policies/ returns", function()
    local policy = retry.read("patient", "handle")
    assert.equal(20, policy.attempts)
    assert.equal(5, policy.first)
  end)

  it("may be a function", function()
    assert.equal("function", type(retry.read("clever", "handle")))
  end)

  it("names the file in its errors", function()
    assert.equal('policies/wrong.lua: retry.atempts: unknown key; did you mean "attempts"?',
      select(2, retry.read("wrong", "handle")))
  end)

  it("is refused when there is no such file", function()
    assert.equal('there is no policy "notfy": no file policies/notfy.lua', select(2, retry.read("notfy", "handle")))
    assert.equal('"../x" is not the name of a policy', select(2, retry.read("../x", "handle")))
  end)

  it("is looked for where the settings say", function()
    fake.policies = { "rules/*.lua", "policies/patient.lua" }
    assert.equal('there is no policy "other": no file rules/other.lua', select(2, retry.read("other", "handle")))
    assert.is_table(retry.read("patient", "handle"))
  end)
end)
