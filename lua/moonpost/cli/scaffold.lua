--- The files of a new project: text with NAME where its name is to be.
local scaffold = {}

local SETTINGS = [[
-- The node's settings, every default as a comment: say only what differs.
local moonpost = require "moonpost"

return moonpost.node {
  -- name = "orders-1",          -- who this node is; without one, a name that is kept in the store
  -- listen = {},                -- doors for other nodes: { "tcp://127.0.0.1:7071", "unix:///run/moonpost.sock" }
  -- insecure = false,           -- true: doors outside loopback, although nothing is encrypted yet
  -- links = {},                 -- nodes to link to: { "tcp://127.0.0.1:7071" }, or with everything said:
  --   { to = "tcp://127.0.0.1:7071", first = "1s", factor = 2, cap = "60s", jitter = 0.1, attempts = math.huge,
  --     stable_for = "10s", heartbeat = "15s", window = 64 },
  -- agents = { "agents/*.lua" },
  -- hooks = { "hooks/*.lua" },
  -- policies = { "policies/*.lua" },
  -- store = { path = "data", sync = "commit", max = "8G" },
  --   sync = "relaxed": a power cut may undo the last commits; store = "memory": nothing survives the process
  -- send = { attempts = 6, first = "1s", factor = 2, cap = "60s", jitter = 0.1 },
  -- handle = { attempts = 5, first = "1s", factor = 2, cap = "60s", jitter = 0.1 },
  -- outbox = { max = 100000, max_bytes = "256M" },
  -- mailbox = { max = 10000000, max_bytes = "4G" },
  -- body_max = "1M",
  -- state_max = "64K",          -- of ctx.state; at most "1M"
  -- grace = "5s",               -- how long handlers at work may take to end when the node is stopped
  -- watchdog = "10s",           -- a handler that nothing can stop ends the process after so long; math.huge: never
  -- log = { level = "info", format = "text" },
  -- production = false,         -- true: refuse faults
  -- strict = false,             -- true: refuse messages whose profile is weaker than the agent asks for
}
]]

local AGENT = [[
-- The agent NAME@local: a function gets each message; what it returns is the answer, what it raises is tried again.
local moonpost = require "moonpost"

return moonpost.agent {
  address = "NAME@local",
  retry = { attempts = 3, first = "1s" },
  on = {
    message = function(ctx, msg)
      local name = msg.body.name
      if not name then error("nobody to greet") end
      moonpost.log.info("greeting " .. name, { attempt = ctx.attempt })
      return { text = "hello " .. name }
    end,
  },
}
]]

local SPEC = [[
-- Worlds run the agent's real file in virtual time: seconds of retries take milliseconds.
local test = require "moonpost.test"

describe("NAME", function()
  local world

  before_each(function()
    world = test.world()
    world:load("agents/NAME.lua")
  end)
  after_each(function() world:close() end)

  it("answers a hello", function()
    assert.equal("hello Ada", world:call("NAME@local", { name = "Ada" }).text)
  end)

  it("tries three times, then gives up with a reason", function()
    local id = world:send("NAME@local", {}, { await = "handled" })
    world:settle()
    assert.same({ 0, 1, 3 }, world:times(id, "delivered", { round = 1 }))
    assert.matches("nobody to greet", world:dead("NAME@local")[1].reason)
  end)
end)
]]

local LUACHECK = [[
std = "luajit"
max_line_length = 120
files["spec"] = { std = "luajit+busted" }
]]

local EDITOR = [[
{
  "runtime.version": "LuaJIT",
  "workspace.library": LIBRARY,
  "workspace.checkThirdParty": false,
  "diagnostics.globals": ["describe", "it", "before_each", "after_each", "setup", "teardown"]
}
]]

--- The files in the order in which they are made: name, text, and what it is.
---@param name string of the project
---@param library string a JSON list of the folders with editor types
---@return { [1]: string, [2]: string, [3]: string }[]
function scaffold.files(name, library)
  local function filled(text) return (text:gsub("NAME", name)) end
  return {
    { "node.lua", SETTINGS, "node settings, every default shown as a comment" },
    { ("agents/%s.lua"):format(name), filled(AGENT), "a working agent" },
    { ("spec/%s_spec.lua"):format(name), filled(SPEC), "its spec, in virtual time" },
    { ".luarc.json", (EDITOR:gsub("LIBRARY", function() return library end)), "types for editors" },
    { ".luacheckrc", LUACHECK, "for luacheck" },
    { ".gitignore", "data/\n", "what a node keeps is not source" },
  }
end

return scaffold
