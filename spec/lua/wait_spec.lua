local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local coroutines = require "moonpost.coroutines"
local errors = require "moonpost.errors"
local moonpost = require "moonpost"

-- Runs as a handler does and answers what it waited for.
local function run(body, ...)
  local waits = {}
  local answer = { ... }
  local results = { fake.run(body, function(kind, first)
    waits[#waits + 1] = kind .. " " .. tostring(first)
    return unpack(answer, 1, 2)
  end) }
  return waits, results
end

describe("waiting", function()
  before_each(function() fake.at = "handler" end)
  after_each(function() fake.reset() end)

  it("hands the runtime what is waited for", function()
    local waits = run(function() moonpost.sleep("2s") end, true)
    assert.same({ "sleep 2" }, waits)
  end)

  it("works under pcall", function()
    local waits, results = run(function() return pcall(moonpost.sleep, 1) end, true)
    assert.same({ "sleep 1" }, waits)
    assert.same({ true }, results)
  end)

  it("raises what went wrong where it waited", function()
    local fault = errors.new { code = "TIMEOUT", reason = "30 s" }
    assert.equal("TIMEOUT: 30 s", raised(run, function() moonpost.sleep(1) end, false, fault))
  end)

  it("works inside a coroutine of the script's own", function()
    local waits, results = run(function()
      local produce = coroutines.wrap(function()
        coroutines.yield("before")
        moonpost.sleep(3)
        coroutines.yield("after")
      end)
      return produce(), produce()
    end, true)
    assert.same({ "sleep 3" }, waits)
    assert.same({ "before", "after" }, results)
  end)

  it("works inside coroutines inside coroutines", function()
    local waits, results = run(function()
      local outer = coroutines.create(function()
        local inner = coroutines.create(function() moonpost.sleep(4) return "deep" end)
        return coroutines.resume(inner)
      end)
      return coroutines.resume(outer)
    end, true)
    assert.same({ "sleep 4" }, waits)
    assert.same({ true, true, "deep" }, results)
  end)

  it("is impossible in a callback of a C function, which is named", function()
    assert.equal("CANNOT_WAIT: moonpost.sleep cannot wait in a callback of gsub", raised(run, function()
      local text = string.gsub("a", "a", function() moonpost.sleep(1) end)
      return text
    end))
    assert.matches("^CANNOT_WAIT: moonpost%.sleep cannot wait in a callback of ", raised(run, function()
      table.sort({ 2, 1 }, function(left, right) moonpost.sleep(1) return left < right end)
    end))
  end)

  it("is impossible in a callback even from a coroutine inside it", function()
    assert.matches("^CANNOT_WAIT: moonpost%.sleep cannot wait in a callback of ", raised(run, function()
      local text = string.gsub("a", "a", function() coroutines.wrap(function() moonpost.sleep(1) end)() end)
      return text
    end))
  end)

  local places = { load = "while a file loads", hook = "in a hook", policy = "in a policy" }
  for place, text in pairs(places) do
    it("is impossible " .. text, function()
      fake.at = place
      assert.equal("CANNOT_WAIT: moonpost.sleep cannot wait " .. text, raised(run, function() moonpost.sleep(1) end))
    end)
  end

  it("wants a duration", function()
    assert.matches('wait_spec%.lua:%d+: moonpost%.sleep: "soon" is not a duration', raised(function()
      moonpost.sleep("soon")
    end))
  end)
end)

describe("a script's coroutines", function()
  it("pass values as usual", function()
    local co = coroutines.create(function(first)
      local second = coroutines.yield(first + 1)
      return second + 1
    end)
    assert.same({ true, 2 }, { coroutines.resume(co, 1) })
    assert.same({ true, 11 }, { coroutines.resume(co, 10) })
    assert.same({ false, "cannot resume dead coroutine" }, { coroutines.resume(co) })
  end)

  it("raise through wrap", function()
    assert.equal("broken", raised(coroutines.wrap(function() error("broken", 0) end)))
  end)

  it("do not swallow the end of the delivery", function()
    local fault = errors.new { code = "TIMEOUT", reason = "30 s", outside = true }
    assert.equal("TIMEOUT: 30 s", raised(function()
      coroutines.resume(coroutines.create(function() error(fault) end))
    end))
  end)
end)

describe("a script's pcall and xpcall", function()
  local outside = errors.new { code = "TIMEOUT", reason = "30 s", outside = true }

  it("answer as usual", function()
    assert.same({ true, 1, 2 }, { coroutines.pcall(function(...) return ... end, 1, 2) })
    assert.same({ false, "broken" }, { coroutines.pcall(error, "broken", 0) })
    assert.same({ false, "caught broken" }, { coroutines.xpcall(function(text) error(text, 0) end,
      function(fault) return "caught " .. fault end, "broken") })
  end)

  it("let the end of the delivery pass", function()
    assert.equal("TIMEOUT: 30 s", raised(coroutines.pcall, error, outside))
    assert.equal("TIMEOUT: 30 s", raised(coroutines.xpcall, function() error(outside) end, function() return "caught" end))
  end)
end)
