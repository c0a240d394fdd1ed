--- A client of a node's socket for the driver of a proof: it sends, and takes the receipts that come, and never waits.
local posix = require "proof.posix"
local wire = require "spec.support.wire"

local guest = {}

local Guest = {}
Guest.__index = Guest

local WELCOME, RECEIPT, PING = 2, 6, 8
local lanes = 0

local function number(bytes, at, size)
  local value = 0
  for index = at, at + size - 1 do value = value * 256 + bytes:byte(index) end
  return value
end

--- Connect; nil when nobody is there. `heard(level or nil, code, id)` is called for each receipt.
function guest.connect(path, name, heard)
  local fd = posix.connect(path)
  if not fd then return nil end
  lanes = lanes + 1
  local store_id = (name .. ("#"):rep(16)):sub(1, 12) .. ("%04d"):format(lanes % 10000)
  local self = setmetatable({ fd = fd, heard = heard, store_id = store_id, lane = lanes, seq = 0, ids = {}, input = "",
    output = wire.hello(name .. lanes, store_id) }, Guest)
  return self
end

--- Queue a message; it leaves with `turn`.
function Guest:send(id, to, body, level)
  self.seq = self.seq + 1
  self.ids[self.seq] = id
  self.output = self.output .. wire.data { id = id, origin = self.store_id .. "\0\0", to = to, from = "driver",
    lane = self.lane, seq = self.seq, base = 1, level = level, body = body }
end

local function take(self, kind, payload)
  if kind == PING then self.output = self.output .. wire.pong(payload) end
  if kind ~= RECEIPT then return kind == WELCOME end
  local receipt = wire.receipt(payload)
  for seq = receipt.first, receipt.last do
    if self.ids[seq] then self.heard(not receipt.nack and receipt.level or nil, receipt.code, self.ids[seq]) end
  end
end

local function read(self)
  local bytes = posix.receive(self.fd)
  if not bytes then
    self.gone = true
    return
  end
  self.input = self.input .. bytes
  while #self.input >= 4 and #self.input >= 4 + number(self.input, 1, 4) do
    local size = number(self.input, 1, 4)
    local frame = self.input:sub(5, 4 + size)
    self.input = self.input:sub(5 + size)
    take(self, frame:byte(1), frame:sub(2))
  end
end

--- Read what has come and write what goes. Its node being gone is seen in `gone`.
function Guest:turn()
  if self.gone then return end
  read(self)
  if self.gone or self.output == "" then return end
  local sent = posix.send(self.fd, self.output)
  if not sent then
    self.gone = true
    return
  end
  self.output = self.output:sub(sent + 1)
end

--- For posix.poll.
function Guest:file()
  return { self.fd, posix.READ + (self.output ~= "" and posix.WRITE or 0) }
end

function Guest:close() posix.close(self.fd) end

return guest
