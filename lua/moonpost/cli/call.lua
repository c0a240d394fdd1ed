--- `moonpost call`: ask an agent, and print what it answers.
local body_of = require "moonpost.cli.body"
local json = require "moonpost.json"
local message = require "moonpost.cli.message"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE = 2

local function print_result(refusal, result)
  if refusal then
    term.complain("call", ("%s: %s%s"):format(refusal.code, refusal.reason or "", refusal.ref
      and ("  ref=%s"):format(refusal.ref) or ""))
    return message.exit_code(refusal.code)
  end
  term.out(result == nil and "null" or json.encode(result))
  return 0
end

local function read_body(word, as_text)
  if word ~= "-" then return body_of.read(word, as_text) end
  local lines, line = {}, shell.read_line()
  while line do
    lines[#lines + 1] = line
    line = shell.read_line()
  end
  return body_of.parse(table.concat(lines, "\n"), as_text)
end

local function call(link, flags, options)
  local body, why = read_body(flags[2], flags.text)
  if why then
    term.complain("call", why)
    return USAGE
  end
  local result, reason, code, refusal = link:call(flags[1], body, options)
  if code == nil then return print_result(nil, result) end
  return print_result(refusal or { code = code, reason = reason }, nil)
end

return {
  name = "call",
  usage = "call ADDR BODY",
  summary = "ask an agent; prints what it answers, as JSON",
  details = [[
  BODY is JSON when it parses, otherwise text; @FILE reads it from a file, and - from standard input. It waits 30 s,
  or as long as --timeout says; the message goes on all the same.]],
  flags = {
    message.FLAGS.timeout,
    message.FLAGS.method,
    message.FLAGS.key,
    message.FLAGS.id,
    message.FLAGS.header,
    message.FLAGS.expires,
    { name = "node", value = "ADDR", help = "which node; else MOONPOST_NODE, else data/moonpost.sock" },
    message.FLAGS.text,
    { name = "json", help = "it prints JSON with or without this" },
  },
  at_least = 2,
  at_most = 2,
  examples = {
    { [[moonpost call greeter@local '{"name":"Ada"}']], "and print what it answers" },
    { "moonpost call price@local '{}' --method quote", "one of the agent's methods" },
  },
  run = message.runner("call", call),
}
