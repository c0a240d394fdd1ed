--- `moonpost send`: messages from the command line, and what became of them.
local body_of = require "moonpost.cli.body"
local connect = require "moonpost.cli.connect"
local json = require "moonpost.json"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE, REFUSED, UNKNOWN = 2, 4, 5
local UNKNOWN_CODES = { TIMEOUT = true, IN_DOUBT = true }

-- ---- what is sent ----

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

local function options_of(flags)
  local headers, reason = headers_of(flags.header)
  if reason then return nil, reason end
  if flags.await == "none" then return nil, "--await none: this process would end before it is sent; use sent" end
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

-- ---- what became of it ----

local function field(name, value)
  return value ~= nil and (" %s=%s"):format(name, tostring(value)) or ""
end

local function result_text(receipt)
  if receipt.result == nil then return "" end
  return " result=" .. json.encode(receipt.result)
end

local function receipt_line(receipt)
  local good = receipt.ok
  return table.concat {
    term.styled(good and "green" or "red", receipt.type),
    field("ok", good),
    field("code", receipt.code),
    field("level", good and receipt.level or nil),
    field("ref", receipt.ref),
    field("attempt", good and receipt.attempt or nil),
    field("dup", receipt.dup or nil),
    result_text(receipt),
    receipt.reason and "  " .. receipt.reason or "",
  }
end

local SHOWN = {
  "type", "ok", "code", "reason", "ref", "level", "attempt", "dup", "result", "retry_after", "guarantees",
}

local function receipt_json(receipt)
  local shown = {}
  for _, name in ipairs(SHOWN) do shown[name] = receipt[name] end
  return json.encode(shown)
end

local function exit_code(receipt)
  if receipt.ok then return 0 end
  return UNKNOWN_CODES[receipt.code] and UNKNOWN or REFUSED
end

--- It is stored, and nothing more comes of it for now.
local function note_paused(to, receipt, as_json)
  local paused = receipt.ok and receipt.level == "stored" and receipt.facts and receipt.facts.owner_paused
  if not paused or as_json then return end
  term.note(("note: %s is paused: the message is stored, and handed over when it is resumed"):format(to))
end

--- Send one and print its receipt; answers the exit code.
local function send_one(link, to, body, options, as_json)
  local receipt, reason, code, refusal = link:send(to, body, options)
  receipt = receipt or refusal or { type = "nack", ok = false, code = code, reason = reason }
  term.out(as_json and receipt_json(receipt) or receipt_line(receipt))
  note_paused(to, receipt, as_json)
  return exit_code(receipt)
end

--- Each line of standard input is a message.
local function send_lines(link, to, flags, options)
  local worst = 0
  while true do
    local line = shell.read_line()
    if not line then return worst end
    if line:find("%S") then
      local code = send_one(link, to, body_of.parse(line, flags.text), options, flags.json)
      worst = math.max(worst, code)
    end
  end
end

-- ---- all of it ----

local function send_all(link, to, word, flags, options)
  if word == "-" then return send_lines(link, to, flags, options) end
  local body, reason = body_of.read(word, flags.text)
  if reason then
    term.complain("send", reason)
    return USAGE
  end
  return send_one(link, to, body, options, flags.json)
end

local function run(flags)
  local options, reason = options_of(flags)
  if not options then
    term.complain("send", reason)
    return USAGE
  end
  shell.quiet()
  local link, why, code = connect(flags.node)
  if not link then
    term.complain("send", why)
    return code
  end
  local exit = send_all(link, flags[1], flags[2], flags, options)
  link:close()
  return exit
end

-- What the library calls an option is a flag here.
local function as_flags(reason)
  return (reason:gsub("options%.(%l+)", "--%1"):gsub("client%.(%l+)", "--%1"))
end

--- A wrong option is the user's misuse of this command, not a bug of ours.
local function guarded(flags)
  local ok, answer = pcall(run, flags)
  if ok then return answer end
  term.complain("send", as_flags(tostring(answer)))
  return USAGE
end

return {
  name = "send",
  usage = "send ADDR BODY|-",
  summary = "a message to an agent; prints its receipt",
  details = [[
  BODY is JSON when it parses, otherwise text; @FILE reads it from a file; with - each line of standard
  input is a message. Durations are written 250ms, 5s, 2m, 24h, 7d.]],
  flags = {
    { name = "await", value = "LEVEL", help = "wait until sent, stored or handled (handled brings the result)" },
    { name = "timeout", value = "DURATION", help = "how long to wait; then exit 5" },
    { name = "method", value = "NAME", help = "for the agent's methods" },
    { name = "key", value = "KEY", help = "for order and state" },
    { name = "id", value = "ID", help = "instead of a new one" },
    { name = "header", value = "NAME=VALUE", many = true, help = "may come several times" },
    { name = "delay", value = "DURATION", help = "deliver later" },
    { name = "at", value = "MOMENT", help = "deliver then: epoch seconds or 2026-01-31T09:00:00Z" },
    { name = "expires", value = "DURATION", help = "nobody wants it afterwards" },
    { name = "profile", value = "PROFILE", help = "at-least-once, at-most-once" },
    { name = "node", value = "ADDR", help = "which node; else MOONPOST_NODE, else data/moonpost.sock" },
    { name = "text", help = "the body is text, also when it looks like JSON" },
    { name = "json", help = "the receipt as a JSON object" },
  },
  at_least = 2,
  at_most = 2,
  examples = {
    { [[moonpost send greeter@local '{"name":"Ada"}' --await handled]], "and print what the agent answers" },
    { "moonpost send log@local @report.txt --text", "a file as text" },
  },
  run = guarded,
}
