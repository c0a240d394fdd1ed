local test = require "moonpost.test"

local AGENT = [[
local moonpost = require "moonpost"
local kept = {}
return moonpost.agent { address = "a@x", memory = "4M", retry = { attempts = 1 }, on = { message = function(_, msg)
  local what = msg.body
  if what == "large" then return #("x"):rep(8 * 1024 ^ 2) end
  if what == "many" then
    local list = {}
    for n = 1, 1e9 do list[n] = { n } end
  end
  if what == "caught" then return (select(2, pcall(string.rep, "x", 8 * 1024 ^ 2))) end
  if what == "waste" then
    local text = ("x"):rep(1000)
    for n = 1, 20000 do text = text:sub(2) .. string.char(n % 256) end
    return #text
  end
  if what == "keep" then
    for n = 1, 1e9 do kept[n] = ("%d"):format(n):rep(100) end
  end
  return "well"
end } }]]

describe("an agent's memory", function()
  local world, file

  before_each(function()
    file = os.tmpname()
    local out = assert(io.open(file, "w"))
    out:write(AGENT)
    out:close()
    world = test.world()
    world:node "node"
    world:load(file)
  end)
  after_each(function() os.remove(file) end)

  local function call(what) return world:call("a@x", what) end

  local function fails(what)
    local result, reason, code = call(what)
    assert.is_nil(result)
    assert.equal("DEAD", code)
    assert.equal("not enough memory: the agent may use 4.0 MB (memory)", reason)
  end

  it("has an end: the message fails with a reason, and the next is handled", function()
    for _ = 1, 3 do
      fails "large"
      assert.equal("well", call "small")
      fails "many"
      assert.equal("well", call "small")
    end
  end)

  it("may be asked for too much of, as long as the handler copes", function()
    assert.equal("not enough memory", call "caught")
    assert.equal("well", call "small")
  end)

  it("is collected before its end is reached", function()
    assert.equal(1000, call "waste")
  end)

  it("that is kept for good is complained of", function()
    fails "keep"
    local said = {}
    for index, line in ipairs(world:log()) do said[index] = line.text end
    assert.truthy(table.concat(said, "\n"):find("MB of its memory of 4.0 MB for good", 1, true))
  end)
end)
