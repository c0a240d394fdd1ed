local manager = require "spec.support.manager"
local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[return require("moonpost").node { name = "orders" }]],
  ["agents/busy.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "busy@local", budget = "500ms", retry = { attempts = 1 },
  on = { message = function() while true do end end } }]],
}

describe("a service manager", function()
  local folder, listening, running

  local function start(words, name, more)
    local variables = { NOTIFY_SOCKET = name or folder .. "/notify" }
    for key, value in pairs(more or {}) do variables[key] = value end
    listening = manager.listen(variables.NOTIFY_SOCKET)
    running = node.start(words, folder, "listening unix:", variables)
  end

  before_each(function() folder = node.folder(FILES) end)
  after_each(function()
    if running then running:stop() end
    running = nil
    listening:close()
    node.remove(folder)
  end)

  it("is told when the node is up, and when it stops", function()
    start { "run", "--no-respawn" }
    assert.equal("READY=1\nSTATUS=node orders is up", listening:next())
    running:stop()
    running = nil
    assert.equal("STOPPING=1", listening:next())
  end)

  it("may listen at a name without a file", function()
    start({ "run", "--no-respawn" }, "@" .. folder)
    assert.matches("^READY=1\n", listening:next())
  end)

  it("is told by a sentinel too, and again by a node that its own supervisor started again", function()
    start { "sentinel" }
    assert.matches("^READY=1\n", listening:next())
    os.execute("kill -ABRT $(cat /proc/" .. running.pid .. "/task/" .. running.pid .. "/children)")
    assert.matches("^READY=1\n", listening:next())
  end)

  it("hears nothing of a node that could not start", function()
    local silent = { NOTIFY_SOCKET = folder .. "/notify" }
    start { "run", "--no-respawn" }
    assert.equal(1, (select(2, node.run({ "run", "nobody.lua" }, folder, silent))))
    running:stop()
    running = nil
    assert.matches("^READY=1\n", listening:next())
    assert.equal("STOPPING=1", listening:next())
  end)

  -- A thread sanitizer lets a budget be counted in instructions: nothing is stuck for long enough.
  if not node.executable():find("/tsan/", 1, true) then
    it("hears of the loop again and again when it watches, but not while the loop is stuck", function()
      start({ "run", "--no-respawn" }, nil, { WATCHDOG_USEC = "40000" })
      listening:wait_for "WATCHDOG=1"
      local sent = assert(io.popen(("cd %s && %s send busy@local x"):format(folder, node.executable())))
      local longest, heard = 0, manager.now()
      for _ = 1, 500 do -- 10 s of words: a loop that is never stuck fails here
        if longest >= 0.3 then break end
        assert.equal("WATCHDOG=1", listening:next())
        longest, heard = math.max(longest, manager.now() - heard), manager.now()
      end
      sent:close()
      assert.is_true(longest >= 0.3, tostring(longest))
    end)
  end

  it("hears nothing of the loop when it watches another process", function()
    start({ "run", "--no-respawn" }, nil, { WATCHDOG_USEC = "1000", WATCHDOG_PID = "1" })
    node.run({ "send", "busy@local", "x", "--await", "handled" }, folder)
    assert.matches("^READY=1\n", listening:next())
    running:stop()
    running = nil
    assert.equal("STOPPING=1", listening:next())
  end)
end)
