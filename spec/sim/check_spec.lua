local moonpost = require "moonpost"
local test = require "moonpost.test"

-- A disk that lies is what breaks promises on purpose: nobody at the node can know it.
describe("a world's check", function()
  local world

  before_each(function()
    world = test.world()
    world:node "bank"
    world:load(moonpost.agent { address = "a@bank", on = { message = function() moonpost.sleep "10s" end } })
  end)
  after_each(function() world:close() end)

  local function die_and_begin_again()
    world:crash "bank"
    world:disk("bank", "ok")
    world:restart "bank"
    world:settle()
  end

  local function broken()
    local ok, reason = pcall(world.check, world)
    assert.is_false(ok)
    return tostring(reason)
  end

  it("has nothing to say while promises are kept", function()
    world:send("a@bank", 1)
    world:check()
    die_and_begin_again()
    world:check()
  end)

  it("names a message that was confirmed, and is lost", function()
    world:disk("bank", "lying")
    local id = world:send("a@bank", 1)
    assert.equal("stored", world:receipt(id).level)
    world:check()
    die_and_begin_again()
    assert.matches(id .. " was confirmed, and is lost", broken())
  end)

  it("names it also while another message is on its way to the disk", function()
    world:disk("bank", "lying")
    local id = world:send("a@bank", 1)
    die_and_begin_again()
    world:send("a@bank", 2)
    world:settle()
    assert.matches(id .. " was confirmed, and is lost", broken())
  end)

  it("names a message that had come to its end, and is handed over again", function()
    local id = world:send("a@bank", 1, { await = "handled" })
    world:disk("bank", "lying")
    world:advance "11s"
    assert.is_true(world:receipt(id).ok)
    die_and_begin_again()
    assert.matches("at [%d.]+ s: " .. id .. " is handed over on bank after its end there", broken())
  end)

  it("goes on saying the first promise that was broken", function()
    world:disk("bank", "lying")
    world:send("a@bank", 1)
    die_and_begin_again()
    local first = broken()
    world:advance "1h"
    assert.equal(first, broken())
  end)
end)
