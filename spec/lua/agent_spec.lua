local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"

local function handle() end

local function agent(fields)
  fields.address = fields.address or "mail@local"
  local value = moonpost.agent(fields)
  return value
end

local function refusal(fields)
  return raised(function()
    local _ = agent(fields)
  end) or "accepted"
end

describe("an agent", function()
  it("has defaults", function()
    local mail = agent { on = { message = handle } }
    assert.equal("mail@local", mail.address)
    assert.equal(8, mail.concurrency)
    assert.equal(30, mail.timeout)
    assert.equal(0.2, mail.budget)
    assert.equal(64 * 1024 ^ 2, mail.memory)
    assert.equal("at-least-once", mail.profile)
    assert.same({ kind = "none" }, mail.dedup)
    assert.is_nil(mail.retry)
    assert.is_nil(mail.key)
    assert.is_true(mail.has_handler)
  end)

  it("is told from other values by its metatable", function()
    assert.equal("moonpost.agent", getmetatable(agent {}).__name)
  end)

  it("may have no handler", function()
    assert.is_false(agent({}).has_handler)
    assert.is_true(agent({ methods = { add = handle } }).has_handler)
  end)

  it("keeps what it was given, in seconds", function()
    local function key(msg) return msg.key end
    local mail = agent {
      on = { start = handle, stop = handle },
      key = key,
      concurrency = 1,
      timeout = "2m",
      budget = "50ms",
      memory = "8M",
      profile = "at-most-once",
      retry = { attempts = 3 },
      dedup = { ttl = "1h" },
    }
    assert.equal(handle, mail.on_start)
    assert.equal(handle, mail.on_stop)
    assert.equal(key, mail.key)
    assert.equal(1, mail.concurrency)
    assert.equal(120, mail.timeout)
    assert.equal(0.05, mail.budget)
    assert.equal(8388608, mail.memory)
    assert.equal("at-most-once", mail.profile)
    assert.equal(3, mail.retry.attempts)
    assert.equal(3600, mail.dedup.ttl)
  end)

  it("refuses an unknown key and names the nearest", function()
    assert.matches('agent%.adress: unknown key; did you mean "address"%?$',
      raised(moonpost.agent, { adress = "a@b" }))
    assert.matches('agent%.retry%.atempts: unknown key; did you mean "attempts"%?$',
      refusal { retry = { atempts = 3 } })
    assert.matches('agent%.on%.mesage: unknown key; did you mean "message"%?$', refusal { on = { mesage = handle } })
  end)

  it("needs an address", function()
    assert.matches("agent%.address: required$", raised(moonpost.agent, {}))
    assert.matches('agent%.address: "mail" is not an address; write "name@domain"$', refusal { address = "mail" })
  end)

  it("cannot have one of the node's own addresses", function()
    assert.equal('UNSUPPORTED: agent.address: "$node": not yet in this version', refusal { address = "$node" })
  end)

  it("needs functions for handlers", function()
    assert.matches('agent%.on%.message: expected a function, got "handle"$', refusal { on = { message = "handle" } })
    assert.matches('agent%.methods%["add"%]: expected a function, got 1$', refusal { methods = { add = 1 } })
    assert.matches("agent%.methods%[1%]: a method's name: expected a string, got 1$", refusal { methods = { handle } })
  end)

  it("has 1 to 1024 deliveries side by side", function()
    assert.matches("agent%.concurrency: expected a whole number from 1 to 1024, got 0$", refusal { concurrency = 0 })
    assert.matches("agent%.concurrency: expected a whole number from 1 to 1024, got 1025$",
      refusal { concurrency = 1025 })
  end)

  it("needs durations above 0", function()
    assert.matches('agent%.timeout: "5x" is not a duration; write seconds, or "250ms", "5s"', refusal { timeout = "5x" })
    assert.matches("agent%.budget: 0 is no time at all$", refusal { budget = 0 })
  end)

  it("has a memory of at least a megabyte, or without end", function()
    assert.matches('agent%.memory: "512K" is less than "1M"$', refusal { memory = "512K" })
    assert.equal(math.huge, agent({ memory = math.huge }).memory)
  end)

  it("names the nearest profile", function()
    assert.matches('agent%.profile: expected "at%-least%-once", "at%-most%-once", "exactly%-once", got "at%-lest%-once"; '
      .. 'did you mean "at%-least%-once"%?$', refusal { profile = "at-lest-once" })
  end)

  it("has a version of its state, and versions that it understands unchanged", function()
    local made = agent { version = 3, reads = { 1 } }
    assert.same({ [1] = true, [3] = true }, made.understands)
    assert.same({ [1] = true }, agent({}).understands)
    assert.matches("agent%.version: expected a whole number from 1 to %d+, got 0$", refusal { version = 0 })
    assert.matches("agent%.reads%[2%]: expected a whole number from 1", refusal { reads = { 1, "2" } })
    assert.matches("agent%.migrate: expected a function, got true$", refusal { migrate = true })
  end)

  local later = "events schedules schema use check group jit"
  for name in later:gmatch("%S+") do
    it("does not have " .. name .. " yet", function()
      assert.equal(("UNSUPPORTED: agent.%s: not yet in this version"):format(name), refusal { [name] = {} })
    end)
  end

  it("wants a table", function()
    assert.matches('agent: expected a table, got "mail@local"$', raised(moonpost.agent, "mail@local"))
  end)

  it("leaves the file's name to the loader", function()
    fake.at = "load"
    finally(fake.reset)
    assert.equal('agent.retry.atempts: unknown key; did you mean "attempts"?', refusal { retry = { atempts = 3 } })
  end)

  it("is refused at the caller's line elsewhere", function()
    assert.matches("agent_spec%.lua:%d+: agent%.colour: unknown key$", refusal { colour = "red" })
  end)
end)

describe("an agent's dispatch", function()
  local calc = agent {
    on = { message = function(_, msg) return "message " .. msg.body end },
    methods = {
      add = function(_, msg) return "add " .. msg.body end,
      _remind = function() return "remind" end,
    },
  }

  it("takes a message without method to on.message", function()
    assert.equal("message 1", calc.handle({}, { body = "1" }))
  end)

  it("takes a message with a method to that method", function()
    assert.equal("add 1", calc.handle({}, { method = "add", body = "1" }))
  end)

  it("rejects another method and names the nearest", function()
    local outcome = calc.handle({}, { method = "ad" })
    assert.equal("reject", outcome.outcome)
    assert.equal("NO_METHOD", outcome.code)
    assert.equal('mail@local has no method "ad"; did you mean "add"?', outcome.reason)
  end)

  it("answers a private method only for the agent itself", function()
    assert.equal("remind", calc.handle({}, { method = "_remind", from = "mail@local" }))
    local outcome = calc.handle({}, { method = "_remind", from = "other@local" })
    assert.equal("NO_METHOD", outcome.code)
    assert.equal('the method "_remind" of mail@local answers only the agent itself: its name begins with _', outcome.reason)
  end)

  it("rejects a message without method when there is no on.message", function()
    local outcome = agent({ methods = { add = handle } }).handle({}, {})
    assert.equal("NO_METHOD", outcome.code)
    assert.equal("mail@local takes only messages with a method", outcome.reason)
  end)
end)
