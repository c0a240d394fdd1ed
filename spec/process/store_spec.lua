local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[
local moonpost = require "moonpost"
return moonpost.node { store = { path = "data", max = os.getenv("MAX") or "64M" } }]],
  ["agents/patient.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "patient@local",
  on = { message = function(_, msg)
    if msg.body == "now" then return "done" end
    return moonpost.defer("later", { delay = "1h" })
  end },
}]],
}

describe("a node with a store on disk", function()
  local folder, running

  local function start(words, before, variables)
    running = node.start(words or { "run" }, folder, "listening unix:", variables, before)
    return table.concat(running.said, "\n")
  end

  local function stop(signal)
    local said = running:stop(signal)
    running = nil
    return said
  end

  local function send(body, ...)
    return node.run({ "send", "patient@local", body, ... }, folder)
  end

  before_each(function() folder = node.folder(FILES) end)
  after_each(function()
    if running then stop() end
    node.remove(folder)
  end)

  it("says where it is and what is in it", function()
    assert.truthy(start():find("store data  sync commit  messages 0  dead 0", 1, true))
  end)

  it("has what it said was stored when it was killed right afterwards", function()
    start()
    for _ = 1, 3 do assert.truthy(send("later"):find("level=stored", 1, true)) end
    stop("KILL")
    assert.truthy(start():find("messages 3  dead 0", 1, true))
  end)

  it("has nothing left of what was handled, when it is stopped at once", function()
    start()
    assert.truthy(send("now", "--await", "handled"):find('result="done"', 1, true))
    stop()
    assert.truthy(start():find("messages 0  dead 0", 1, true))
  end)

  it("keeps the name that was made for it", function()
    local name = start():match("(node%-%x+) | node up")
    stop()
    assert.truthy(start():find(name .. " | node up", 1, true))
  end)

  it("promises what its store can keep", function()
    start()
    assert.truthy(send("later", "--json"):find("none: it is on the owner's disk", 1, true))
    stop()
    assert.truthy(start { "run", "--sync", "relaxed" }:find("sync relaxed (a power cut may undo", 1, true))
    assert.truthy(send("later", "--json"):find("possible in a power cut: the owner's store is relaxed", 1, true))
  end)

  it("flushes what a relaxed store has not, when it is stopped", function()
    local file = assert(io.open(folder .. "/syncs", "w+b"))
    file:setvbuf "no"
    file:write(("\0"):rep(8))
    local function syncs()
      file:seek("set", 0)
      return file:read(1):byte()
    end
    start({ "run", "--no-respawn", "--sync", "relaxed" }, nil, { MOONPOST_BENCH_SYNCS = folder .. "/syncs" })
    send("now", "--await", "handled")
    local before = syncs()
    stop()
    assert.is_true(syncs() > before)
    file:close()
  end)

  it("is chosen by a flag and by the environment, and memory too", function()
    assert.truthy(start { "run", "--store", "elsewhere" }:find("store elsewhere  sync commit", 1, true))
    stop()
    assert.truthy(start({ "run" }, nil, { MOONPOST_STORE = "memory" })
      :find("store memory (nothing survives this process)", 1, true))
    assert.truthy(send("later", "--json"):find("possible if the owner's process ends first: its store is memory", 1, true))
  end)

  it("takes no second process, and names the first", function()
    start()
    local output, code = node.run({ "run", "--no-respawn" }, folder)
    assert.truthy(output:find(("another process (pid %s) uses the folder data; stop it first"):format(running.pid), 1, true),
      output)
    assert.equal(1, code)
  end)

  it("refuses what is new when it is full, and still settles", function()
    start(nil, nil, { MAX = "1M" })
    local big, count = ("x"):rep(100000), 0
    local output
    repeat
      output = send(big)
      count = count + 1
    until output:find("nack", 1, true) or count == 20
    assert.truthy(output:find("code=STORE_FULL", 1, true), output)
    assert.truthy(output:find("the store is full", 1, true), output)
    assert.is_true(count > 5, count)
  end)

  it("says in its log that it is full", function()
    start(nil, nil, { MAX = "1M" })
    local big = ("x"):rep(100000)
    repeat until send(big):find("nack", 1, true)
    running:wait_for "the store is full: what is new is refused (STORE_FULL)"
  end)

  it("ends with 74 when a commit fails, and has confirmed nothing of it", function()
    start({ "run", "--no-respawn" }, "trap '' XFSZ && ulimit -f 1800")
    assert.truthy(send("later"):find("level=stored", 1, true))
    local body = assert(io.open(folder .. "/body", "w"))
    body:write(("x"):rep(1000000))
    body:close()
    local output = send("@" .. folder .. "/body", "--timeout", "5s")
    assert.is_nil(output:find("level=stored", 1, true))
    local said = running:finish()
    running = nil
    assert.truthy(said:find("no room left on the file system of data; make room there and start again", 1, true), said)
    assert.truthy(start():find("messages 1  dead 0", 1, true))
  end)
end)
