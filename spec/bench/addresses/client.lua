--- How much many destinations cost: messages go round `addresses` of them, the last of which nobody serves when `down`
--- is given. In this folder: BENCH_ADDRESSES=1024 moonpost run node.lua, and beside it
---     moonpost exec client.lua unix:data/moonpost.sock 1024 200000 [down]
local moonpost = require "moonpost"

local BODY = ("x"):rep(128)
local AHEAD = 20000 -- of what the node has handled: bounds the outbox

local link, addresses, messages, down = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4] == "down"
local client = assert(moonpost.client { link = link, window = 1000 })

local function handled()
  return assert(client:call("count@bench", ""))
end

local began = moonpost.now()
local sent, expected, seen = 0, 0, 0
while sent < messages do
  sent = sent + 1
  local n = sent % addresses + 1
  local absent = down and n == addresses
  if not absent then expected = expected + 1 end
  assert(client:send(absent and "nobody@bench" or ("a%d@bench"):format(n), BODY, { await = "none" }))
  if sent % 1000 == 0 then
    moonpost.sleep(0)
    if expected - seen > AHEAD then seen = handled() end
  end
end
while handled() < expected do moonpost.sleep "1ms" end
print(("%d addresses%s: %.0f messages/s"):format(addresses, down and ", one of them down" or "",
  expected / (moonpost.now() - began)))
client:close()
