local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[
return require("moonpost").node { grace = os.getenv("GRACE") or "5s", watchdog = math.huge }]],
  ["agents/slow.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "slow@local", on = { message = function(ctx, msg)
  print("begun, attempt " .. ctx.attempt)
  if msg.body == "stuck" then return (("a"):rep(60)):find(("a-"):rep(30) .. "b") end
  moonpost.sleep(tonumber(msg.body))
  print("ended")
end } }]],
}

-- The thread sanitizer holds signals back until the next system call.
local HOLDS_SIGNALS = node.executable():find("/tsan/", 1, true)

describe("a node that is told to stop", function()
  local folder, running

  local function start(grace, words)
    running = node.start(words or { "run" }, folder, "listening unix:", { GRACE = grace })
  end

  local function send(body)
    node.run({ "send", "slow@local", body }, folder)
    return running:wait_for "begun"
  end

  local function finish()
    local said = running:finish()
    running = nil
    return said
  end

  before_each(function() folder = node.folder(FILES) end)
  after_each(function()
    if running then running:stop("KILL") end
    node.remove(folder)
  end)

  it("lets its handlers end, begins no other and leaves nothing", function()
    start()
    send "0.2"
    running:signal "TERM"
    local said = finish()
    assert.truthy(said:find("stopping: 1 in hand may end within 5.0 s", 1, true), said)
    assert.truthy(said:find("ended", 1, true), said)
    assert.is_nil(said:find("left for", 1, true))
    start()
    assert.truthy(table.concat(running.said, "\n"):find("messages 0  dead 0", 1, true))
  end)

  it("waits no longer than its grace, says what is left, and charges nothing", function()
    start "100ms"
    send "60"
    running:signal "TERM"
    local said = finish()
    assert.truthy(said:find("1 in hand did not end in time: given back, no attempt is charged", 1, true), said)
    assert.truthy(said:find("left for slow@local  waiting 1", 1, true), said)
    start()
    running:wait_for "begun, attempt 1"
  end)

  it("says what is lost with it, since it is at most once", function()
    start "100ms"
    node.run({ "send", "slow@local", "60", "--profile", "at-most-once" }, folder)
    running:wait_for "begun"
    running:signal "TERM"
    local said = finish()
    assert.truthy(said:find("left for slow@local  waiting 1  of these at most once, so lost: 1", 1, true), said)
  end)

  it("says what is lost with it, when its store is memory", function()
    start("100ms", { "run", "--store", "memory" })
    send "60"
    running:signal "TERM"
    local said = finish()
    assert.truthy(said:find("lost with this process: for slow@local  waiting 1", 1, true), said)
  end)

  it("ends at once when it is told a second time, and charges nothing", function()
    start "60s"
    send "60"
    running:signal "TERM"
    running:wait_for "stopping: 1 in hand"
    running:signal "TERM"
    local said = finish()
    assert.is_nil(said:find("left for", 1, true))
    start()
    assert.truthy(table.concat(running.said, "\n"):find("died with 1 in hand; nobody is blamed", 1, true))
    running:wait_for "begun, attempt 1"
  end)

  if not HOLDS_SIGNALS then
    it("ends at once when it is told a second time and a handler is stuck, and charges nothing", function()
      start()
      node.run({ "send", "slow@local", "1", "--delay", "50ms" }, folder)
      running:wait_for "begun"
      node.run({ "send", "slow@local", "stuck", "--delay", "50ms" }, folder)
      running:wait_for "begun"
      running:signal "INT" -- two of the same, one right after the other, may be one
      running:signal "TERM"
      finish()
      start()
      assert.truthy(table.concat(running.said, "\n"):find("nobody is blamed", 1, true))
      running:wait_for "begun, attempt 1"
    end)
  end
end)
