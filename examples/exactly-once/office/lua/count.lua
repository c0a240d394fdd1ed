-- What ledger and audit log are asked for. Answers when there are so many lines; until then the question waits, at no
-- attempt.
local moonpost = require "moonpost"

return function(ctx, msg)
  local lines = ctx.kv:get(msg.body.run .. "/lines") or 0
  if lines < msg.body.lines then return moonpost.defer("not all of them yet", { delay = "20ms" }) end
  return { lines = lines, sum = ctx.kv:get(msg.body.run .. "/sum") }
end
