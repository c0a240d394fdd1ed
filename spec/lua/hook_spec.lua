require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local hook = require "moonpost.hook"
local moonpost = require "moonpost"

local function step() end

describe("a hook", function()
  it("has steps and facts apart", function()
    local value = moonpost.hook { receive = step, store = step, handled = step, link_up = step }
    assert.equal("moonpost.hook", getmetatable(value).__name)
    assert.equal(1000, value.priority)
    assert.equal("pass", value.on_error)
    assert.same({ receive = step, store = step }, value.steps)
    assert.same({ handled = step, link_up = step }, value.facts)
  end)

  it("keeps its priority and what becomes of errors", function()
    local value = moonpost.hook { priority = 10, on_error = "drop" }
    assert.equal(10, value.priority)
    assert.equal("drop", value.on_error)
  end)

  it("refuses an unknown key and names the nearest", function()
    assert.matches('hook%.recieve: unknown key; did you mean "receive"%?$', raised(moonpost.hook, { recieve = step }))
  end)

  it("refuses what is no function", function()
    assert.matches("hook%.forward: expected a function, got true$", raised(moonpost.hook, { forward = true }))
  end)

  it("does not have reload, reloaded and stale yet", function()
    for _, name in ipairs { "reload", "reloaded", "stale" } do
      assert.equal(("UNSUPPORTED: hook.%s: not yet in this version"):format(name), raised(moonpost.hook, { [name] = step }))
    end
  end)
end)

describe("a drop", function()
  it("has a reason", function()
    local drop = moonpost.drop "too old"
    assert.equal("too old", drop.reason)
    assert.equal("moonpost.drop", getmetatable(drop).__name)
  end)

  it("needs a reason", function()
    assert.matches("moonpost%.drop: reason: expected a text, got nil$", raised(moonpost.drop))
  end)
end)

describe("the answer of a step", function()
  it("is pass when there is none", function()
    assert.equal("pass", hook.answer(nil))
  end)

  it("is drop with its reason", function()
    assert.same({ "drop", "too old" }, { hook.answer(moonpost.drop "too old") })
  end)

  it("is alter with new headers", function()
    assert.same({ "alter", { seen = "yes" } }, { hook.answer { headers = { Seen = "yes" } } })
  end)

  it("is alter with a new body", function()
    local kind, headers, bytes, encoding = hook.answer { body = { 1, 2 } }
    assert.equal("alter", kind)
    assert.is_nil(headers)
    assert.equal("[1,2]", bytes)
    assert.equal("json", encoding)
  end)

  it("changes headers and body only", function()
    assert.matches("answer%.to: unknown key$", raised(hook.answer, { to = "a@b" }))
    assert.matches('answer: expected a table, got "drop"$', raised(hook.answer, "drop"))
  end)
end)
