local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"

describe("the module moonpost", function()
  it("has a version", function()
    assert.equal("0.1.0", moonpost.VERSION)
  end)

  it("refuses an unknown name and names the nearest", function()
    assert.matches('moonpost_spec%.lua:%d+: moonpost%.agnet: unknown; did you mean "agent"%?$',
      raised(function() return moonpost.agnet end))
  end)

  it("cannot be changed", function()
    assert.matches("moonpost%.mine: cannot be set$", raised(function() moonpost.mine = 1 end))
  end)

  for name in ("all breaker metrics quiet_hours rate_limit webhook"):gmatch("%S+") do
    it("does not have " .. name .. " yet", function()
      assert.equal(("UNSUPPORTED: moonpost.%s: not yet in this version"):format(name),
        raised(function() return moonpost[name] end))
    end)
  end

  it("turns durations into seconds", function()
    assert.equal(120, moonpost.seconds "2m")
    assert.matches('moonpost_spec%.lua:%d+: moonpost%.seconds: "2x" is not a duration; write seconds, or "250ms"',
      raised(function() moonpost.seconds "2x" end))
  end)

  it("answers the node's clocks and ids", function()
    finally(fake.reset)
    assert.equal(1767225600, moonpost.now())
    assert.equal(100, moonpost.clock())
    assert.equal(26, #moonpost.id())
  end)
end)

describe("moonpost.array", function()
  it("is a list also when it is empty", function()
    assert.equal("[]", moonpost.json.encode(moonpost.array {}))
    assert.equal("[]", moonpost.json.encode(moonpost.array()))
    assert.equal("{}", moonpost.json.encode {})
  end)

  it("wants a table", function()
    assert.matches("moonpost%.array: expected a table, got 1$", raised(moonpost.array, 1))
  end)
end)

describe("moonpost.json", function()
  it("writes sorted keys", function()
    assert.equal('{"a":1,"b":null}', moonpost.json.encode { b = moonpost.null, a = 1 })
  end)

  it("names what is not plain data", function()
    assert.matches("^BAD_VALUE: %S+:%d+: value%.a is a function$", raised(moonpost.json.encode, { a = print }))
    assert.matches("^BAD_VALUE: %S+:%d+: value is a function$", raised(moonpost.json.encode, print))
  end)

  it("reads texts, or says why not", function()
    assert.same({ a = { 1, 2 } }, moonpost.json.decode '{"a":[1,2]}')
    local value, reason, code = moonpost.json.decode "{"
    assert.is_nil(value)
    assert.equal("string", type(reason))
    assert.equal("BAD_JSON", code)
  end)

  it("wants a text to read", function()
    assert.matches("json%.decode: expected a string, got table$", raised(moonpost.json.decode, {}))
  end)
end)

describe("moonpost.sorted_pairs", function()
  it("goes through numbers, then strings", function()
    local keys = {}
    for key in moonpost.sorted_pairs { b = 1, [10] = 1, a = 1, [2] = 1 } do keys[#keys + 1] = key end
    assert.same({ 2, 10, "a", "b" }, keys)
  end)

  it("leaves out what has gone since", function()
    local map, keys = { a = 1, b = 2, c = 3 }, {}
    for key in moonpost.sorted_pairs(map) do
      keys[#keys + 1] = key
      map.b = nil
    end
    assert.same({ "a", "c" }, keys)
  end)

  it("has no order for other keys", function()
    assert.matches("sorted_pairs: a boolean as a key has no order$", raised(moonpost.sorted_pairs, { [true] = 1 }))
    assert.matches("sorted_pairs: expected a table, got nil$", raised(moonpost.sorted_pairs))
  end)
end)

describe("moonpost.log", function()
  it("hands level, text and fields to the node", function()
    finally(fake.reset)
    moonpost.log.info("started", { port = 1 })
    moonpost.log.error("broken")
    assert.same({ { level = "info", text = "started", fields = { port = 1 } }, { level = "error", text = "broken" } }, fake.logs)
  end)

  it("wants a text, and a table of fields", function()
    assert.matches("log%.warn: text: expected a string, got nil$", raised(moonpost.log.warn))
    assert.matches("log%.warn: fields: expected a table, got string$", raised(moonpost.log.warn, "x", "y"))
  end)

  it("has four levels", function()
    assert.matches('moonpost%.log%.warning: unknown; did you mean "warn"%?$', raised(function() return moonpost.log.warning end))
  end)
end)
