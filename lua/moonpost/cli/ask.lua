--- What commands about a node share: they ask its `$node`, over one client.
local connect = require "moonpost.cli.connect"
local errors = require "moonpost.errors"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local ask = {}

local REFUSED = 4
local ANSWERED = "at-least-once" -- whatever MOONPOST_PROFILE says
local EXITS = { BAD_VALUE = 2, TIMEOUT = 5, IN_DOUBT = 5 }

-- What the node calls a field of a request is a flag here.
local function as_flags(reason)
  return (reason:gsub("^dead%.%l+%.", "--"):gsub("^tail%.address", "ADDR"):gsub("^trace%.id", "ID"))
end

--- Flags that all of them have.
ask.NODE = { name = "node", value = "ADDR", help = "which node; else MOONPOST_NODE, else data/moonpost.sock" }
ask.JSON = { name = "json", help = "JSON, for programs" }

---@class moonpost.cli.Ask
---@field command string
---@field link moonpost.Client
local Ask = {}
Ask.__index = Ask

-- Raised through the command's own functions; caught by ask.run.
local stop = {}

--- End the command with this exit code.
function Ask.stop(_, code)
  error(setmetatable({ code = code }, stop), 0)
end

--- Say what is wrong and end.
function Ask:fail(reason, code)
  term.complain(self.command, reason)
  self:stop(code)
end

-- A node that is busy for seconds would do what is sent again a second time: it is asked once, as long as its link is
-- there.
local ONCE = { first = "1m", factor = 1 }

--- Ask for a result, or nil, reason, code, receipt.
function Ask:try(method, body)
  return self.link:call("$node", body or {}, { method = method, fail_fast = true, profile = ANSWERED, retry = ONCE })
end

--- Ask for what is answered by parts, as long as the command goes on.
function Ask:stream(method, body)
  local stream, reason, code = self.link:stream("$node", body,
    { method = method, timeout = math.huge, fail_fast = true, profile = ANSWERED })
  if not stream then self:refused(reason, code) end
  return stream
end

--- Run a function; an error object that it raises becomes its code and reason.
---@return string|nil code
---@return string|nil reason
function Ask.caught(_, work, ...)
  local ok, fault = pcall(work, ...)
  if ok then return nil end
  if not errors.is(fault) then error(fault, 0) end
  return fault.code, fault.reason
end

--- Ask for a result; a refusal ends the command.
function Ask:get(method, body)
  local result, reason, code = self:try(method, body)
  if result ~= nil then return result end
  return self:refused(reason, code)
end

--- The node has refused: say why and end.
function Ask:refused(reason, code)
  local plain = code == "NOT_FOUND" or code == "BAD_VALUE"
  return self:fail(plain and as_flags(reason) or ("%s: %s"):format(code, reason), EXITS[code] or REFUSED)
end

--- A new connection, after something that held up this process for longer than the node listens to silence.
function Ask:connect_again(flags)
  self.link:close()
  local link, why, code = connect(flags.node)
  if not link then self:fail(why, code) end
  self.link = link --[[@as moonpost.Client]]
end

local function finish(self, ok, answer)
  self.link:close()
  if ok then return answer or 0 end
  if getmetatable(answer) == stop then return answer.code end
  error(answer, 0)
end

--- Connect, do the work, answer the exit code.
---@param command string
---@param flags table
---@param work fun(self: moonpost.cli.Ask, flags: table): integer|nil
---@return integer
function ask.run(command, flags, work)
  shell.quiet()
  local link, why, code = connect(flags.node)
  if not link then
    term.complain(command, why)
    return code --[[@as integer]]
  end
  local self = setmetatable({ command = command, link = link }, Ask)
  return finish(self, pcall(work, self, flags))
end

return ask
