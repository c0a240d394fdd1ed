local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[return require("moonpost").node { name = "office", store = { path = "data" } }]],
  ["agents/later.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "later@local", on = { message = function() return moonpost.defer("later", { delay = "1h" }) end } }]],
}

describe("a node whose folder is taken away while it runs", function()
  local folder, running

  local function shell(command) assert(os.execute(("cd %s && %s"):format(folder, command)) == 0) end

  local function start(words) running = node.start(words or { "run" }, folder, "listening unix:") end

  local function ends_and_starts_again()
    running:wait_for("the node ended with exit code 74; it is started again (1 of 5")
    running:wait_for("listening unix:")
  end

  before_each(function()
    folder = node.folder(FILES)
  end)
  after_each(function()
    if running then running:stop() end
    running = nil
    node.remove(folder)
  end)

  it("says so, keeps what it held, and ends with 74", function()
    start()
    for _ = 1, 3 do node.run({ "send", "later@local", "x", "--await", "stored" }, folder) end
    shell "rm -rf data"
    local said = running:wait_for("data/data.mdb was removed or replaced while the node ran")
    local rescued = assert(said:match "what it held is in (data%.rescued%-[%d-]+);", said)
    ends_and_starts_again()
    running:stop()
    shell("rm -rf data && mv " .. rescued .. " data")
    start()
    local up = table.concat(running.said, "\n")
    assert.truthy(up:find("messages 3", 1, true), up)
    assert.equal(0, select(2, node.run({ "store", "check" }, folder)))
  end)

  it("does the same when another store is put in place of its own", function()
    start()
    shell "cp data/data.mdb copy && mv copy data/data.mdb"
    running:wait_for("data/data.mdb was removed or replaced while the node ran; what it held is in data.rescued-")
    ends_and_starts_again()
  end)

  it("leaves the store alone when only its lock is gone", function()
    start()
    node.run({ "send", "later@local", "x" }, folder)
    shell "rm data/moonpost.pid"
    running:wait_for("data/moonpost.pid was removed or replaced while the node ran, and with it what keeps others out")
    ends_and_starts_again()
    local said = table.concat(running.said, "\n")
    assert.truthy(said:find("messages 1", 1, true), said)
    assert.is_nil(said:find("rescued", 1, true))
  end)

  it("goes on when its store is memory, and says that nobody reaches it", function()
    start { "run", "--store", "memory" }
    shell "rm -rf data"
    running:wait_for("data/moonpost.pid was removed while the node ran: commands cannot reach it any more")
    local said = running:stop()
    running = nil
    assert.is_nil(said:find("exit code 74", 1, true))
  end)
end)
