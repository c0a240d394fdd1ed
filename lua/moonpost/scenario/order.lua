--- Puts the records of several processes into the order in which they were made. They come through pipes
--- of their own, so one is kept back for a moment in which an earlier one may still arrive.
local runtime = require "moonpost.runtime"

local order = {}

---@class moonpost.scenario.Order
local Order = {}
Order.__index = Order

--- Records leave through `give`, in order, `patience` seconds after they were made.
---@param patience number
---@param give fun(record: table)
---@return moonpost.scenario.Order
function order.new(patience, give)
  return setmetatable({ give = give, patience = patience, kept = {} }, Order)
end

-- After all that are as old: pipes keep their own order.
local function place(kept, at)
  local index = #kept
  while index > 0 and kept[index].at > at do index = index - 1 end
  return index + 1
end

---@param record table
function Order:add(record)
  table.insert(self.kept, place(self.kept, record.at), record)
end

--- Give what has waited long enough.
function Order:settle()
  while self.kept[1] and self.kept[1].at + self.patience <= runtime.now() do
    self.give(table.remove(self.kept, 1))
  end
end

--- Give everything: nothing more will come.
function Order:finish()
  while self.kept[1] do self.give(table.remove(self.kept, 1)) end
end

--- Seconds until `settle` has something to do; math.huge when nothing is kept.
---@return number
function Order:wait()
  local first = self.kept[1]
  return first and math.max(0.001, first.at + self.patience - runtime.now()) or math.huge
end

return order
