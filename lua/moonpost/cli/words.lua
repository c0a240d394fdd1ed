--- Numbers, sizes and times as people read them.
local runtime = require "moonpost.runtime"

local words = {}

local AGES = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }
local SIZES = { { 2 ^ 30, "GB" }, { 2 ^ 20, "MB" }, { 2 ^ 10, "KB" } }

--- 1234567 as "1,234,567".
---@param number number
---@return string
function words.count(number)
  local text, count = ("%d"):format(number), 1
  while count > 0 do text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2") end
  return text
end

--- "1 dead letter", "1,200 dead letters".
---@param number number
---@param noun string
---@return string
function words.of(number, noun)
  return ("%s %s%s"):format(words.count(number), noun, number == 1 and "" or "s")
end

--- Seconds as "40 s", "3 min", "5 h", "12 d".
---@param seconds number
---@return string
function words.duration(seconds)
  for _, unit in ipairs(AGES) do
    if seconds >= unit[1] then return ("%d %s"):format(math.floor(seconds / unit[1]), unit[2]) end
  end
  return "0 s"
end

--- A short while as "250 ms", "2.1 s", "3.0 min".
---@param seconds number
---@return string
function words.wait(seconds)
  if seconds < 1 then return ("%d ms"):format(seconds * 1000 + 0.5) end
  if seconds < 120 then return ("%.1f s"):format(seconds) end
  return ("%.1f min"):format(seconds / 60)
end

--- How long ago a moment is.
---@param moment number epoch seconds
---@return string
function words.age(moment)
  return words.duration(math.max(0, runtime.now() - moment))
end

--- The same as "3 s ago".
---@param moment number epoch seconds
---@return string
function words.ago(moment)
  return words.age(moment) .. " ago"
end

--- How far away a moment is: "in 40 s".
---@param moment number epoch seconds
---@return string
function words.ahead(moment)
  return "in " .. words.duration(math.max(0, math.ceil(moment - runtime.now())))
end

--- Bytes as "12 B", "1.5 KB", "8.0 GB": by 1024, like the sizes in settings.
---@param number number
---@return string
function words.size(number)
  for _, unit in ipairs(SIZES) do
    if number >= unit[1] then return ("%.1f %s"):format(number / unit[1], unit[2]) end
  end
  return ("%d B"):format(number)
end

--- A moment as "2026-01-31 09:00:00", here.
---@param moment number epoch seconds
---@return string
function words.moment(moment)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(moment)) --[[@as string]]
end

--- A moment of a day as "09:00:00.123".
---@param moment number epoch seconds
---@return string
function words.time(moment)
  local ms = math.floor(moment * 1000 + 0.5)
  return ("%s.%03d"):format(os.date("%H:%M:%S", math.floor(ms / 1000)), ms % 1000)
end

return words
