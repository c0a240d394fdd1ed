-- count.lua LINK: waits until nothing is on its way, and prints what there is: "sum N taken N", then what is wrong.
local moonpost = require "moonpost"

local function connect() return moonpost.client { link = arg[1], send = { first = "100ms", factor = 1, attempts = 1000 } } end

-- The node may only be starting.
local client = connect()
while not client do
  moonpost.sleep "20ms"
  client = connect()
end

local function ask(to, method, key, body)
  return assert(client:call(to, body or {}, { method = method, key = key, profile = "exactly-once", timeout = "30s" }))
end

-- All names of marks with this prefix, of both towns; and marks that are not 1.
local function marks(prefix)
  local names, wrong, count = {}, {}, 0
  for _, town in ipairs { "east@bank", "west@bank" } do
    local after = ""
    repeat
      local page = ask(town, "marks", "-", { prefix = prefix, after = after })
      for _, name in ipairs(page.names) do
        names[name:sub(#prefix + 1)] = true
        count, after = count + 1, name
      end
      for _, text in ipairs(page.wrong) do wrong[#wrong + 1] = text end
    until #page.names < 1000
  end
  return names, wrong, count
end

local function balances()
  local sum = 0
  for account = 1, 100 do
    sum = sum + ask((account <= 50 and "east" or "west") .. "@bank", "balance", tostring(account))
  end
  return sum
end

-- A transfer may be waiting for its next attempt: the sum holds when no mark came while it was taken.
local taken, given, wrong, wrong_too, count, count_too, sum, before
for _ = 1, 300 do
  before, sum = count_too, balances()
  taken, wrong, count = marks "taken/"
  given, wrong_too, count_too = marks "given/"
  if count == count_too and count == before then break end
  moonpost.sleep "100ms"
end

print(("sum %d taken %d"):format(sum, count))
for _, text in ipairs(wrong) do print("more than once: " .. text) end
for _, text in ipairs(wrong_too) do print("more than once: " .. text) end
for name in pairs(taken) do
  if not given[name] then print("taken and not given: " .. name) end
end
client:close()
