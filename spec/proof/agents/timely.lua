--- An agent that says what it is done with, for the proof with clocks that jump. What a message asks for is
--- in its body: `note`, `retry` (fails at first) or `defer N` (comes again N later, once).
local moonpost = require "moonpost"

local path = assert(os.getenv "PROOF_NOTES")

local function was_deferred(id)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text:find(id .. " deferred\n", 1, true) ~= nil
end

local function defer(id, delay)
  local file = assert(io.open(path, "a"))
  file:write(id, " deferred\n")
  file:close()
  moonpost.log.info("deferred " .. id)
  return moonpost.defer("later", { delay = delay })
end

return moonpost.agent {
  address = "timely@local",
  retry = { attempts = 3, first = "500ms", jitter = 0 },
  dedup = "none",
  on = {
    message = function(ctx, msg)
      local delay = msg.body:match "^defer (%w+)$"
      if delay and not was_deferred(msg.id) then return defer(msg.id, delay) end
      if msg.body == "reject" then return moonpost.reject "no" end
      if msg.body == "retry" and ctx.attempt == 1 then
        moonpost.log.info("failed " .. msg.id)
        error "the first attempt fails"
      end
      moonpost.log.info("noted " .. msg.id)
    end,
  },
}
