--- A service manager for specs: the socket that NOTIFY_SOCKET names.
local ffi = require "ffi"
require "spec.support.wire" -- declares sockets

if not pcall(ffi.sizeof, "struct moonpost_spec_manager") then ffi.cdef [[
struct moonpost_spec_manager { int unused; };
struct moonpost_spec_moment { long seconds, nanoseconds; };
int bind(int fd, const void *address, unsigned size);
int clock_gettime(int clock, struct moonpost_spec_moment *moment);
]] end

local AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_RCVTIMEO, EINTR = 1, 2, 1, 20, 4
local PATIENCE_S = 10 -- then a spec fails instead of hanging
local FAMILY_BYTES = 2

local manager = {}

local Manager = {}
Manager.__index = Manager

--- Listen. `name` is as in NOTIFY_SOCKET: a path, or "@" and a name without a file.
function manager.listen(name)
  local fd = ffi.C.socket(AF_UNIX, SOCK_DGRAM, 0)
  local patience = ffi.new("struct moonpost_spec_time", PATIENCE_S, 0)
  ffi.C.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, ffi.sizeof(patience))
  local path = name:gsub("^@", "\0")
  local address = ffi.new("struct moonpost_spec_address", { family = AF_UNIX })
  ffi.copy(address.path, path, #path)
  assert(ffi.C.bind(fd, address, FAMILY_BYTES + #path) == 0, "cannot listen at " .. name)
  return setmetatable({ fd = fd }, Manager)
end

--- The next thing that it is told.
function Manager:next()
  local bytes = ffi.new("char[1024]")
  local size
  repeat
    size = tonumber(ffi.C.recv(self.fd, bytes, 1024, 0))
  until size >= 0 or ffi.errno() ~= EINTR -- a child's end interrupts
  assert(size > 0, "nothing was said for 10 s")
  return ffi.string(bytes, size)
end

--- Read until this is said; answers how often something else was.
function Manager:wait_for(text)
  local count = 0
  while self:next() ~= text do count = count + 1 end
  return count
end

--- Seconds, monotonic; a spec's own clock stands still while it does not wait.
function manager.now()
  local moment = ffi.new("struct moonpost_spec_moment")
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function Manager:close()
  ffi.C.close(self.fd)
end

return manager
