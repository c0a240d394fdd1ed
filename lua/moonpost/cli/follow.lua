--- A send whose steps are shown to whoever waits for it at a terminal.
local client = require "moonpost.client"
local moonpost = require "moonpost"
local receipt = require "moonpost.receipt"
local shell = require "moonpost.shell"
local stream = require "moonpost.stream"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local follow = {}

local function line(what, colour, reason, then_what)
  local parts = { term.styled(colour, what, "stderr"), reason and (reason:gsub("%s*\n%s*", " ")), then_what }
  term.note(table.concat(parts, "  "))
end

local SAYS = {
  retrying = function(fact)
    line(("attempt %d failed"):format(fact.attempt), "yellow", fact.reason, "retry in " .. words.wait(fact.delay))
  end,
  deferred = function(fact)
    line("not now", "yellow", fact.reason or "deferred", "again in " .. words.wait(fact.delay))
  end,
  dead = function(fact)
    local last = fact.code == "DEAD"
    line(("attempt %d %s"):format(fact.attempt, last and "failed" or "refused"), "red", fact.reason,
      last and "no attempts left" or "not tried again")
  end,
  requeued = function() line("requeued", "yellow", "its attempts count anew") end,
}

--- What the owner says of the message, when it is the node we speak to.
local function show(self, fact)
  if fact.transmission == 0 or fact.fact == "sent" then return end
  self.here = true
  self.delivered = self.delivered or fact.fact == "delivered"
  local say = SAYS[fact.fact]
  if say then say(fact) end
end

local function is_held(self)
  local status = self.link:call("$node", {}, { method = "status", fail_fast = true, profile = "at-least-once" })
  for _, mailbox in ipairs(status and status.mailboxes or {}) do
    if mailbox.address == self.to then return mailbox.paused end
  end
end

local function waits_here(self)
  if not is_held(self) then return "it waits for its turn in the mailbox" end
  return ("%s is paused: it is handed over when that is resumed"):format(self.to)
end

local ELSEWHERE = "by its owner on another node; what its attempts come to is known there"

local function show_stored(self)
  if self.delivered then return end
  line("stored", "cyan", self.here and waits_here(self) or ELSEWHERE, "waiting until it is handled")
end

--- Until the node follows what happens to the message, or says that it does not.
local function open_tail(link, id)
  local tail = client.follow(link, "$node", { id = id }, { method = "tail", timeout = math.huge, fail_fast = true,
    await = "handled", profile = "at-least-once" })
  if not tail then return nil end
  local _, kind = stream.news(tail)
  if kind == "accepted" then return tail end
  tail:close()
end

local function next_of(self)
  if not self.tail then return 2, select(2, stream.news(self.sent)) end
  return stream.news(self.tail, self.sent)
end

local function take_tail(self, kind, value)
  if kind == "part" and value then show(self, value) end
  if kind ~= "end" then return end
  self.tail:close()
  self.tail = nil
end

local function settled(self, answer)
  if self.tail then self.tail:close() end
  self.sent:close()
  receipt.new(answer)
  if answer.ok then return answer end
  return nil, answer.reason or answer.code, answer.code, answer
end

local function watch(self)
  while true do
    local place, kind, value = next_of(self)
    if place == 1 then
      take_tail(self, kind, value)
    elseif kind == "accepted" then
      show_stored(self)
    elseif kind == "end" then
      return settled(self, value)
    end
  end
end

local function is_watched(to, options)
  local weak = (options.profile or os.getenv "MOONPOST_PROFILE") == "at-most-once"
  return options.await == "handled" and not weak and to ~= "$node" and shell.isatty("stderr")
end

--- client:send, with what happens meanwhile on the terminal, when somebody sits there and waits for `handled`.
---@param link moonpost.Client
---@param to string
---@param body any
---@param options table
---@return moonpost.Receipt|nil
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt|nil refusal
function follow.send(link, to, body, options)
  if not is_watched(to, options) then return link:send(to, body, options) end
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  own.id = own.id or moonpost.id()
  local self = { link = link, to = to, tail = open_tail(link, own.id) }
  local reason, code
  self.sent, reason, code = client.follow(link, to, body, own)
  if not self.sent then return nil, reason, code end
  return watch(self)
end

return follow
