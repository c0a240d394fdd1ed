require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"

local function drops(hook, envelopes)
  local letters = {}
  for index, envelope in ipairs(envelopes) do letters[index] = hook.steps.forward(envelope) and "X" or "." end
  return table.concat(letters)
end

local function many(envelope, count)
  local list = {}
  for index = 1, count do list[index] = envelope end
  return list
end

describe("a fault that drops", function()
  it("is a hook that forwards, and known as a fault", function()
    local hook = moonpost.fault.drop { pattern = "X" }
    assert.equal("moonpost.hook", getmetatable(hook).__name)
    assert.equal("function", type(hook.steps.forward))
    assert.is_true(hook.fault)
  end)

  it("goes through its pattern again and again", function()
    local hook = moonpost.fault.drop { pattern = "XX." }
    assert.equal("XX.XX.X", drops(hook, many({ type = "receipt" }, 7)))
  end)

  it("says why", function()
    assert.equal("fault", moonpost.fault.drop({ pattern = "X" }).steps.forward({ type = "receipt" }).reason)
  end)

  it("counts only envelopes of its type", function()
    local hook = moonpost.fault.drop { type = "receipt", pattern = "X." }
    assert.equal(".X..X", drops(hook, {
      { type = "message" }, { type = "receipt" }, { type = "message" }, { type = "receipt" }, { type = "receipt" },
    }))
  end)

  it("counts only envelopes to its address", function()
    local hook = moonpost.fault.drop { to = "a@b", pattern = "X" }
    assert.equal("X.", drops(hook, { { to = "a@b" }, { to = "c@d" } }))
  end)

  it("drops at a rate, the same for the same seed", function()
    local function run(seed) return drops(moonpost.fault.drop { rate = 0.5, seed = seed }, many({}, 64)) end
    assert.equal(run(7), run(7))
    assert.are_not.equal(run(7), run(8))
    local _, count = drops(moonpost.fault.drop { rate = 0.25 }, many({}, 1000)):gsub("X", "")
    assert.is_true(count > 200 and count < 300)
  end)

  it("drops nothing at rate 0, everything at rate 1", function()
    assert.equal("...", drops(moonpost.fault.drop { rate = 0 }, many({}, 3)))
    assert.equal("XXX", drops(moonpost.fault.drop { rate = 1 }, many({}, 3)))
  end)

  it("needs one of pattern and rate", function()
    assert.matches("fault%.drop: needs one of pattern and rate$", raised(moonpost.fault.drop, {}))
    assert.matches("fault%.drop: needs one of pattern and rate$", raised(moonpost.fault.drop, { pattern = "X", rate = 1 }))
  end)

  it("names what is wrong", function()
    assert.matches('fault%.drop%.pattern: "XO" is not a pattern; write X for "drop" and %. for "pass", such as "XX%."$',
      raised(moonpost.fault.drop, { pattern = "XO" }))
    assert.matches('fault%.drop%.type: expected .*, got "recipt"; did you mean "receipt"%?$',
      raised(moonpost.fault.drop, { type = "recipt", pattern = "X" }))
  end)
end)

describe("other faults", function()
  it("are hooks, too, and known as faults", function()
    for _, hook in ipairs {
      moonpost.fault.delay { by = "1s", pattern = "X" }, moonpost.fault.duplicate { rate = 1 },
      moonpost.fault.reorder { rate = 1 }, moonpost.fault.crash { at = "stored", pattern = ".X" },
      moonpost.fault.cut { link = "hub", lasts = "1s" },
    } do
      assert.equal("moonpost.hook", getmetatable(hook).__name)
      assert.is_true(hook.fault)
    end
  end)

  it("do not exist under another name", function()
    assert.matches('moonpost%.fault%.dorp: unknown; did you mean "drop"%?$',
      raised(function() return moonpost.fault.dorp end))
  end)
end)
