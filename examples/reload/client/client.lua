-- Sends 200 prices a second for three seconds; saves the agent anew and has it loaded again 20 times meanwhile.
local moonpost = require "moonpost"

local RELOADS, EVERY, PRICES = 20, 0.005, 30 -- prices from reload to reload

local folder = os.getenv "DEMO_FOLDER" or ".."
local file = folder .. "/agent/agents/price.lua"

local prices = assert(moonpost.client { link = os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071", window = 1024 })
local socket = os.getenv "DEMO_AGENT" or "unix:" .. folder .. "/agent/data/moonpost.sock"
local node = assert(moonpost.client { link = socket })

local function read(path)
  local opened = assert(io.open(path))
  local text = opened:read("*a")
  opened:close()
  return text
end

local function save(path, text)
  local opened = assert(io.open(path, "w"))
  assert(opened:write(text))
  opened:close()
end

local function save_version(version)
  save(file, (read(file):gsub("local version = %d+", "local version = " .. version)))
end

-- The mailbox hands each out when it is due: the pace is the node's own.
local sent = 0
local function send_ahead()
  for number = 1, PRICES do
    sent = sent + 1
    assert(prices:send("price@demo", { price = sent }, { await = "none", delay = (PRICES + number) * EVERY }))
  end
end

-- Handled when the prices that were sent ahead before begin to be due.
local function await_turn()
  assert(prices:send("price@demo", { price = 0 }, { await = "handled", delay = PRICES * EVERY }))
end

moonpost.log.info(("sending %d prices a second to price@demo"):format(1 / EVERY))
for reload = 1, RELOADS do
  send_ahead()
  await_turn()
  save_version(reload + 1)
  local answer = assert(node:call("$node", { address = "price@demo" }, { method = "reload" }))
  assert(answer.refused == 0, answer.items[1].reason)
end
await_turn()
await_turn() -- what was sent ahead of the last reload
print(("sent %d prices"):format(sent))

prices:close()
node:close()
