--- Stands in for the private module moonpost.runtime, so that a spec of the library decides what its
--- clock, its random source and the answers to its waits are. The library is loaded anew over it; busted
--- puts back what was loaded before when the file is done.
local fake_json = require "spec.support.fake_json"

local fake = {}

local function marker()
  return newproxy(false)
end

local runtime = { WAIT = marker(), null = marker(), array_mt = {} }
fake.runtime = runtime

--- Forget everything: the clock stands at 2026-01-01T00:00:00Z, the place is a spec.
function fake.reset()
  fake.time, fake.monotonic, fake.at = 1767225600, 100, "spec"
  fake.variables = {}
  fake.randoms, fake.logs, fake.sent, fake.ids = {}, {}, {}, 0
  fake.fields, fake.policies, fake.folder = {}, nil, "."
end

function runtime.now() return fake.time end
function runtime.clock() return fake.monotonic end
function runtime.random() return table.remove(fake.randoms, 1) or 0.5 end
function runtime.place() return fake.at end
function runtime.root() return fake.folder end
function runtime.track() end
function runtime.policies() return fake.policies or { "policies/*.lua" } end
function runtime.getenv(name)
  if name:find("^MOONPOST_") then return fake.variables[name] end
  return "the node's " .. name
end

function runtime.new_id()
  fake.ids = fake.ids + 1
  return ("01J%023d"):format(fake.ids)
end

function runtime.log(level, text, fields)
  fake.logs[#fake.logs + 1] = { level = level, text = text, fields = fields }
end

runtime.json_encode = fake_json.encoder(runtime.null, runtime.array_mt, function(reason)
  error(require("moonpost.errors").new { code = "BAD_VALUE", reason = reason }, 0)
end)
runtime.json_decode = fake_json.decode

function runtime.ctx_field(_, name)
  if fake.gone then require("moonpost.errors").raise("GONE", "the delivery has ended") end
  return fake.fields[name]
end

function runtime.state_touched() return false end
function runtime.state_memo() return {} end

function runtime.ctx_send(_, send)
  local copy = {}
  for name, value in pairs(send) do copy[name] = value end
  fake.sent[#fake.sent + 1] = copy
  return runtime.new_id()
end

--- A ctx as C makes them: facts first, then verbs.
function fake.ctx(fields)
  fake.fields = fields or {}
  local verbs = require "moonpost.ctx"
  return setmetatable({}, {
    __index = function(_, name)
      local value = fake.fields[name]
      if value ~= nil then return value end
      return verbs[name]
    end,
    __newindex = getmetatable(verbs).__newindex,
  })
end

--- Run a function as the scheduler does: answer each of its waits with what `answers` says for it, a
--- function of the kind and what was yielded. Answers what the function returns; raises what it raises.
function fake.run(body, answers)
  local co = coroutine.create(body)
  local function step(ok, mark, ...)
    if not ok then error(mark, 0) end
    if coroutine.status(co) == "dead" then return mark, ... end
    assert(mark == runtime.WAIT, "a yield that is not a wait reached the runtime")
    return step(coroutine.resume(co, answers(...)))
  end
  return step(coroutine.resume(co))
end

-- Everything that is loaded must be there again at the end: busted puts back only what it finds.
local names = {}
for name in pairs(package.loaded) do
  local ours = name == "moonpost" or name:find("^moonpost%.")
  if ours and not name:find("^moonpost%.cli") then names[#names + 1] = name end
end
for _, name in ipairs(names) do package.loaded[name] = nil end
package.loaded["moonpost.runtime"] = runtime
fake.reset()
for _, name in ipairs(names) do require(name) end
return fake
