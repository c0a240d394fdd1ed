--- What a receipt promises, in words, from the settings in force on both ends.

---@class moonpost.Guarantees
---@field loss string
---@field duplicates string
---@field acknowledged string
---@field retries string
---@field scope string

---@class moonpost.ReceiptFacts
---@field profile string
---@field level string|nil
---@field owner_memory boolean the owner's store does not survive its process
---@field owner_relaxed boolean a power cut may undo the owner's last commits
---@field owner_dedup boolean
---@field owner_at_most_once boolean settled before the handler starts
---@field owner_paused boolean the mailbox was paused: it stores, and hands over nothing
---@field sender_memory boolean
---@field sender_relaxed boolean
---@field attempts number
---@field deadline number|nil seconds

local function loss(facts, ok)
  if not ok then return "not handled as far as the sender knows: the code says why" end
  if facts.profile == "at-most-once" then return "possible: sent once, kept nowhere" end
  if facts.owner_at_most_once then return "possible: the agent settles it before its handler starts" end
  if facts.level == "handled" then return "none: its handler has finished" end
  if facts.owner_memory then return "possible if the owner's process ends first: its store is memory" end
  if facts.owner_relaxed then return "possible in a power cut: the owner's store is relaxed" end
  return "none: it is on the owner's disk"
end

local function duplicates(facts)
  if facts.profile == "at-most-once" then return "none: sent once" end
  if facts.owner_at_most_once then return "none: settled before the handler starts" end
  if facts.profile == "exactly-once" then
    return "none of what the runtime commits: messages, state; what the handler does outside may happen again"
  end
  if facts.owner_dedup then return "recognised by the agent's dedup policy" end
  return "possible: the agent's dedup policy is none"
end

local ACKNOWLEDGED = {
  sent = "no: it has left the sender, nobody has answered",
  stored = "when the owner had stored it",
  handled = "when the agent had handled it",
}

local function retries(facts)
  if facts.profile == "at-most-once" then return "none" end
  local times = facts.attempts == math.huge and "without limit" or ("up to %d transmissions"):format(facts.attempts)
  local limit = facts.deadline and (", for at most %g s"):format(facts.deadline) or ""
  local memory = facts.sender_memory and ", while the sender's process lives: its store is memory"
    or facts.sender_relaxed and ", except after a power cut: the sender's store is relaxed" or ""
  return times .. limit .. memory
end

--- The five sentences.
---@param facts moonpost.ReceiptFacts
---@param ok boolean was it an ack?
---@return moonpost.Guarantees
local function guarantees(facts, ok)
  return {
    loss = loss(facts, ok),
    duplicates = duplicates(facts),
    acknowledged = ok and (ACKNOWLEDGED[facts.level] or ACKNOWLEDGED.sent) or "no: refused",
    retries = retries(facts),
    scope = "messages between nodes; not what a handler does to the outside world",
  }
end

return guarantees
