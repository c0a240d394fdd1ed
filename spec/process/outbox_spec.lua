local node = require "spec.support.node"

local AGENT = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "count@local",
  order = "strict",
  on = {
    message = function(ctx, msg)
      ctx.state[msg.id] = (ctx.state[msg.id] or 0) + 1
      return ctx.state
    end,
  },
}
]]

-- What a program says, the node has not heard.
local DEAF = [[
local moonpost = require "moonpost"
return moonpost.hook {
  receive = function(envelope)
    if envelope.type ~= "message" or envelope.to ~= "count@local" then return end
    moonpost.log.info("did not hear " .. envelope.id)
    return moonpost.drop "deaf"
  end,
}
]]

local SEND = [[
local client = assert(require("moonpost").client { name = "shop", store = "outbox" })
client:send("count@local", "x", { id = "order-1" })
print "answered"
]]

local FLUSH = [[
local client = assert(require("moonpost").client { name = "shop", store = "outbox" })
print(client:flush { timeout = "30s" })
local counts = assert(client:call("count@local", "x", { id = "order-2" }))
for id, count in require("moonpost").sorted_pairs(counts) do print(id, count) end
]]

local HOLD = [[
local client = assert(require("moonpost").client { name = "shop", store = "outbox" })
print "up"
io.stdout:flush()
require("moonpost").sleep "1h"
]]

local OPEN = [[
local name, store = ...
print(require("moonpost").client { name = name, store = store })
]]

describe("a client whose outbox is on disk", function()
  local folder, running

  local function start(ready) running = node.start({ "run" }, folder, ready or "listening unix:") end

  before_each(function()
    folder = node.folder {
      ["agents/count.lua"] = AGENT, ["send.lua"] = SEND, ["flush.lua"] = FLUSH, ["hold.lua"] = HOLD, ["open.lua"] = OPEN,
    }
  end)
  after_each(function()
    if running then running:stop() end
    running = nil
    node.remove(folder)
  end)

  it("that was killed between its send and its receipt finds it there when it starts again", function()
    os.execute("mkdir " .. folder .. "/hooks")
    local hook = folder .. "/hooks/deaf.lua"
    local file = assert(io.open(hook, "w"))
    file:write(DEAF)
    file:close()
    start()
    local program = node.start({ "exec", "send.lua" }, folder, "")
    running:wait_for "did not hear order-1"
    assert.is_nil(program:stop("KILL"):find("answered", 1, true))
    running:stop()
    os.remove(hook)
    start()
    assert.equal("true\norder-1\t1\norder-2\t1\n", (node.run({ "exec", "flush.lua" }, folder)))
    assert.equal("true\norder-1\t1\norder-2\t2\n", (node.run({ "exec", "flush.lua" }, folder)))
  end)

  it("is held by one process at a time", function()
    start()
    local program = node.start({ "exec", "hold.lua" }, folder, "up")
    local output = node.run({ "exec", "open.lua", "shop", "outbox" }, folder)
    program:stop()
    assert.matches("^nil\tanother process %(pid " .. program.pid .. "%) uses the folder outbox; .*\tBUSY\n$", output)
    assert.matches("^table", (node.run({ "exec", "open.lua", "shop", "outbox" }, folder)))
  end)

  it("keeps others from its name while it is linked", function()
    start()
    local program = node.start({ "exec", "hold.lua" }, folder, "up")
    local output = node.run({ "exec", "open.lua", "shop", "other" }, folder)
    program:stop()
    assert.matches("^nil\tanother node named \"shop\" is linked here.*\tNAME_TAKEN\n$", output)
    assert.matches("^table", (node.run({ "exec", "open.lua", "shop", "other" }, folder)))
  end)

  it("that cannot be written says so", function()
    start()
    local output = node.run({ "exec", "open.lua", "shop", "send.lua" }, folder)
    assert.matches("^nil\tcannot use the folder send.lua: .*\tDENIED\n$", output)
  end)

  it("has the name of its store when nobody gives one", function()
    start()
    local who = [[
      local moonpost = require "moonpost"
      local client = assert(moonpost.client { store = "outbox" })
      local name
      for _, link in ipairs(client:call("$node", {}, { method = "links" }).items) do name = name or link.name end
      print(name)
    ]]
    local file = assert(io.open(folder .. "/who.lua", "w"))
    file:write(who)
    file:close()
    local first = node.run({ "exec", "who.lua" }, folder)
    assert.matches("^node%-%x+\n$", first)
    assert.equal(first, (node.run({ "exec", "who.lua" }, folder)))
  end)
end)
