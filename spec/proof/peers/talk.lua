--- A connection to a server of text lines, for the small clients of the peers' comparison.
local posix = require "proof.posix"

local talk = {}

local Talk = {}
Talk.__index = Talk

local PATIENCE = 10

--- Connect to a port of 127.0.0.1 or to a socket; nil when nobody is there yet.
function talk.connect(where)
  local fd = posix.connect(where)
  return fd and setmetatable({ fd = fd, input = "", at = 1, output = "" }, Talk)
end

function Talk:say(bytes) self.output = self.output .. bytes end

--- Write and read what goes now, after waiting for at most so many seconds; false when the server is gone. What was read
--- is in `input`, all of it.
function Talk:turn(seconds)
  posix.poll({ { self.fd, posix.READ + (self.output ~= "" and posix.WRITE or 0) } }, seconds)
  local bytes = posix.receive(self.fd)
  local sent = self.output == "" and 0 or posix.send(self.fd, self.output)
  if not bytes or not sent then return false end
  self.input, self.at, self.output = self.input:sub(self.at) .. bytes, 1, self.output:sub(sent + 1)
  return true
end

local function need(self, there)
  local deadline = posix.now() + PATIENCE
  while not there() do
    if not self:turn(0.1) or posix.now() > deadline then error("the server says nothing more", 0) end
  end
end

--- The next line, without its end; waits for it.
function Talk:line()
  local last
  need(self, function()
    last = self.input:find("\r\n", self.at, true)
    return last
  end)
  local line = self.input:sub(self.at, last - 1)
  self.at = last + 2
  return line
end

--- So many bytes and the line's end behind them; waits for them.
function Talk:bytes(size)
  need(self, function() return #self.input - self.at + 1 >= size + 2 end)
  local bytes = self.input:sub(self.at, self.at + size - 1)
  self.at = self.at + size + 2
  return bytes
end

function Talk:close() posix.close(self.fd) end

return talk
