require "spec.support.fake_runtime"
local errors = require "moonpost.errors"
local handler = require "moonpost.handler"
local moonpost = require "moonpost"

local function run(message)
  return handler.run(moonpost.agent { address = "a@b", on = { message = message } }, {}, { body = 1 })
end

local function kind_reason_code(message)
  local kind, reason, code = run(message)
  return { kind, reason, code }
end

describe("a handler that returns", function()
  it("nothing, acks without a result", function()
    assert.same({ "ack" }, { run(function() end) })
  end)

  it("a table, acks with JSON", function()
    local kind, reason, code, delay, bytes, encoding = run(function() return { b = 1, a = { 2 } } end)
    assert.equal("ack", kind)
    assert.is_nil(reason or code or delay)
    assert.equal('{"a":[2],"b":1}', bytes)
    assert.equal("json", encoding)
  end)

  it("a string, acks with its bytes", function()
    local _, _, _, _, bytes, encoding = run(function() return "hello" end)
    assert.equal("hello", bytes)
    assert.equal("raw", encoding)
  end)

  it("false, acks with false", function()
    local kind, _, _, _, bytes = run(function() return false end)
    assert.equal("ack", kind)
    assert.equal("false", bytes)
  end)

  it("nil and a reason, fails", function()
    assert.same({ "retry", "timeout", "HANDLER_ERROR" }, kind_reason_code(function() return nil, "timeout" end))
  end)

  it("nil, a reason and a code, fails with that code", function()
    assert.same({ "retry", "slow", "TIMEOUT" }, kind_reason_code(function() return nil, "slow", "TIMEOUT" end))
    assert.same({ "reject", "never", "DENIED" }, kind_reason_code(function() return nil, "never", "DENIED" end))
  end)

  it("nil and an error, fails like that error", function()
    local fault = errors.new { code = "REJECTED", reason = "no" }
    assert.same({ "reject", "no", "REJECTED" }, kind_reason_code(function() return nil, fault end))
  end)

  it("nil and an outcome, ends with it", function()
    assert.same({ "skip", "seen" }, kind_reason_code(function() return nil, moonpost.skip "seen" end))
  end)

  it("a retry, ends with its delay or the policy's", function()
    assert.same({ "retry", "busy", nil, 5 }, { run(function() return moonpost.retry("busy", { delay = 5 }) end) })
    local _, _, _, delay = run(function() return moonpost.retry "busy" end)
    assert.is_nil(delay)
  end)

  it("a defer, ends with its delay", function()
    assert.same({ "defer", "night", nil, 60 }, { run(function() return moonpost.defer("night", { delay = "1m" }) end) })
  end)

  it("a defer to a moment, ends with the time until then", function()
    local function to(moment)
      local _, _, _, delay = run(function() return moonpost.defer("night", { at = moment }) end)
      return delay
    end
    assert.equal(3600, to "2026-01-01T01:00:00Z")
    assert.equal(0, to "2025-01-01T01:00:00Z")
  end)

  it("a reject, ends with its code", function()
    assert.same({ "reject", "no", "BAD_ADDRESS" },
      kind_reason_code(function() return moonpost.reject("no", { code = "BAD_ADDRESS" }) end))
  end)

  it("what is not plain data, fails and says where", function()
    assert.same({ "retry", "BAD_VALUE: result.items[2] is a function", "HANDLER_ERROR" },
      kind_reason_code(function() return { items = { 1, print } } end))
    assert.same({ "retry", "BAD_VALUE: result is a function", "HANDLER_ERROR" },
      kind_reason_code(function() return print end))
  end)
end)

