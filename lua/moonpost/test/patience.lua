--- How long a spec waits for something in a world, and what it is told when that cannot come: who waits for what.
local errors = require "moonpost.errors"
local plan = require "moonpost.test.plan"
local worlds = require "moonpost.world"

local patience = {}

local LONGEST = 24 * 3600
local MOMENTS = 200000 -- a message every second is 86,400 a day
local SHOWN = 10

local WORDS = {
  parked = "waits for the end of another message with the same key",
  waiting = "waits for its handler, or for a link",
  leased = "is in its handler's hands, or on its way over a link",
  deferred = "is tried again later",
  awaiting = "is stored by its owner, and not handled yet",
  committing = "is being stored",
}

-- A handler's question says by its id whose it is.
local function asked_by(id)
  local asker = id:match("^(.*)/call%-%d+$")
  return asker and (" (asked by the handler of %s)"):format(asker) or ""
end

-- Nobody serves its address, as far as its node knows.
local function why(item)
  if not item.why then return "" end
  local missing = item.why:find "^no agent at" and "; load one, or fake it with world:fake" or ""
  return (" (%s%s)"):format(item.why:gsub("%?$", ""), missing)
end

local function line(item)
  return ("  %s at %s on node %s: %s%s; it %s%s"):format(item.id, item.address, item.node, item.state,
    asked_by(item.id), WORDS[item.state] or "is not finished", why(item))
end

local function list(pending)
  local lines = {}
  for index = 1, math.min(#pending, SHOWN) do lines[index] = line(pending[index]) end
  if #pending > SHOWN then lines[#lines + 1] = ("  and %d more"):format(#pending - SHOWN) end
  return table.concat(lines, "\n")
end

local function give_up(world, what, after)
  local pending = worlds.pending(world.handle)
  if #pending == 0 then errors.misuse(("%s%s no message is pending"):format(what, after)) end
  errors.misuse(("%s%s this is still pending:\n%s"):format(what, after, list(pending)))
end

--- Let time pass until `done` answers true; it is asked at every moment at which something happens. Raises with what is
--- pending when nothing is due any more, after 24 hours, or after 200,000 moments.
---@param world moonpost.World
---@param done fun(): boolean
---@param what string what stands before that: who waits
function patience.wait(world, done, what)
  local began = worlds.now(world.handle)
  for _ = 1, MOMENTS do
    if done() then return end
    local wait = plan.next(world)
    if not wait then give_up(world, what, "nothing is due any more, and") end
    if worlds.now(world.handle) - began + wait > LONGEST then give_up(world, what, "after 24 hours") end
    plan.pass(world, wait)
  end
  give_up(world, what, ("after %d moments"):format(MOMENTS))
end

return patience
