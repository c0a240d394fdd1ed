--- `$node` trace, tail: the life of one message, and what happens as it happens.
local common = require "moonpost.admin.common"
local errors = require "moonpost.errors"
local inside = require "moonpost.inside"
local show = require "moonpost.show"

local BYTES_MAX = 255
local REASON_SHOWN = 1000
local PLACES_SHOWN = 100

-- ---- trace ----

local TRACE = { id = { read = common.ID.read, required = true } }

local function shortened(places)
  local left_out = math.max(0, #places - PLACES_SHOWN)
  for index = #places, PLACES_SHOWN + 1, -1 do places[index] = nil end
  for _, place in ipairs(places) do
    for _, failure in ipairs(place.failures) do
      if failure.reason and #failure.reason > REASON_SHOWN then failure.reason = common.cut(failure.reason) end
    end
  end
  return left_out
end

local function trace(_, given)
  local id = common.read("trace", TRACE, given).id
  local places, unread = inside.places(id)
  local facts, remembered, since = inside.recent(id)
  return {
    id = id,
    node = inside.node().name,
    places = places,
    left_out = shortened(places),
    facts = facts,
    remembered = { facts = remembered, since = since },
    unread = unread,
  }
end

-- ---- tail ----

local function pattern(value)
  if type(value) ~= "string" then return nil, "expected a pattern of addresses, got " .. show(value) end
  if #value > BYTES_MAX then return nil, ("has %d bytes; at most %d"):format(#value, BYTES_MAX) end
  if value == "" or value:find("[%s%c]") then return nil, show(value) .. " is no pattern of addresses" end
  if value:find(">.") then return nil, show(value) .. ': ">" stands at the end only' end
  if value:find("[^.@]>$") then return nil, show(value) .. ': ">" stands for whole segments: "order.>"' end
  for segment in value:gmatch("[^.@]+") do
    if segment:find("*", 1, true) and segment ~= "*" then
      return nil, show(value) .. ': "*" stands for a whole segment: "*@local"'
    end
  end
  return value
end

local TAIL = { address = { read = pattern }, id = common.ID }

-- What it answers is told at the end only; until then come parts, a fact each.
local function tail(request, given)
  local taken = common.read("tail", TAIL, given)
  if not inside.tail(request, taken.address, taken.id) then
    errors.raise("BUSY", "too many follow what happens here already")
  end
  return {}
end

return { trace = trace, tail = tail }
