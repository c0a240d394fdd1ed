--- What explains a failure of a fuzz, in words: messages that were handled, or begun, twice, and agents whose senders
--- give less than they ask for.
local notes = {}

local SHOWN = 3

-- Facts after which a handler is to begin again.
local AGAIN = { retrying = true, deferred = true, requeued = true, conflicted = true }

local function times(count)
  return count == 2 and "twice" or count .. " times"
end

local function account_of(accounts, fact)
  if not accounts[fact.id] then
    accounts[fact.id] = { id = fact.id, handled = 0, begun = 0, meant = 1 }
    accounts[#accounts + 1] = accounts[fact.id]
  end
  return accounts[fact.id]
end

local function count(accounts, fact)
  local account = account_of(accounts, fact)
  if fact.fact == "handled" then account.handled = account.handled + 1 end
  if fact.fact == "delivered" then account.begun = account.begun + 1 end
  if AGAIN[fact.fact] then account.meant = account.meant + 1 end
end

local function of_account(account)
  if account.handled > 1 then
    return ("%s was handled %s: a copy that was sent again; see profile = \"exactly-once\" and dedup")
      :format(account.id, times(account.handled))
  end
  if account.begun > account.meant then
    return ("the handler of %s began %s: what it did before was not committed, outside of the node it may have "
      .. "happened"):format(account.id, times(account.begun))
  end
end

local function of_mismatch(fact)
  return ("%s: PROFILE_MISMATCH: %s"):format(fact.id, fact.reason)
end

local function is_mismatch(fact)
  return fact.code == "PROFILE_MISMATCH" and fact.reason ~= nil
end

local function shown(lines)
  if #lines <= SHOWN then return lines end
  local first = { unpack(lines, 1, SHOWN) }
  first[SHOWN + 1] = ("and %d more"):format(#lines - SHOWN)
  return first
end

--- Lines about a world that has failed; none: nothing of this happened.
---@param world moonpost.World
---@return string[]
function notes.of(world)
  local accounts, lines, told = {}, {}, {}
  for _, fact in ipairs(world:facts()) do
    if is_mismatch(fact) then
      local line = of_mismatch(fact)
      if not told[line] then lines[#lines + 1] = line end
      told[line] = true
    elseif not fact.notice then
      count(accounts, fact)
    end
  end
  local doubles = {}
  for _, account in ipairs(accounts) do doubles[#doubles + 1] = of_account(account) end
  for _, line in ipairs(shown(doubles)) do lines[#lines + 1] = line end
  return lines
end

return notes
