local moonpost = require "moonpost"
local test = require "moonpost.test"
local worlds = require "moonpost.world"
local delivery = require "spec.support.delivery"
local node = require "spec.support.node"

local PROGRAM = [[
local moonpost = require "moonpost"
local left = assert(moonpost.client { link = "left", name = "a" })
local right = assert(moonpost.client { link = "right", name = "b" })
moonpost.sleep(0.5)
assert(right:call("a@x", "x"))
left:close()
moonpost.sleep(1)
]]

describe("a program's client", function()
  local folder

  before_each(function() folder = node.folder { ["program.lua"] = PROGRAM } end)
  after_each(function() node.remove(folder) end)

  -- Was: the world dialled for a node that was gone.
  it("that is closed at the moment at which it dials again leaves nothing behind", function()
    local world, handling = test.world { seed = 1 }, nil
    world:node "left"
    world:node "right"
    delivery.agent(world, function() return moonpost.sleep(handling) or true end, { node = "right" })
    local number = worlds.exec(world.handle, "program", folder, folder .. "/program.lua", false)
    worlds.run(world.handle, 0)
    world:cut("a", "left")
    for _, fact in ipairs(delivery.facts(world, "link_down")) do
      if fact.node == "a" then handling = fact.delay - 0.5 end
    end
    world:advance(5)
    assert.same({ true, 0, "" }, { worlds.ended(world.handle, number) })
  end)
end)
