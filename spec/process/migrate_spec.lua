local node = require "spec.support.node"

local HEAD = [[
return require("moonpost").agent {
  address = "count@local",
  order = "key",
]]

local FIRST = HEAD .. [[
  on = { message = function(ctx) ctx.state.n = (ctx.state.n or 0) + 1 return ctx.state end },
}
]]

local SECOND = HEAD .. [[
  version = 2,
  migrate = function(old) return { count = old.n * 10 } end,
  on = { message = function(ctx) ctx.state.count = (ctx.state.count or 0) + 1 return ctx.state end },
}
]]

local HIGHER = SECOND:gsub("migrate = [^\n]*", ""):gsub("version = 2", "version = 3")
local NOT_BY_KEY = FIRST:gsub('order = "key",', "")

describe("the state of earlier versions, in a real node's store,", function()
  local folder, running

  local function write(text)
    local file = assert(io.open(folder .. "/agents/count.lua", "w"))
    file:write(text)
    file:close()
  end

  local function start() running = node.start({ "run", "--no-respawn" }, folder, "listening unix:") end
  local function stop()
    if running then running:stop() end
    running = nil
  end
  local function call(text)
    node.says(folder, { "call", "count@local", "x", "--key", "k" }, text, 0)
  end

  before_each(function()
    folder = node.folder { ["agents/count.lua"] = FIRST }
    start()
    call '{"n":1}'
  end)
  after_each(function()
    stop()
    node.remove(folder)
  end)

  it("is brought over by a reload, and is there after a start", function()
    write(SECOND)
    node.says(folder, { "reload", "--dry" }, "count@local would be reloaded; nothing was changed", 0)
    call '{"n":2}'
    node.says(folder, { "reload" }, "count@local generation 1 -> 2", 0)
    call '{"count":21}'
    stop()
    start()
    call '{"count":22}'
  end)

  it("is brought over by a start", function()
    stop()
    write(SECOND)
    start()
    call '{"count":11}'
  end)

  it("refuses a reload, a dry one too, and a start, with the reason", function()
    local why = "version 3 has no migrate, and its state was written by version 1; add migrate = function(old, from)"
    write(HIGHER)
    node.says(folder, { "reload", "--dry" }, why, 1)
    node.says(folder, { "reload" }, why, 1)
    call '{"n":2}'
    stop()
    node.says(folder, { "run", "--no-respawn" }, "agents/count.lua: " .. why, 1)
    write(FIRST)
    start()
    call '{"n":3}'
  end)

  it("does not change its owner from keys to the agent", function()
    write(NOT_BY_KEY)
    node.says(folder, { "reload" }, 'without order = "key" its state belongs to the whole agent', 1)
    call '{"n":2}'
  end)

  it("leaves a store that has nothing to find fault with", function()
    write(SECOND)
    node.says(folder, { "reload" }, "generation 1 -> 2", 0)
    stop()
    node.says(folder, { "store", "check" }, "nothing is wrong", 0)
  end)
end)
