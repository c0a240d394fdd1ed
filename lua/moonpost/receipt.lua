--- Receipts: what became of a send, as far as its sender asked.
local guarantees = require "moonpost.guarantees"

local receipt = {}

---@class moonpost.Receipt
---@field type "ack"|"nack"
---@field ok boolean
---@field code string|nil
---@field reason string|nil
---@field ref string the message's id
---@field level "sent"|"stored"|"handled"|nil
---@field attempt integer the transmission it answers
---@field dup boolean
---@field result any
---@field result_lost true|nil handled, but the owner does not know its result any more
---@field retry_after number|nil seconds
---@field guarantees moonpost.Guarantees computed when looked at
---@field facts moonpost.ReceiptFacts
local metatable = { __name = "moonpost.receipt" }

function metatable.__index(self, name)
  if name ~= "guarantees" then return nil end
  local facts = rawget(self, "facts")
  local sentences = facts and guarantees(facts, self.ok)
  rawset(self, name, sentences)
  return sentences
end

function metatable.__tostring(self)
  local level = self.level and " level=" .. self.level or "" -- a nack may be of none
  return ("type=%s ok=%s code=%s reason=%s ref=%s%s attempt=%s"):format(
    tostring(self.type), tostring(self.ok), tostring(self.code), tostring(self.reason), tostring(self.ref), level,
    tostring(self.attempt))
end

local LOST = "it was handled, but its result is lost: an agent keeps results with a dedup policy"

--- What a call answers: the result, or nil, reason and code.
---@param answer moonpost.Receipt
---@return any result
---@return string|nil reason
---@return string|nil code
function receipt.result(answer)
  if not answer.ok then return nil, answer.reason or answer.code, answer.code end
  if answer.result_lost then return nil, LOST, "TIMEOUT" end
  return answer.result
end

--- Make a receipt of the table that the runtime fills.
---@param fields table
---@return moonpost.Receipt
function receipt.new(fields)
  return setmetatable(fields, metatable)
end

return receipt
