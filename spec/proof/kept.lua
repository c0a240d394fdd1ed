--- Which messages are in a store that nobody has open: looked at between a kill and the next start.
local c = require "spec.support.c"
local disk = require "spec.support.disk"

local kept = {}

-- Where PROTOCOL.md has the size of an id in a data frame, and the id.
local ID_SIZE, ID = 73, 89

local function id_of(value)
  local record = c.ffi.new "struct record_message"
  assert(c.status(c.core.record_message_read(c.span(value), record)) == "OK")
  local frame = c.text(record.frame)
  return frame:sub(ID, ID + frame:byte(ID_SIZE) - 1)
end

--- Their ids.
---@param folder string
---@return string[]
function kept.ids(folder)
  local ids, from, more = {}, "m", true
  local store = disk.open(folder, { read_only = true })
  while store and more do
    local page
    page, more = disk.scan(store, "m", from)
    for _, record in ipairs(page) do
      ids[#ids + 1] = id_of(record:sub(11))
      from = record:sub(1, 9) .. "\0"
    end
  end
  if store then store.engine.close(store) end
  return ids
end

return kept
