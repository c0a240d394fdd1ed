---@meta moonpost.inside

--- What C provides to lua/moonpost/admin.lua; scripts do not see it. Moments are epoch seconds.
---@class moonpost.inside
local inside = {}

---@return { name: string, role: string, epoch: number, started_at: number, body_max: integer, store: table }
function inside.node() end

---@return table<string, number> what the engine has counted since it started
function inside.counts() end

---@return table[] mailboxes and outboxes, see struct queue_view
function inside.queues() end

---@return table[] see struct link_view
function inside.links() end

--- Addresses that were attached over links.
---@param limit integer
---@return { address: string, link: string }[]
---@return integer how many there are
function inside.attached(limit) end

--- Dead letters, oldest first; `whole` with their message and failures.
---@param query { agent: string|nil, id: string|nil, code: string|nil, reason: string|nil, since: number|nil,
---until: number|nil, after: number|nil, limit: integer|nil, whole: boolean|nil }
---@return table[]
---@return number|nil after where to go on
function inside.letters(query) end

--- Generations of agents, also those whose last handlers have not ended.
---@return table[] see struct generation
function inside.generations() end

--- Load agents again.
---@param address string|nil nil: all
---@param dry boolean|nil load and check only
---@param unchanged boolean|nil also agents whose files have not changed
---@return table[] results, see struct reload_result
function inside.reload(address, dry, unchanged) end

--- Each fact of interest becomes a part of the answer to this request.
---@param request number
---@param pattern string|nil of addresses
---@param id string|nil of one message
---@return boolean added false: too many follow already
function inside.tail(request, pattern, id) end

--- Where the messages with this id are.
---@param id string
---@return table[] see struct trace_view
---@return number unread messages in the store only, which were not looked at
function inside.places(id) end

--- What is remembered of a message, oldest first.
---@param id string
---@return table[] see struct recent_view
---@return integer facts how many of all messages are remembered
---@return number|nil since when; nil: nothing was forgotten yet
function inside.recent(id) end

--- A dead letter goes back right after this request.
---@param request number
---@param handle string of the letter
---@param to string|nil another address
---@param body string|nil bytes instead of its own
---@param encoding "raw"|"json"|nil
---@param delay number|nil seconds: not before so long from now
function inside.requeue(request, handle, to, body, encoding, delay) end

--- A dead letter goes for ever.
---@param request number
---@param handle string of the letter
function inside.remove(request, handle) end

--- A message that nobody was handed yet is taken back; when there is none, the request is refused.
---@param request number
---@param id string
function inside.cancel(request, id) end

---@param request number
---@param address string
---@param hold "none"|"paused"|"draining"
function inside.hold(request, address, hold) end

--- The request is asked once more, with a page of what a queue holds: { items, after, outbox }.
---@param request number
---@param address string
---@param state string|nil nil: all but dead letters
---@param after number|nil only those with a later sequence
---@param limit integer at most 256
function inside.peek(request, address, state, after, limit) end

--- Messages are removed from a mailbox; then the request is asked once more, with { purged, after, last }.
---@param request number
---@param address string
---@param last number|nil only messages up to this sequence; nil: all that are there now
---@param limit integer
function inside.purge(request, address, last, limit) end

return inside
