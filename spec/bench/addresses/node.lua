--- Many agents on one node, which count together: see client.lua.
local moonpost = require "moonpost"

local handled = 0

local function count(_, msg)
  if msg.body then handled = handled + 1 end
end

local agents = {
  moonpost.agent { address = "count@bench", on = { message = function() return handled end } },
}
for n = 1, tonumber(os.getenv "BENCH_ADDRESSES") do
  agents[n + 1] = moonpost.agent { address = ("a%d@bench"):format(n), on = { message = count } }
end

return moonpost.node { agents = agents }
