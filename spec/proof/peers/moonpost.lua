--- A Moonpost node with its store on disk, spoken to as PROTOCOL.md says. Answers a system for a dedup policy.
local posix = require "proof.posix"
local wire = require "spec.support.wire"

local STORED, ORIGIN = 2, ("p"):rep(16)
local WELCOME, RECEIPT, PING = 2, 6, 8

-- Its messages stay in the mailbox until there is a file `open`; then each is noted once its handler is done with it.
local AGENT = [[
local moonpost = require "moonpost"
local notes = assert(io.open("found", "a"))
local function is_open()
  local file = io.open "open"
  return file and file:close()
end
return moonpost.agent {
  address = "queue@proof", concurrency = 64, dedup = %s, timeout = "10m",
  on = { message = function(_, msg)
    while not is_open() do moonpost.sleep "20ms" end
    notes:write(msg.id, "\n")
    notes:flush()
  end },
}
]]

local function number(bytes, at, size)
  local value = 0
  for index = at, at + size - 1 do value = value * 256 + bytes:byte(index) end
  return value
end

-- The frames that have come whole.
local function frames(connection)
  return function()
    local input = connection.input
    if #input < 4 or #input < 4 + number(input, 1, 4) then return nil end
    local size = number(input, 1, 4)
    connection.input = input:sub(5 + size)
    return input:byte(5), input:sub(6, 4 + size)
  end
end

return function(dedup, words)
  local system = { name = "Moonpost", setting = "store on disk, sync commit, dedup " .. words }
  local ids, last, epoch, folder

  function system.prepare(given, executable)
    folder, ids, last, epoch = given, {}, 0, 0
    posix.write_file(folder .. "/queue.lua", AGENT:format(dedup))
    return { args = { executable, "run", "--no-respawn", "queue.lua" }, cwd = folder, output = folder .. "/log",
      env = { MOONPOST_LOG = "warn" } }, folder .. "/data/moonpost.sock"
  end

  function system.greet(connection)
    epoch = epoch + 1
    connection:say(wire.hello("producer", ORIGIN, { epoch = epoch }))
    repeat
      if not connection:turn(1) then return false end
      local kind = frames(connection)()
    until kind == WELCOME
    return true
  end

  -- The same number for the same message: a resend is recognised by it.
  function system.put(id, body)
    if not ids[id] then
      last = last + 1
      ids[id], ids[last] = last, id
    end
    return wire.data { id = id, origin = ORIGIN .. "\0\0", to = "queue@proof", from = "producer", lane = 1, seq = ids[id],
      base = 1, body = body }
  end

  function system.answers(connection, confirmed)
    for kind, payload in frames(connection) do
      if kind == PING then connection:say(wire.pong(payload)) end
      local receipt = kind == RECEIPT and wire.receipt(payload)
      for seq = receipt and receipt.first or 1, receipt and receipt.last or 0 do
        if not receipt.nack and receipt.level >= STORED then confirmed(ids[seq]) end
      end
    end
  end

  -- All has come when nothing but what is noted was in the store.
  function system.read(connection, found, executable)
    posix.write_file(folder .. "/open", "")
    repeat
      connection:turn(0.02)
      local pipe = assert(io.popen(("cd '%s' && '%s' store check --json 2>&1"):format(folder, executable)))
      local left = pipe:read "*a":match '"messages":(%d+)'
      pipe:close()
    until left == "0"
    for id in io.lines(folder .. "/found") do found(id) end
  end

  return system
end
