-- transfer.lua LINK PREFIX SEED: asks for transfers until it is killed, with some of them under way.
local moonpost = require "moonpost"

local link, prefix, random = arg[1], arg[2], tonumber(arg[3])

local function connect() return moonpost.client {
  link = link, window = 16, send = { first = "100ms", factor = 1, attempts = 1000 },
} end

-- The node may only be starting.
local client = connect()
while not client do
  moonpost.sleep "20ms"
  client = connect()
end

local function draw(limit)
  random = random * 48271 % 2147483647
  return random % limit + 1
end

local number = 0
while true do
  number = number + 1
  local from, to = draw(100), draw(100)
  local owner = (from <= 50 and "east" or "west") .. "@bank"
  client:send(owner, { to = tostring(to), amount = draw(30) }, { id = prefix .. "." .. number, method = "transfer",
    key = tostring(from), profile = "exactly-once", await = number % 8 == 0 and "stored" or "none" })
end
