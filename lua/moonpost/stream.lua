--- What is answered by parts: each is asked for by a call, as `for` does, until nothing comes.
local errors = require "moonpost.errors"
local receipt = require "moonpost.receipt"
local wait = require "moonpost.wait"

local stream = {}

---@class moonpost.Stream
---@field result any of the whole, after its end
---@operator call(): any, integer|nil
local methods = {}
local metatable = { __name = "moonpost.stream", __index = methods }

-- The runtime's numbers, apart from the streams so that scripts do not see them; none: it is over.
local numbers = setmetatable({}, { __mode = "k" })

local function close(self)
  local number = numbers[self]
  numbers[self] = nil
  if number then wait.now("stream_close", number) end
end

--- Want no more parts; a second time changes nothing.
---@return true
function methods:close()
  close(self)
  return true
end

local function finish(self, answer)
  close(self)
  receipt.new(answer)
  if answer.ok then
    self.result = receipt.result(answer)
    return nil
  end
  error(errors.new { code = answer.code, reason = answer.reason or answer.code, ref = answer.ref }, 0)
end

--- The next part, and how many before it were left out because they were not read in time. `false` instead of a part:
--- some were left out, and no other has come since. Nothing at the end; raises when it breaks.
function metatable.__call(self)
  while numbers[self] do
    local _, kind, value, left_out = wait.now("stream_next", numbers[self])
    if kind == "part" then return value, left_out end
    if kind == "end" then return finish(self, value) end
  end
end

--- Submit a message over a client's handle; answers true and the stream, or false and what went wrong.
---@param client number
---@param message moonpost.Send
---@return boolean ok
---@return any
function stream.submit(client, message)
  local ok, number = wait.ask("client_stream", client, message)
  if not ok then return false, number end
  local self = setmetatable({}, metatable)
  numbers[self] = number
  return true, self
end

--- Wait until its owner has taken a submitted stream: nothing that happens from then on is missed. Raises when it does
--- not take it.
---@param self moonpost.Stream
---@return moonpost.Stream
function stream.opened(self)
  local _, kind, answer = wait.now("stream_next", numbers[self])
  if kind == "end" then finish(self, answer) end
  return self
end

--- Wait for news of one or two streams: which of them, and "accepted"; or "part", the part and how many were left out;
--- or "end" and the receipt.
---@param first moonpost.Stream
---@param second moonpost.Stream|nil
---@return integer place
---@return "accepted"|"part"|"end" kind
---@return any value
---@return integer|nil left_out
function stream.news(first, second)
  return wait.now("stream_next", numbers[first], second and numbers[second])
end

return stream
