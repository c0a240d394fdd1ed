--- `moonpost queue pause`, `drain`, `resume`: what a mailbox takes, and what it hands over.
local json = require "moonpost.json"
local moonpost = require "moonpost"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local hold = {}

local FAILED = 1
local LOOK_EVERY = 0.2 -- seconds

local SAYS = {
  pause = { "paused", "was paused already", "; it stores what comes, until: moonpost queue resume %s" },
  resume = { "resumed", "was not held", "" },
}

local function set(verb)
  return function(self, flags)
    local answer = self:get(verb, { address = flags[2] })
    if flags.json then return term.out(json.encode(answer)) end
    local done, already, more = unpack(SAYS[verb])
    if not answer.changed then return term.out(("%s %s"):format(answer.address, already)) end
    local waiting = answer.waiting > 0 and (", %s waiting"):format(words.count(answer.waiting)) or ""
    term.out(("%s %s%s%s"):format(done, answer.address, waiting, more:format(answer.address)))
  end
end

hold.pause, hold.resume = set "pause", set "resume"

-- ---- drain ----

local function left_in(answer)
  return answer.waiting + answer.leased + answer.deferred
end

local function left_text(answer)
  local parts = {}
  if answer.leased > 0 then parts[1] = words.count(answer.leased) .. " in hand" end
  if answer.deferred > 0 then parts[#parts + 1] = words.count(answer.deferred) .. " deferred" end
  local more = #parts > 0 and (" (%s)"):format(table.concat(parts, ", ")) or ""
  return ("%s left%s"):format(words.count(left_in(answer)), more)
end

-- On a terminal one line that changes; elsewhere a line when something has changed.
local function show_progress()
  local shown
  local live = shell.isatty "stderr"
  return function(text)
    if text == shown then return end
    if live then
      io.stderr:write("\r\27[K", text or "")
    elseif text then
      term.note(text)
    end
    shown = text
  end
end

local NOBODY = "%s; no agent serves %s, so nobody handles them: start its agent, or moonpost queue purge %s"

local function wait_until_empty(self, answer)
  local progress = show_progress()
  while left_in(answer) > 0 do
    if not answer.served and answer.leased == 0 then
      self:fail(NOBODY:format(left_text(answer), answer.address, answer.address), FAILED)
    end
    progress(left_text(answer))
    moonpost.sleep(LOOK_EVERY)
    answer = self:get("drain", { address = answer.address, dry = true })
    if not answer.draining then
      progress(nil)
      self:fail(("%s is not drained any more: somebody has changed that"):format(answer.address), FAILED)
    end
  end
  progress(nil)
  return answer
end

--- Take nothing new and wait until what is there is handled.
function hold.drain(self, flags)
  local answer = self:get("drain", { address = flags[2] })
  if not flags.json then term.note(("draining %s: it takes nothing new"):format(answer.address)) end
  answer = wait_until_empty(self, answer)
  if flags.json then return term.out(json.encode(answer)) end
  term.out(("%s is empty; it takes nothing new until: moonpost queue resume %s"):format(answer.address, answer.address))
end

return hold
