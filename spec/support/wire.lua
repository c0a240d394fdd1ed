--- The protocol of PROTOCOL.md in Lua, over a Unix socket: a client that shares nothing with the runtime.
local ffi = require "ffi"

local wire = {}

-- Specs share one Lua state, but not their modules: declare once.
if not pcall(ffi.sizeof, "struct moonpost_spec_address") then ffi.cdef [[
struct moonpost_spec_address { unsigned short family; char path[108]; };
struct moonpost_spec_time { long seconds, microseconds; };
int socket(int domain, int type, int protocol);
int connect(int fd, const void *address, unsigned size);
int setsockopt(int fd, int level, int option, const void *value, unsigned size);
long send(int fd, const void *bytes, size_t size, int flags);
long recv(int fd, void *bytes, size_t size, int flags);
int shutdown(int fd, int how);
int close(int fd);
]] end

local AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_RCVTIMEO, MSG_NOSIGNAL = 1, 1, 1, 20, 0x4000
local PATIENCE_S = 10 -- then a spec fails instead of hanging

local Connection = {}
Connection.__index = Connection

--- Connect to a node's socket.
function wire.connect(path)
  local fd = ffi.C.socket(AF_UNIX, SOCK_STREAM, 0)
  local patience = ffi.new("struct moonpost_spec_time", PATIENCE_S, 0)
  ffi.C.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, ffi.sizeof(patience))
  local address = ffi.new("struct moonpost_spec_address", { family = AF_UNIX, path = path })
  assert(ffi.C.connect(fd, address, ffi.sizeof(address)) == 0, "cannot connect to " .. path)
  return setmetatable({ fd = fd, buffer = "" }, Connection)
end

