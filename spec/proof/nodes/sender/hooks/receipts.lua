-- What leaves and which receipts come back, for the ledger.
local moonpost = require "moonpost"
local note = require "note"

local function said(envelope)
  if not envelope.ok then return "nack " .. envelope.ref .. " " .. tostring(envelope.code) end
  return envelope.level .. " " .. envelope.ref
end

return moonpost.hook {
  forward = function(envelope)
    if envelope.type == "message" and envelope.to:find("@proof$") then
      note(("sent %s %d"):format(envelope.id, envelope.transmission))
    end
  end,
  receive = function(envelope)
    if envelope.type == "receipt" then note(said(envelope)) end
  end,
}
