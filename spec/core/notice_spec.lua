local engine = require "spec.support.engine"

describe("a notice of a dead letter", function()
  local node

  local function agent(more)
    local fields = { has_dead = true }
    for name, value in pairs(more or {}) do fields[name] = value end
    node:agent("a@x", fields)
  end

  local function told()
    local found = {}
    for _, run in ipairs(node.runs) do
      if run.notice then found[#found + 1] = run end
    end
    return found
  end

  before_each(function()
    node = engine.new { name = "owner" }
    agent()
  end)

  it("is in the batch that buries the letter", function()
    node = engine.new { name = "owner", slow = true }
    agent { concurrency = 1 }
    node:send("a@x", "m1")
    repeat until not node:commit()
    node:finish(node.runs[1], "REJECT", "no")
    assert.same({}, node:kept())
    node:advance(10)
    assert.is_true(node:commit())
    assert.same({ m = 2, d = 1 }, { m = node:kept().m, d = node:kept().d })
  end)

  it("is handed over again after a crash, and once it is handled never again", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT", "no")
    node:advance(100)
    node = node:restart(0)
    agent()
    node:advance(100)
    assert.equal(1, #told())
    assert.same({ "m1/dead", 1 }, { told()[1].id, told()[1].attempt })
    node:finish(told()[1], "ACK")
    node:advance(100)
    assert.same({ m = 1, d = 1 }, { m = node:kept().m, d = node:kept().d })
    node = node:restart(0)
    agent()
    node:advance(100)
    assert.equal(0, #told())
  end)

  it("goes on counting its attempts after a crash, and leaves nothing when it fails for good", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT", "no")
    for _ = 1, 4 do
      node:finish(told()[#told()], "RETRY", "still no")
      node:advance(1000)
    end
    node = node:restart(0)
    agent()
    node:advance(2000)
    assert.equal(5, told()[1].attempt)
    node:finish(told()[1], "RETRY", "still no")
    node:advance(100)
    assert.equal(1, #node:letters("a@x"))
    assert.same({ m = 1, d = 1 }, { m = node:kept().m, d = node:kept().d })
    assert.matches("still no$", node:facts_of("dropped")[1].reason)
  end)

  it("comes to an agent that came after it", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT", "no")
    node:advance(100)
    node = node:restart(0)
    agent { has_dead = false }
    node:advance(100)
    assert.equal(1, #told())
  end)

  it("waits in the store when the mailbox has more than fits into memory, and is a notice still", function()
    agent { concurrency = 1 }
    for n = 1, 8300 do node:send("a@x", "m" .. n) end
    node:finish(node.runs[1], "REJECT", "no")
    for n = 2, 8300 do node:finish(node.runs[n], "ACK") end
    assert.equal(1, #told())
    assert.equal("m1/dead", told()[1].id)
    assert.equal(8301, #node.runs)
  end)

  it("has an id of its own, however long the letter's is", function()
    local long = ("i"):rep(128)
    node:send("a@x", long)
    node:finish(node.runs[1], "REJECT", "no")
    assert.matches("^i+~%d+/dead$", told()[1].id)
    assert.equal(128, #told()[1].id)
  end)
end)
