--- What commands that send messages share: their flags, and how these are read.
local nearest = require "moonpost.nearest"

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

return message
