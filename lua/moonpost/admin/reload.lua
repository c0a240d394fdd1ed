--- `$node` generations, reload: which code is at work.
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"

local RELOAD = {
  address = common.ADDRESS, dry = { read = shape.boolean }, to = { not_yet = true }, reschedule = { not_yet = true },
}
local GENERATIONS = { address = common.ADDRESS }

local NEW = "; an agent whose file is new is loaded by moonpost reload without an address"

local function generations_of(name, more)
  local known, found = {}, setmetatable({}, runtime.array_mt)
  for _, generation in ipairs(inside.generations()) do
    known[generation.address] = true
    if not name or generation.address == name then found[#found + 1] = generation end
  end
  if name and #found == 0 then
    common.not_found(("no agent %s here%s%s"):format(show(name), nearest.hint(name, known), more or ""))
  end
  table.sort(found, function(left, right)
    if left.address ~= right.address then return left.address < right.address end
    return left.generation < right.generation
  end)
  return found
end

local function generations(_, given)
  local items = generations_of(common.read("generations", GENERATIONS, given).address)
  for _, item in ipairs(items) do item.refusal = item.refusal and common.cut(item.refusal) end
  return { items = items, left_out = common.shorten(items) }
end

-- With an address its agent is loaded again whether its files have changed or not.
local function reload(_, given)
  local taken = common.read("reload", RELOAD, given)
  if taken.address then generations_of(taken.address, NEW) end
  local items, refused = inside.reload(taken.address, taken.dry, taken.address ~= nil or taken.dry), 0
  for _, item in ipairs(items) do
    if item.result == "refused" then refused, item.reason = refused + 1, common.cut(item.reason) end
  end
  return { items = items, left_out = common.shorten(items), refused = refused }
end

return { generations = generations, reload = reload }
