--- `moonpost send`: messages from the command line, and what became of them.
local body_of = require "moonpost.cli.body"
local follow = require "moonpost.cli.follow"
local json = require "moonpost.json"
local message = require "moonpost.cli.message"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE = 2

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
    field("result_lost", receipt.result_lost),
    result_text(receipt),
    receipt.reason and "  " .. receipt.reason or "",
  }
end

local SHOWN = {
  "type", "ok", "code", "reason", "ref", "level", "attempt", "dup", "result", "result_lost", "retry_after",
  "guarantees",
}

local function receipt_json(receipt)
  local shown = {}
  for _, name in ipairs(SHOWN) do shown[name] = receipt[name] end
  return json.encode(shown)
end

local function exit_code(receipt)
  if receipt.ok then return 0 end
  return message.exit_code(receipt.code)
end

--- It is stored, and nothing more comes of it for now.
local function note_paused(to, receipt, as_json)
  local paused = receipt.ok and receipt.level == "stored" and receipt.facts and receipt.facts.owner_paused
  if not paused or as_json then return end
  term.note(("note: %s is paused: the message is stored, and handed over when it is resumed"):format(to))
end

local function note_lost(receipt, as_json)
  if not receipt.result_lost or as_json then return end
  term.note "note: it was handled, but its result is lost: an agent keeps results with a dedup policy"
end

--- Send one and print its receipt; answers the exit code.
local function send_one(link, to, body, options, as_json)
  local receipt, reason, code, refusal = follow.send(link, to, body, options)
  receipt = receipt or refusal or { type = "nack", ok = false, code = code, reason = reason }
  term.out(as_json and receipt_json(receipt) or receipt_line(receipt))
  note_paused(to, receipt, as_json)
  note_lost(receipt, as_json)
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

local function send_all(link, flags, options)
  local to, word = flags[1], flags[2]
  if word == "-" then return send_lines(link, to, flags, options) end
  local body, reason = body_of.read(word, flags.text)
  if reason then
    term.complain("send", reason)
    return USAGE
  end
  return send_one(link, to, body, options, flags.json)
end

return {
  name = "send",
  usage = "send ADDR BODY|-",
  summary = "a message to an agent; prints its receipt",
  details = "  BODY is JSON, else text; @FILE reads a file; with - each input line is one.",
  flags = {
    { name = "await", value = "LEVEL", help = "wait until sent, stored, or handled with the result" },
    message.FLAGS.timeout,
    message.FLAGS.method,
    message.FLAGS.key,
    message.FLAGS.id,
    message.FLAGS.header,
    { name = "delay", value = "DURATION", help = "deliver later" },
    { name = "at", value = "MOMENT", help = "deliver then: epoch seconds or 2026-01-31T09:00:00Z" },
    message.FLAGS.expires,
    message.FLAGS.profile,
    { name = "node", value = "ADDR", help = "which node; else MOONPOST_NODE, else data/moonpost.sock" },
    message.FLAGS.text,
    { name = "json", help = "the receipt as a JSON object" },
  },
  at_least = 2,
  at_most = 2,
  examples = {
    { [[moonpost send a@local '{"n":1}' --await handled]], "and print the answer" },
    { "moonpost send log@local @report.txt --text", "a file as text" },
  },
  run = message.runner("send", send_all),
}
