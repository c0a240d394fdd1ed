--- `moonpost queue purge`: what waits in a mailbox goes for ever.
local confirm = require "moonpost.cli.confirm"
local json = require "moonpost.json"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local function mailbox_of(self, address)
  for _, mailbox in ipairs(self:get("status").mailboxes) do
    if mailbox.address == address then return mailbox end
  end
end

-- A little at a time; those that come meanwhile stay.
local function purge_all(self, address)
  local purged, last = 0, nil
  repeat
    local answer = self:get("purge", { address = address, ["until"] = last })
    purged, last = purged + answer.purged, answer["until"]
  until not answer.more
  return purged
end

local function note_rest(mailbox)
  local parts = {}
  if mailbox.leased > 0 then parts[1] = words.count(mailbox.leased) .. " in hand" end
  if mailbox.dead > 0 then parts[#parts + 1] = words.of(mailbox.dead, "dead letter") .. " (moonpost dlq rm)" end
  if #parts > 0 then term.note("what stays: " .. table.concat(parts, ", ")) end
end

return function(self, flags)
  local address = flags[2]
  local mailbox = mailbox_of(self, address)
  local count = mailbox and mailbox.waiting + mailbox.deferred or 0
  local question = ("Purge %s of %s, for ever?"):format(words.of(count, "message"), address)
  if count > 0 and not confirm(self, question, flags) then return end
  local purged = purge_all(self, address) -- which also says when there is no such mailbox
  if flags.json then return term.out(json.encode { address = address, purged = purged }) end
  term.out(("purged %s of %s"):format(words.of(purged, "message"), address))
  note_rest(mailbox_of(self, address) or { leased = 0, dead = 0 })
end
