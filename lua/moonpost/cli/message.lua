--- What commands that send messages share: their flags, and how these are read.
local connect = require "moonpost.cli.connect"
local nearest = require "moonpost.nearest"
local shell = require "moonpost.shell"
local show = require "moonpost.show"
local term = require "moonpost.cli.term"

local message = {}

--- Flags of each of them.
message.FLAGS = {
  timeout = { name = "timeout", value = "DURATION", help = "how long to wait (250ms, 5s, 2m, 24h, 7d); then exit 5" },
  method = { name = "method", value = "NAME", help = "for the agent's methods" },
  key = { name = "key", value = "KEY", help = "for order and state" },
  id = { name = "id", value = "ID", help = "instead of a new one" },
  header = { name = "header", value = "NAME=VALUE", many = true, help = "may come several times" },
  expires = { name = "expires", value = "DURATION", help = "nobody wants it afterwards" },
  profile = { name = "profile", value = "PROFILE", help = "at-least-once, at-most-once or exactly-once" },
  text = { name = "text", help = "the body is text, also when it looks like JSON" },
}

local LEVELS = { sent = true, stored = true, handled = true }
local MEANT = { done = "handled", finished = "handled", acked = "stored", ack = "stored", received = "stored" }

local function number_or(text)
  return text and (tonumber(text) or text)
end

local function headers_of(list)
  if not list then return nil end
  local headers = {}
  for _, word in ipairs(list) do
    local name, value = word:match("^([^=:]+)[=:]%s*(.*)$")
    if not name then return nil, ("--header: %q is not NAME=VALUE"):format(word) end
    headers[name] = value
  end
  return headers
end

local function await_reason(word)
  if word == nil or LEVELS[word] then return nil end
  if word == "none" then return "--await none: this process would end before it is sent; use sent" end
  local meant = MEANT[word] and ("; did you mean %q?"):format(MEANT[word]) or nearest.hint(word, LEVELS)
  return ("--await: %q is none of sent, stored, handled%s"):format(word, meant)
end

--- Options of a send from flags; or nil and what is wrong with them.
---@param flags table
---@return table|nil options
---@return string|nil reason
function message.options(flags)
  local headers, reason = headers_of(flags.header)
  reason = reason or await_reason(flags.await)
  if reason then return nil, reason end
  return {
    id = flags.id,
    key = flags.key,
    method = flags.method,
    headers = headers,
    delay = number_or(flags.delay),
    at = number_or(flags.at),
    expires = number_or(flags.expires),
    timeout = number_or(flags.timeout),
    profile = flags.profile,
    await = flags.await,
    fail_fast = true,
  }
end

--- What the library calls an option is a flag here.
function message.as_flags(reason)
  return (reason:gsub("options%.(%l+)", "--%1"):gsub("client%.(%l+)", "--%1"))
end

local USAGE, REFUSED, UNKNOWN = 2, 4, 5
local UNKNOWN_CODES = { TIMEOUT = true, IN_DOUBT = true }

--- The exit code for a code of the API: the message was refused, or nobody knows yet.
---@param code string
---@return integer
function message.exit_code(code)
  return UNKNOWN_CODES[code] and UNKNOWN or REFUSED
end

local function swapped_reason(name, word)
  if not word:find "^%s*[{%[]" then return nil end
  return ("%s is not an address; the address comes first: moonpost %s ADDRESS BODY"):format(show(word), name)
end

local function run(name, flags, act)
  local options, reason = message.options(flags)
  local swapped = swapped_reason(name, flags[1])
  if swapped then options, reason = nil, swapped end
  if not options then
    term.complain(name, reason)
    return USAGE
  end
  shell.quiet()
  local link, why, code = connect(flags.node)
  if not link then
    term.complain(name, why)
    return code
  end
  local exit = act(link, flags, options)
  link:close()
  return exit
end

--- The `run` of a command that sends: `act(link, flags, options)` answers the exit code. A wrong option is the user's
--- misuse of the command, not a bug of ours.
---@param name string
---@param act fun(link: moonpost.Client, flags: table, options: table): integer
---@return fun(flags: table): integer
function message.runner(name, act)
  return function(flags)
    local ok, answer = pcall(run, name, flags, act)
    if ok then return answer end
    term.complain(name, message.as_flags(tostring(answer)))
    return USAGE
  end
end

return message
