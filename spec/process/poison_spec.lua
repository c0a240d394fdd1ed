local node = require "spec.support.node"
local wire = require "spec.support.wire"

local RECEIPT = 6
local STORED, HANDLED = 2, 3
local ASK = 1
local STORE_ID = ("s"):rep(16)
local NEIGHBOURS, POISON = 1000, 1001

-- `poison` looks for a pattern where no hook is looked at, for longer than anybody waits.
local FILES = {
  ["node.lua"] = [[return require("moonpost").node { watchdog = "60ms", handle = { attempts = 2, first = "10ms", jitter = 0 } }]],
  ["agents/victim.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "victim@local", concurrency = 1024, budget = "40ms", on = { message = function(ctx, msg)
  if msg.body == "poison" then return (("a"):rep(60)):find(("a-"):rep(30) .. "b") end
  if msg.body == "long" then print("begun, attempt " .. ctx.attempt) end
  moonpost.sleep(msg.body == "long" and 20 or 0.2)
  if ctx.attempt > 1 then print("charged") end
end } }]],
  ["agents/bulk.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "bulk@local", budget = "40ms", batch = { size = 4, within = "100ms", handle = function(ctx, msgs)
  for _, msg in ipairs(msgs) do
    if msg.body == "poison" then return (("a"):rep(60)):find(("a-"):rep(30) .. "b") end
  end
  print(("handled %d on attempt %d"):format(#msgs, ctx.attempt))
end } }]],
}

describe("a handler that ends the process", function()
  local folder, running, sender

  local function start()
    running = node.start({ "run" }, folder, "listening unix:")
  end

  local function connect()
    sender = wire.connect(folder .. "/data/moonpost.sock")
    sender:send(wire.hello("spec", STORE_ID))
    sender:frame()
  end

  local function message(seq, body, flags)
    return wire.data { flags = flags, level = HANDLED, id = "m" .. seq, origin = STORE_ID .. "\0\0", to = "victim@local",
      from = "spec", lane = 77, seq = seq, base = 1, body = body }
  end

  -- Read until so many numbers have this level, or a higher one. The end of the poison may be said on this connection, too.
  local function receive(count, level)
    local seen = {}
    while count > 0 do
      local kind, payload = sender:frame()
      assert(kind, "the node has closed the connection")
      local receipt = kind == RECEIPT and wire.receipt(payload) or { first = 1, last = 0 }
      for seq = receipt.first, receipt.last do
        assert.is_false(receipt.nack and seq ~= POISON, payload)
        if not receipt.nack and receipt.level >= level and not seen[seq] then seen[seq], count = true, count - 1 end
      end
    end
  end

  -- The same messages to all neighbours.
  local function say(body, flags)
    local batch = {}
    for seq = 1, NEIGHBOURS do batch[seq] = message(seq, body, flags) end
    sender:send(table.concat(batch))
  end

  -- It is started again, and its sender is back.
  local function back()
    running:wait_for "listening unix:"
    sender:close()
    connect()
  end

  before_each(function()
    folder = node.folder(FILES)
    start()
    connect()
  end)
  after_each(function()
    sender:close()
    if running then running:stop("KILL") end
    node.remove(folder)
  end)

  it("is ended by the watchdog again and again, until its message is a dead letter; no neighbour is charged", function()
    say "well"
    receive(NEIGHBOURS, STORED)
    sender:send(message(POISON, "poison"))
    local line = running:wait_for "stuck: "
    assert.truthy(line:find("stuck: the handler of victim@local, generation 1, message m1001 has run for", 1, true), line)
    running:wait_for "was ended by signal 6 (Aborted); it is started again (1 of 5"
    running:wait_for "died with 1001 in hand; the one that ran is a suspect"
    back()
    sender:send(message(POISON, "poison")) -- it was not stored when it ran
    running:wait_for "it is started again (2 of 5"
    running:wait_for "it is started again (and charges a message for it)"
    line = running:wait_for "dead letter after 2 attempts"
    assert.truthy(line:find("the process died while this was in hand", 1, true), line)
    sender:close()
    connect()
    say("", ASK)
    receive(NEIGHBOURS, HANDLED)
    assert.is_nil(table.concat(running.said, "\n"):find("charged", 1, true))
  end)

  it("is found among the messages of a batch: they are handed over one by one, and only it is charged", function()
    local bodies = { "well", "poison", "well" }
    local function batch(flags)
      local frames = {}
      for seq, body in ipairs(bodies) do
        frames[seq] = wire.data { flags = flags, level = HANDLED, id = "b" .. seq, origin = STORE_ID .. "\0\0",
          to = "bulk@local", from = "spec", lane = 78, seq = seq, base = 1, body = flags and "" or body }
      end
      return table.concat(frames)
    end
    sender:send(batch())
    receive(#bodies, STORED)
    running:wait_for "died with 3 in hand; those that ran together are handed over one by one"
    running:wait_for "died with 1 in hand; the one that ran is a suspect"
    local line = running:wait_for "dead letter after 2 attempts"
    assert.truthy(line:find("the process died while this was in hand", 1, true), line)
    running:wait_for "handled 2 on attempt 1"
  end)

  it("is not looked for when the process is killed while its handlers wait", function()
    sender:send(message(1, "long") .. message(2, "long"))
    receive(2, STORED)
    running:stop "KILL"
    start()
    assert.truthy(table.concat(running.said, "\n"):find("died with 2 in hand; nobody is blamed", 1, true))
    for _ = 1, 2 do assert.truthy(running:wait_for("begun"):find("attempt 1", 1, true)) end
  end)
end)
