-- The part of a mailbox that waits in the store only.
local c = require "spec.support.c"
local engine = require "spec.support.engine"

local LARGE = ("x"):rep(200000)

local function of(kind, node)
  local keys = {}
  for key in pairs(node.store) do
    if key:sub(1, 1) == kind then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

describe("a message that has left memory", function()
  it("comes back once the batch that holds it was handed to the store, and not before", function()
    local node = engine.new { name = "node" }
    local handled = 0
    local function handle_all()
      while node.runs[handled + 1] do
        handled = handled + 1
        node:finish(node.runs[handled], "ACK")
      end
    end
    node:agent("a@x", { concurrency = 1 })
    node:hold(true)
    for n = 1, 80 do node:send("a@x", "m" .. n, { body = c.span(LARGE) }) end
    handle_all()
    assert.is_true(handled < 80)
    node:hold(false)
    node:advance(10)
    handle_all()
    assert.equal(80, handled)
    for n = 1, 80 do assert.equal("m" .. n, node.runs[n].id) end
  end)

  it("is set aside and said when its record is damaged by then, or gone", function()
    local node = engine.new { name = "node" }
    node:agent "a@x"
    for n = 1, 3 do node:send("a@x", "m" .. n) end
    node:advance(100)
    node = node:restart(0)
    local keys = of("m", node)
    node.store[keys[1]] = "junk"
    node.store[keys[2]] = nil
    node:agent "a@x"
    assert.equal(1, #node.runs)
    assert.equal(2, tonumber(node:counts().damaged))
    local said = node:facts_of "dropped"
    assert.matches("is damaged; it stays there", said[1].reason)
    assert.matches("is missing; it stays there", said[2].reason)
  end)
end)
