local engine = require "spec.support.engine"

describe("messages that one delivery hands over together", function()
  local node

  local function agent(more)
    local fields = { batch = 3, batch_within_ms = 200, concurrency = 2 }
    for name, value in pairs(more or {}) do fields[name] = value end
    node:agent("a@x", fields)
  end

  local function send(first, last, more)
    for n = first, last do node:send("a@x", "m" .. n, more) end
  end

  -- The ids of a run.
  local function ids(run)
    local found = { run.id }
    for index, other in ipairs(run.others) do found[index + 1] = other.id end
    return table.concat(found, " ")
  end

  local function runs()
    local found = {}
    for index, run in ipairs(node.runs) do found[index] = ids(run) end
    return found
  end

  local function attempts(run)
    local found = { run.attempt }
    for index, other in ipairs(run.others) do found[index + 1] = other.attempt end
    return found
  end

  before_each(function()
    node = engine.new { name = "owner" }
    agent()
  end)

  it("are one lease: a late outcome of it is void for all", function()
    agent { timeout_ms = 1000 }
    send(1, 3)
    node:advance(1000)
    assert.equal(3, #node:facts_of "retrying")
    node:finish(node.runs[1], "ACK")
    assert.equal(0, #node:facts_of "handled")
    node:advance(1000)
    assert.same({ 2, 2, 2 }, attempts(node.runs[2]))
  end)

  it("are settled in one commit, each as it is said of it", function()
    node = engine.new { name = "owner", slow = true }
    agent()
    send(1, 3)
    repeat node:advance(10) until not node:commit()
    assert.equal(3, node:kept().m)
    node:finish(node.runs[1], { "ACK", "RETRY", "REJECT" })
    node:advance(10)
    assert.is_true(node:commit())
    assert.same({ m = 2, f = 2, d = 1 }, node:kept())
  end)

  it("wait no longer than they may, and less when they are enough", function()
    send(1, 2)
    node:advance(199)
    assert.equal(0, #node.runs)
    node:advance(1)
    send(3, 6)
    assert.same({ "m1 m2", "m3 m4 m5" }, runs())
    node:finish(node.runs[1], "ACK")
    node:advance(200)
    assert.same({ "m1 m2", "m3 m4 m5", "m6" }, runs())
  end)

  it("go back without an attempt when the node stops", function()
    send(1, 3)
    node:step { kind = "STOP" }
    node:advance(100)
    node = node:restart(0)
    agent()
    node:advance(300)
    assert.same({ "m1 m2 m3" }, runs())
    assert.same({ 1, 1, 1 }, attempts(node.runs[1]))
  end)

  it("keep their attempts when the process is killed", function()
    send(1, 3)
    node:finish(node.runs[1], { "RETRY", "ACK", "RETRY" })
    node:advance(500)
    node = node:restart(1000)
    agent()
    node:advance(300)
    assert.same({ "m1 m3" }, runs())
    assert.same({ 2, 2 }, attempts(node.runs[1]))
  end)

  it("are handed over one by one, and not charged, when the process died in their handler", function()
    send(1, 4)
    node:advance(100)
    node = node:restart(0, { node.runs[1] })
    agent { concurrency = 8 }
    node:advance(500)
    assert.same({ "m1", "m2", "m3", "m4" }, runs())
    for _, run in ipairs(node.runs) do assert.equal(1, run.attempt) end
  end)

  it("are told apart then: the one that ends the process again is charged, and is a dead letter at last", function()
    local attempt = 0
    send(1, 3)
    node:advance(100)
    node = node:restart(0, { node.runs[1] })
    repeat
      agent { concurrency = 8, timeout_ms = 1e9 }
      node:advance(70000)
      local poison
      for _, run in ipairs(node.runs) do
        if run.id == "m2" then poison = run else node:finish(run, "ACK") end
      end
      if poison then
        assert.equal(0, #poison.others)
        attempt = attempt + 1
        assert.equal(attempt, poison.attempt)
        node:advance(100)
        node = node:restart(0, { poison })
      end
    until not poison
    assert.equal(5, attempt)
    node:advance(100)
    assert.equal(1, #node:letters "a@x")
    assert.equal(1, node:kept().m)
  end)

  it("are handed over behind their commit while it is not known which of them was at fault", function()
    send(1, 3)
    local lost = node.runs[1]
    node.store = {}
    node = node:restart(0, { lost })
    node.held = true
    agent()
    send(4, 6)
    node.held = true
    assert.same({}, runs())
    node:release()
    assert.same({ "m4 m5 m6" }, runs())
  end)

  -- Was: the moment for which they waited was still looked at when the links went. Seen with the sanitizer.
  it("may be waited for when the engine ends", function()
    node:guest("peer", ("p"):rep(16))
    send(1, 2)
    node:guest("other", ("o"):rep(16))
    node.core.engine_free(require("spec.support.c").ffi.gc(node.handle, nil))
  end)

  it("come in from the store, as many as are wanted", function()
    agent { batch = 1000, concurrency = 1 }
    send(1, 9000)
    node:advance(500)
    local count = 0
    while node.runs[count + 1] do
      count = count + 1
      node:finish(node.runs[count], "ACK")
      node:advance(500)
    end
    assert.equal(9, count)
    for _, run in ipairs(node.runs) do assert.equal(999, #run.others) end
  end)
end)
