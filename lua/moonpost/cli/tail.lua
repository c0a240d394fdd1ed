--- `moonpost tail`: what happens to messages, as it happens.
local ask = require "moonpost.cli.ask"
local facts = require "moonpost.cli.facts"
local json = require "moonpost.json"
local nearest = require "moonpost.nearest"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local UNREACHED = 3

--- False: nobody reads standard output any more, which only a flush of a full buffer learns.
local function write(text)
  return io.stdout:write(text, "\n") ~= nil and io.stdout:flush() ~= nil
end

local function show_left_out(count, as_json)
  if as_json then return write(json.encode { left_out = count }) end
  return write(term.styled("yellow", ("... %s left out: they passed faster than they could be shown")
    :format(words.count(count))))
end

local function show(fact, as_json)
  return write(as_json and json.encode(fact) or facts.line(fact, true))
end

local LINKS = { link_up = true, link_down = true, link_failed = true }

local function print_all(stream, flags)
  for fact, left_out in stream do
    local open = true
    if left_out then open = show_left_out(left_out, flags.json) end
    if open and fact and (flags.links or not LINKS[fact.fact]) then open = show(fact, flags.json) end
    if not open then return stream:close() end
  end
end

-- The addresses of a node and of those that are linked to it, and how many were left out.
local function addresses_of(status)
  local names, left_out = {}, status.attached
  for _, list in ipairs { status.mailboxes, status.outboxes } do
    for _, queue in ipairs(list) do names[queue.address] = true end
  end
  for _, link in ipairs(status.links) do
    for _, address in ipairs(link.addresses or {}) do names[address], left_out = true, left_out - 1 end
  end
  for _, count in pairs(status.left_out) do left_out = left_out + count end
  return names, left_out
end

--- It may come later, so it goes on all the same.
local function note_unknown(self, address)
  if not address or address:find "[*>]" then return end
  local status = self:try "status"
  if not status then return end
  local names, left_out = addresses_of(status)
  if names[address] or left_out > 0 then return end
  term.note(("note: nobody here is called %s yet%s"):format(address, nearest.hint(address, names)))
end

local function follow(self, flags)
  note_unknown(self, flags[1])
  shell.until_signal()
  io.stdout:setvbuf "full"
  local stream = self:stream("tail", { address = flags[1] })
  local code, reason = self:caught(print_all, stream, flags)
  if shell.signalled() then return 0 end
  if code == "STREAM_BROKEN" then self:fail("the node has gone: " .. reason, UNREACHED) end
  if code then self:refused(reason, code) end
end

return {
  name = "tail",
  usage = "tail [ADDR]",
  summary = "what happens to messages, as it happens",
  details = [[
  ADDR chooses by where messages go: * stands for one segment of a name, a last > for all that follow:
  '*@local', 'order.>'. It ends at Ctrl-C, or with the node. What passes faster than it can be shown is
  left out and counted; the node never waits for this.]],
  flags = { ask.NODE, ask.JSON, { name = "links", help = "also links that come up and go; programs have one each" } },
  at_most = 1,
  examples = {
    { "moonpost tail", "everything" },
    { "moonpost tail mail@local --json", "one agent's messages, an object a line" },
  },
  run = function(flags) return ask.run("tail", flags, follow) end,
}
