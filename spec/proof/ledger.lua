--- What became of every message, read from the one file that all processes append to, so that everything has one
--- order:
---
---     sent ID N            its sender transmits it for the Nth time
---     stored ID            its sender has heard that it is stored
---     handled ID           ... or handled
---     nack ID CODE         ... or refused
---     do ID ATTEMPT N      its handler begins, with transmission N
---     done ID              and is about to return
---     killed NAME          this process is gone
---     kept ID              it is in the store of the receiver, which was killed
---     looked receiver      and these were all
local ledger = {}

local Ledger = {}
Ledger.__index = Ledger

--- Nothing has happened. `plans(id)` answers what a message asks its handler to do: "d" and "r" end as dead letters.
function ledger.new(plans)
  return setmetatable({ plans = plans, messages = {}, open = {}, fed = {}, kills = 0, looks = 0, lines = 0,
    begun = 0, charged = 0, violations = {},
    counts = { messages = 0, confirmed = 0, handled = 0, duplicated = 0, dead = 0, refused = 0 } }, Ledger)
end

local function message(self, id)
  local known = self.messages[id]
  if known then return known end
  known = { id = id, sent = 0, begun = 0, done = 0, last_attempt = 0 }
  self.messages[id], self.open[id] = known, known
  self.counts.messages = self.counts.messages + 1
  return known
end

local function describe(of)
  local confirmed = of.handled and "handled" or of.stored and "stored" or of.promised and "in a durable outbox" or "no"
  return ("sent %d times, confirmed %s, refused %s, handler began %d times (last attempt %d), handled %d times%s"):format(
    of.sent, confirmed, of.refused or "no", of.begun, of.last_attempt, of.done, of.settled and ", settled before" or "")
end

--- Something that must not be.
function Ledger:violation(id, what)
  local of = self.messages[id]
  self.violations[#self.violations + 1] = ("%s %s: %s"):format(id, what, of and describe(of) or "it is not known")
end

local function is_confirmed(of) return of.stored or of.handled or of.promised end

local confirm
function confirm(self, of, level)
  if not is_confirmed(of) then self.counts.confirmed = self.counts.confirmed + 1 end
  of[level] = true
  for n = 1, self.fed[of.id] or 0 do confirm(self, message(self, of.id .. "." .. n), "promised") end
end

--- What this message's handler sends, durably and with its own end: so many messages, ID.1, ID.2 ...
function Ledger:feeds(id, count) self.fed[id] = count end

local function is_once(id) return id:find("^o") ~= nil end

-- A copy that was sent again is no fault of an agent without a dedup policy: `of.sent` and the transmission tell.
local function check_begin(self, of, transmission)
  if of.settled and (is_once(of.id) or of.settled < of.sent or of.sent <= 1) then
    return self:violation(of.id, "is handled again although it was settled")
  end
  if of.handled and (is_once(of.id) or of.sent <= 1 and transmission == 1) then
    return self:violation(of.id, "is handled again although its sender knows that it was handled")
  end
  if of.final and (is_once(of.id) or of.sent <= 1 and transmission == 1) then
    return self:violation(of.id, "is handled again although its end was on disk when its owner was killed")
  end
  local same = is_once(of.id) or (of.sent <= 1 and of.done_transmission == transmission)
  if of.done > 0 and of.done_at_kill == self.kills and same then
    self:violation(of.id, "is handled twice, and nothing was killed between")
  end
end

local LINES = {
  sent = function(_, of) of.sent = of.sent + 1 end,
  stored = function(self, of) confirm(self, of, "stored") end,
  handled = function(self, of) confirm(self, of, "handled") end,
  nack = function(self, of, code)
    of.refused = code
    self.counts.refused = self.counts.refused + 1
  end,
  ["do"] = function(self, of, attempt, transmission)
    self.begun = self.begun + 1
    check_begin(self, of, tonumber(transmission))
    if self.first_attempts_only and attempt ~= "1" then
      self.charged = self.charged + 1
      self:violation(of.id, ("begins with attempt %s, and nothing has failed"):format(attempt))
    end
    of.begun, of.last_attempt, of.transmission = of.begun + 1, tonumber(attempt), tonumber(transmission)
  end,
  kept = function(self, of) of.kept = self.looks end,
  done = function(self, of)
    of.done, of.done_at_kill, of.done_transmission = of.done + 1, self.kills, of.transmission
    local what = of.done == 1 and "handled" or "duplicated"
    self.counts[what] = self.counts[what] + 1
  end,
}

-- What was never confirmed may not have been there at all.
local function look(self)
  for _, of in pairs(self.open) do
    if of.done > 0 and (of.stored or of.handled) and of.kept ~= self.looks then of.final = true end
  end
  self.looks = self.looks + 1
end

--- Read one line.
function Ledger:line(text)
  self.lines = self.lines + 1
  local kind, id, first, second = text:match "^(%S+) ?(%S*) ?(%S*) ?(%S*)$"
  if kind == "killed" then
    self.kills = self.kills + 1
  elseif kind == "looked" then
    look(self)
  elseif LINES[kind] then
    LINES[kind](self, message(self, id), first, second)
  end
end

--- Read what has come: whole lines, and the beginning of one is kept for later.
function Ledger:take(text)
  local rest = (self.rest or "") .. text
  local last = 1
  for line, after in rest:gmatch "([^\n]*)\n()" do
    self:line(line)
    last = after
  end
  self.rest = rest:sub(last)
end

local function will_die(self, of) return self.plans(of.id):find "[dr]" ~= nil end

--- Is it at an end?
function Ledger:has_ended(id)
  local of = self.messages[id]
  if not of then return false end
  if of.done > 0 or of.letter then return true end
  return of.begun > 0 and will_die(self, of) and (self.plans(id) == "r" or of.last_attempt >= ledger.ATTEMPTS)
end

ledger.ATTEMPTS = 4 -- of a handler that always fails

--- Confirmed ones that only lack their last attempt: its handler may have been killed before it said that it begins. Then
--- the attempt is charged all the same, and the message is a dead letter.
function Ledger:almost_dead()
  local found = {}
  for _, id in ipairs(self:unfinished()) do
    if will_die(self, self.messages[id]) and self.messages[id].last_attempt == ledger.ATTEMPTS - 1 then found[#found + 1] = id end
  end
  return found
end

--- It was seen in a store that holds nothing but dead letters.
function Ledger:is_letter(id) self.messages[id].letter = true end

--- The ids that were confirmed and are not at an end.
function Ledger:unfinished()
  local found = {}
  for id, of in pairs(self.open) do
    if is_confirmed(of) and not self:has_ended(id) then found[#found + 1] = id end
  end
  table.sort(found)
  return found
end

--- All stores were looked at and hold nothing but dead letters: what was confirmed and did not end is lost. What ended is
--- settled, once its sender has heard so: one with an outbox in memory may still want to send it again. `settled` is how
--- often it was sent by then.
function Ledger:settle()
  for _, id in ipairs(self:unfinished()) do self:violation(id, "was confirmed and is lost") end
  for id, of in pairs(self.open) do
    if of.done == 0 and self:has_ended(id) then self.counts.dead = self.counts.dead + 1 end
    of.settled = self:has_ended(id) and (of.stored or of.handled) and of.sent or nil
  end
  self.open = {}
end

return ledger
