--- Fakes: agents of a world that answer as a script says, and keep what they were asked.
local agent = require "moonpost.agent"
local errors = require "moonpost.errors"
local made = require "moonpost.test.made"
local nearest = require "moonpost.nearest"
local outcome = require "moonpost.outcome"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local wait = require "moonpost.wait"
local worlds = require "moonpost.world"

local fake = {}

---@class moonpost.Fake
---@field address string
---@field requests moonpost.Message[] what it was asked, in order
local Fake = {}
local metatable = { __name = "moonpost.fake" }

local NAMES = { address = true, requests = true, plays = true }

function metatable.__index(_, name)
  if Fake[name] then return Fake[name] end
  errors.misuse(("fake.%s: unknown%s"):format(tostring(name), nearest.hint(name, NAMES)))
end

local SECONDS = 30 -- for each request: long enough to be a timeout of who asks
local FORMS = '"ok", "timeout", an HTTP status, { reply = }, { error =, code = } or a function of the request'

-- ---- entries of a script: each becomes a function of the request ----

local WORDS = {
  ok = function() end,
  timeout = function() wait.now("sleep", 2 * SECONDS) end,
}

local ERROR = {
  error = { read = shape.string(1000), required = true },
  code = { read = shape.string(64), default = "REJECTED" },
}
local REPLY = { reply = {} }

local function status(value)
  if value % 1 ~= 0 or value < 100 or value > 599 then return nil, show(value) .. " is no HTTP status" end
  if value < 400 then return function() return { status = value } end end
  return function() return outcome.reject("HTTP " .. value, { code = "HTTP_" .. value }) end
end

local function from_table(value)
  local taken, reason = shape.read(value.error ~= nil and ERROR or REPLY, value)
  if not taken then return nil, reason end
  if not taken.error then return function() return taken.reply end end
  outcome.reject(taken.error, { code = taken.code }) -- what is wrong with it shows now
  outcome.take()
  return function() return outcome.reject(taken.error, { code = taken.code }) end
end

local function entry(value)
  if type(value) == "function" then return value end
  if type(value) == "number" then return status(value) end
  if type(value) == "table" then return from_table(value) end
  if WORDS[value] then return WORDS[value] end
  return nil, ("expected %s, got %s"):format(FORMS, show(value))
end

local function read_entry(value, place)
  local play, reason = entry(value)
  if not play then shape.refuse("world:fake: script" .. place, reason) end
  return play
end

local function is_list(script)
  return type(script) == "table" and (script[1] ~= nil or script.rest ~= nil)
end

-- What is played in order, and what is played from then on. A single entry is for all requests.
local function read(script)
  if not is_list(script) then return {}, read_entry(script == nil and "ok" or script, "") end
  local steps = {}
  for key in pairs(script) do
    if key ~= "rest" and type(key) ~= "number" then
      errors.misuse(("world:fake: script.%s: a list of entries has nothing but them and rest"):format(tostring(key)))
    end
  end
  for index, value in ipairs(script) do steps[index] = read_entry(value, "[" .. index .. "]") end
  return steps, read_entry(script.rest == nil and "ok" or script.rest, ".rest")
end

--- Play another script from the next request on.
---@param script any
function Fake:plays(script)
  self.steps, self.rest = read(script)
  self.at = 0
end

local function answer(self, msg)
  self.requests[#self.requests + 1] = msg
  self.at = self.at + 1
  return (self.steps[self.at] or self.rest)(msg)
end

---@class moonpost.World
local World = {}

--- An agent that answers as a script says: a list that is played in order, then its `rest` (default "ok"), or one entry
--- for all requests. An entry is "ok", "timeout", an HTTP status, { reply = }, { error =, code = } or a function of the
--- request that answers as a handler does. Each request is answered once: a fake does not retry.
---@param address string
---@param script any
---@param options { node: string|nil }|nil
---@return moonpost.Fake
function World:fake(address, script, options)
  made.first(self)
  local made_fake = setmetatable({ address = address, requests = {} }, metatable)
  made_fake:plays(script)
  self:load(agent.new {
    address = address,
    concurrency = 1024,
    timeout = SECONDS,
    retry = { attempts = 1 },
    on = { message = function(_, msg) return answer(made_fake, msg) end },
  }, options)
  worlds.run(self.handle, 0)
  return made_fake
end

--- Give a world these methods.
---@param methods moonpost.World
function fake.add(methods)
  for name, method in pairs(World) do methods[name] = method end
end

return fake