function Connection:send(bytes)
  assert(ffi.C.send(self.fd, bytes, #bytes, MSG_NOSIGNAL) == #bytes)
end

local function read_more(self)
  local chunk = ffi.new("char[65536]")
  local size = tonumber(ffi.C.recv(self.fd, chunk, 65536, 0))
  if size > 0 then self.buffer = self.buffer .. ffi.string(chunk, size) end
  return size > 0
end

local function number(bytes, at, size)
  local value = 0
  for index = at, at + size - 1 do value = value * 256 + bytes:byte(index) end
  return value
end

--- The next frame: its type and what follows it. nil: the node has closed the connection.
function Connection:frame()
  while #self.buffer < 4 or #self.buffer < 4 + number(self.buffer, 1, 4) do
    if not read_more(self) then return nil end
  end
  local size = number(self.buffer, 1, 4)
  local kind, payload = self.buffer:byte(5), self.buffer:sub(6, 4 + size)
  self.buffer = self.buffer:sub(5 + size)
  return kind, payload
end

function Connection:close()
  ffi.C.close(self.fd)
end

local function big_endian(value, size)
  local bytes = {}
  for index = size, 1, -1 do
    bytes[index] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

local function text8(text)
  return big_endian(#text, 1) .. text
end

--- A whole frame of a type.
function wire.frame(kind, payload)
  return big_endian(#payload + 1, 4) .. big_endian(kind, 1) .. payload
end

local function greeting(kind, name, store_id, more)
  more = more or {}
  return wire.frame(kind, big_endian(1, 2) .. big_endian(2, 1) .. big_endian(0, 8) .. big_endian(more.epoch or 1, 8)
    .. big_endian(more.credit or 1024, 8) .. big_endian(15000, 4) .. text8(name) .. text8(store_id))
end

--- `more`: the epoch (1) and the credit (1024).
function wire.hello(name, store_id, more)
  return greeting(1, name, store_id, more)
end

function wire.welcome(name, store_id, more)
  return greeting(2, name, store_id, more)
end

--- An address is served by who says this.
function wire.attach(address)
  return wire.frame(3, big_endian(0, 2) .. text8(address) .. big_endian(0, 2))
end

--- It is not any more; or, with a code and a reason, it is refused.
function wire.detach(address, code, reason)
  reason = reason or ""
  return wire.frame(4, big_endian(0, 1) .. big_endian(code or 0, 1) .. text8(address)
    .. big_endian(#reason, 2) .. reason)
end

--- An attach or detach that was read: its code, address and reason.
function wire.read_attach(payload)
  local size = payload:byte(3)
  return { confirmed = payload:byte(1) == 1, code = payload:byte(2), address = payload:sub(4, 3 + size),
    reason = payload:sub(6 + size) }
end

--- A frame that holds one number: credit (7), ping (8) or pong (9).
function wire.number(kind, value)
  return wire.frame(kind, big_endian(value, 8))
end

function wire.pong(ping_payload)
  return wire.frame(9, ping_payload)
end

local FOREVER = ("\255"):rep(8)

--- A data frame, at least once, waiting for `level` (2 stored, 3 handled); `flags`, `due_ms` and `remaining_ms`
--- as told.
function wire.data(fields)
  local names = { fields.id, fields.origin, fields.to, fields.from, "", "", "", "" }
  local sizes = {}
  for index, name in ipairs(names) do sizes[index] = big_endian(#name, 1) end
  return wire.frame(5, big_endian(fields.flags or 0, 1) .. big_endian(1, 1) .. big_endian(fields.level or 2, 1)
    .. big_endian(0, 1) .. big_endian(0, 1) .. big_endian(fields.transmission or 1, 2) .. big_endian(0, 2)
    .. big_endian(0, 2) .. big_endian(fields.lane, 8) .. big_endian(fields.seq, 8) .. big_endian(fields.base, 8)
    .. big_endian(0, 8) .. big_endian(fields.due_ms or 0, 8)
    .. (fields.remaining_ms and big_endian(fields.remaining_ms, 8) or FOREVER) .. big_endian(0, 8) .. table.concat(sizes)
    .. big_endian(0, 4) .. big_endian(#fields.body, 4) .. table.concat(names) .. fields.body)
end

function wire.bye()
  return wire.frame(10, "\0\0\0")
end

--- What specs look at in a data frame. The lane epoch, of 8 random bytes, stays bytes.
function wire.read_data(payload)
  local id, origin = payload:byte(68, 69)
  return { flags = payload:byte(1), transmission = number(payload, 6, 2), lane = payload:sub(12, 19),
    seq = number(payload, 20, 8), base = number(payload, 28, 8), origin = payload:sub(84 + id, 83 + id + origin) }
end

local function receipt(fields, nack, code, level)
  local lane = type(fields.lane) == "string" and fields.lane or big_endian(fields.lane, 8)
  local number_bytes = big_endian(fields.seq, 8)
  return wire.frame(6, big_endian(nack, 1) .. big_endian(code, 1) .. big_endian(level, 1) .. big_endian(0, 1)
    .. big_endian(fields.transmission or 1, 2) .. big_endian(0, 4) .. lane .. number_bytes .. number_bytes
    .. big_endian(0, 8) .. text8(fields.origin) .. text8(fields.to) .. text8(fields.id or "") .. text8("")
    .. text8("") .. big_endian(0, 2) .. big_endian(0, 4))
end

--- The receipt of a number of a lane, as its owner says it: stored, without more. A lane may be a number or its bytes.
function wire.stored(fields)
  return receipt(fields, 0, 0, 2)
end

--- The same of a number that is not accepted, for this `code`.
function wire.refused(fields)
  return receipt(fields, 1, fields.code, 0)
end

--- A receipt's payload, as far as specs look at it.
function wire.receipt(payload)
  return {
    nack = payload:byte(1) % 2 == 1, code = payload:byte(2), level = payload:byte(3),
    transmission = number(payload, 5, 2), first = number(payload, 19, 8), last = number(payload, 27, 8),
  }
end

--- The sender of a number of a lane wants no more parts.
function wire.cancel(fields)
  return wire.frame(13, big_endian(fields.lane, 8) .. big_endian(fields.seq, 8) .. text8(fields.origin) .. text8(fields.to))
end

--- A part of the answer to a number of a lane, given as its bytes.
function wire.part(fields)
  return wire.frame(11, big_endian(1, 1) .. big_endian(fields.left_out or 0, 4) .. fields.lane .. big_endian(fields.seq, 8)
    .. text8(fields.origin) .. text8(fields.to) .. big_endian(#fields.body, 4) .. fields.body)
end

--- A part's payload, as far as specs look at it.
function wire.read_part(payload)
  local origin = payload:byte(22)
  local to = payload:byte(23 + origin)
  return { left_out = number(payload, 2, 4), seq = number(payload, 14, 8), body = payload:sub(28 + origin + to) }
end

--- A bye's code and reason.
function wire.read_bye(payload)
  return payload:byte(1), payload:sub(4)
end

return wire
