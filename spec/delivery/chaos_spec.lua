local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local MESSAGES, SEEDS = 30, 40

-- Park and Miller's random numbers: the same run for a seed, on every machine.
local function dice(seed)
  local state = seed * 7919 % 2147483647
  return function(sides)
    state = state * 48271 % 2147483647
    return state % sides + 1
  end
end

-- One run: messages at random times, while frames are dropped and links die. Then all is well again.
local function run(seed, dedup)
  local roll = dice(seed)
  local world = delivery.chain()
  local quiet = false
  local drop = moonpost.hook {
    forward = function() if not quiet and roll(3) == 1 then return moonpost.drop "chaos" end end,
  }
  for _, node in ipairs { "hub", "owner", "client" } do world:fault(drop, { node = node }) end
  delivery.agent(world, function()
    local chance = roll(8)
    if chance == 1 then return nil, "fails" end
    if chance == 2 then return moonpost.defer("later", { delay = roll(5) }) end
    if chance == 3 then return moonpost.reject "no" end
    if chance <= 6 then moonpost.sleep(roll(4000) / 1000) end
    return "done"
  end, { dedup = dedup, concurrency = 4, timeout = 3, retry = { attempts = 3, first = 1, jitter = 0 } })
  local ids = {}
  for n = 1, MESSAGES do
    ids[n] = delivery.send(world, n, { await = "handled", timeout = "10d" })
    local other = roll(2) == 1 and "client" or "owner"
    local chance = roll(6)
    if chance == 1 then world:cut(other, "hub") end
    if chance == 2 then world:heal(other, "hub") end
    world:advance(roll(3000) / 1000)
  end
  quiet = true
  world:heal("client", "hub")
  world:heal("owner", "hub")
  world:settle()
  return world, ids
end

local function dead_ids(world)
  local found = {}
  for _, letter in ipairs(world:dead("a@x")) do
    found[letter.id] = found[letter.id] or {}
    table.insert(found[letter.id], letter.code)
  end
  return found
end

-- What is untrue of a message's end, or nil.
local function untruth(world, id, dead, once)
  local receipt = world:receipt(id)
  if not receipt then return "has no receipt" end
  local handled, delivered = #world:times(id, "handled"), #world:times(id, "delivered")
  local letters = dead[id] or {}
  if once and handled + (#letters > 0 and letters[1] ~= "IN_DOUBT" and 1 or 0) > 1 then return "ended twice" end
  if receipt.ok and handled == 0 then return "was acknowledged and never handled" end
  if receipt.ok then return nil end
  if receipt.code == "IN_DOUBT" then return #letters == 0 and "is in doubt without a dead letter" or nil end
  if receipt.code == "NO_ROUTE" or receipt.code == "UNREACHABLE" then
    return delivered > 0 and "was called undeliverable and delivered" or nil
  end
  if receipt.code == "DEAD" or receipt.code == "REJECTED" then
    return #letters == 0 and "was called dead without a dead letter" or nil
  end
  return "ended with " .. tostring(receipt.code)
end

for what, dedup in pairs { ["with a dedup policy"] = {}, ["without a dedup policy"] = "none" } do
  describe("an agent " .. what .. ", in a world in which frames are lost and links die", function()
    it("loses nothing, and every receipt is true", function()
      for seed = 1, SEEDS do
        local world, ids = run(seed, dedup)
        local dead = dead_ids(world)
        for n, id in ipairs(ids) do
          local wrong = untruth(world, id, dead, dedup ~= "none")
          if wrong then error(("seed %d: message %d %s"):format(seed, n, wrong)) end
        end
        world:close()
      end
    end)
  end)
end

describe("an at-most-once message, in a world in which frames are lost and links die", function()
  it("is never handed over twice", function()
    for seed = 1, SEEDS do
      local roll = dice(seed)
      local world = delivery.chain()
      world:fault(moonpost.fault.drop { rate = 0.3, seed = seed }, { node = "hub" })
      delivery.agent(world, function() if roll(2) == 1 then error "boom" end end)
      local ids = {}
      for n = 1, MESSAGES do
        ids[n] = delivery.send(world, n, { profile = "at-most-once" })
        if roll(4) == 1 then world:cut("client", "hub") else world:heal("client", "hub") end
        world:advance(roll(2000) / 1000)
      end
      world:settle()
      for _, id in ipairs(ids) do assert.is_true(#world:times(id, "delivered") <= 1) end
      world:close()
    end
  end)
end)