describe("a handler that raises", function()
  it("a text, fails with file, line and a traceback", function()
    local kind, reason, code, _, _, _, traceback = run(function() error("broken") end)
    assert.equal("retry", kind)
    assert.matches("^.-handler_spec%.lua:%d+: broken$", reason)
    assert.equal("HANDLER_ERROR", code)
    assert.matches("handler_spec%.lua:%d+", traceback)
  end)

  it("an outcome from any depth, ends with it", function()
    local function deep() error(moonpost.defer("night", { delay = 1 })) end
    assert.same({ "defer", "night", nil, 1 }, { run(function() deep() end) })
  end)

  it("a final error, is rejected", function()
    assert.same({ "reject", "gone", "DEAD" },
      kind_reason_code(function() error(errors.new { code = "DEAD", reason = "gone" }) end))
    assert.same({ "reject", "never", "REJECTED" },
      kind_reason_code(function() error({ reason = "never", final = true }) end))
  end)

  it("a retryable error, fails with its code", function()
    assert.same({ "retry", "full", "BUSY" },
      kind_reason_code(function() error(errors.new { code = "BUSY", reason = "full" }) end))
  end)

  it("its own bad value, is tried again", function()
    assert.same({ "retry", "BAD_VALUE: body is a function", "HANDLER_ERROR" },
      kind_reason_code(function() moonpost.json.encode({}) error(errors.new { code = "BAD_VALUE", reason = "body is a function" }) end))
  end)

  it("what is not there yet, is tried again", function()
    assert.same({ "retry", "UNSUPPORTED: moonpost.breaker: not yet in this version", "HANDLER_ERROR" },
      kind_reason_code(function() return moonpost.breaker end))
  end)

  it("a value without a text, says so", function()
    assert.same({ "retry", 'raised {"a":1}', "HANDLER_ERROR" }, kind_reason_code(function() error({ a = 1 }) end))
    assert.same({ "retry", "raised a table", "HANDLER_ERROR" }, kind_reason_code(function() error({ print }) end))
    assert.same({ "retry", "raised nil", "HANDLER_ERROR" }, kind_reason_code(function() error() end))
  end)

  it("because it was ended from outside, fails with that code", function()
    assert.same({ "retry", "ran for 200 ms", "OVER_BUDGET" }, kind_reason_code(function()
      error(errors.new { code = "OVER_BUDGET", reason = "ran for 200 ms", outside = true })
    end))
    assert.same({ "retry", "the node stops", "CANCELLED" }, kind_reason_code(function()
      error(errors.new { code = "CANCELLED", reason = "the node stops", outside = true, final = false })
    end))
  end)
end)

describe("on.start and on.stop", function()
  local function with(on)
    on.message = function() end
    return moonpost.agent { address = "a@b", on = on }
  end

  it("need not be there", function()
    assert.equal("ack", handler.start(with {}, {}, "boot"))
    assert.equal("ack", handler.stop(with {}, {}))
  end)

  it("are told why the agent starts", function()
    local seen
    assert.equal("ack", handler.start(with { start = function(_, why) seen = why end }, {}, "reload"))
    assert.equal("reload", seen)
  end)

  it("may return anything", function()
    assert.same({ "ack" }, { handler.start(with { start = function() return print end }, {}, "boot") })
  end)

  it("refuse the start by raising or by nil and a reason", function()
    local kind, reason = handler.start(with { start = function() error("no disk", 0) end }, {}, "boot")
    assert.same({ "retry", "no disk" }, { kind, reason })
    kind, reason = handler.start(with { start = function() return nil, "no disk" end }, {}, "boot")
    assert.same({ "retry", "no disk" }, { kind, reason })
  end)

  it("stop with an error that says where", function()
    local kind, reason = handler.stop(with { stop = function() error("late") end }, {})
    assert.equal("retry", kind)
    assert.matches("handler_spec%.lua:%d+: late", reason)
  end)
end)

describe("a mistake in a tail call, which leaves no frame of the handler,", function()
  local function place_of(fields)
    fields.address = "a@b"
    local agent = moonpost.agent(fields)
    local runner = fields.batch and handler.batch or fields.on and fields.on.start and handler.start or handler.run
    local _, reason = runner(agent, {}, fields.batch and { {} } or { method = fields.methods and "later" })
    return reason
  end

  local function defers() return moonpost.defer("not now", { dealy = 5 }) end

  local function names_its_beginning(reason)
    local line = debug.getinfo(defers, "S").linedefined
    assert.equal(("handler_spec.lua:%d: in the function that begins here: moonpost.defer.dealy: unknown key; "
      .. 'did you mean "delay"?'):format(line), (reason:gsub("^.*/", "")))
  end

  it("names where on.message begins", function() names_its_beginning(place_of { on = { message = defers } }) end)
  it("names where the method begins", function() names_its_beginning(place_of { methods = { later = defers } }) end)
  it("names where batch.handle begins", function() names_its_beginning(place_of { batch = { handle = defers } }) end)
  it("names where on.start begins", function() names_its_beginning(place_of { on = { start = defers } }) end)

  it("names the line of a function that is still there", function()
    local function asks()
      local outcome = defers()
      return outcome
    end
    local reason = place_of { on = { message = asks } }
    assert.matches(":" .. debug.getinfo(asks, "S").linedefined + 1 .. ": moonpost.defer.dealy", reason, 1, true)
  end)
end)
