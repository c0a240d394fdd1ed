--- The agent of the proofs: notes in a file of its own which message it is done with, before that is
--- committed. What it does is in the number of the message: some wait for an hour, some are rejected, some
--- raise at first.
local moonpost = require "moonpost"

local notes = assert(io.open(assert(os.getenv "PROOF_NOTES"), "a"))
local run = os.getenv "PROOF_RUN" or "0"
local gate = os.getenv "PROOF_GATE" -- while this file is there, handlers wait

local function is_closed()
  local file = gate and io.open(gate)
  if file then file:close() end
  return file ~= nil
end

local function note(number)
  notes:write(number, " ", run, "\n")
  notes:flush()
end

return moonpost.agent {
  address = "noting@local",
  concurrency = 64,
  retry = { attempts = 3, first = "10ms", jitter = 0 },
  dedup = "none",
  timeout = "1h",
  on = {
    message = function(ctx, msg)
      local number = tonumber(msg.id:match("^<m%-(%d+)>$"))
      if not number then return end
      while is_closed() do moonpost.sleep "5ms" end
      if number % 16 == 3 and not gate then return moonpost.defer("later", { delay = "1h" }) end
      if number % 16 == 5 and not gate then return moonpost.reject "no" end
      if number % 16 == 7 and ctx.attempt == 1 then error "the first attempt fails" end
      note(number)
    end,
  },
}
