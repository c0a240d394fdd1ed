--- Durations, moments, sizes and rates as people write them, as numbers. Each reader answers the
--- number, or nil and a reason that starts with the value.
local show = require "moonpost.show"

local units = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local BYTES = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

-- From here on numbers are not exact.
local WHOLE_MAX = 2 ^ 53

-- A number this large is not meant as a duration: it is 31 years, or September 2001.
local MOMENT_MIN = 1e9

--- Seconds: a number from 0 to math.huge, or one number and one unit, such as "250ms".
---@param value any
---@return number|nil seconds
---@return string|nil reason
function units.duration(value)
  if type(value) == "number" and value >= 0 then return value end
  if type(value) == "number" and value < 0 then return nil, show(value) .. " is negative" end
  if type(value) == "string" then
    local number, unit = value:match("^(%d+%.?%d*)(%a+)$")
    if number and SECONDS[unit] then return unit == "ms" and number / 1000 or number * SECONDS[unit] end
  end
  return nil, show(value) .. ' is not a duration; write seconds, or "250ms", "5s", "2m", "24h", "7d"'
end

--- Like duration, but above 0.
---@param value any
---@return number|nil seconds
---@return string|nil reason
function units.timeout(value)
  local seconds, reason = units.duration(value)
  if seconds == 0 then return nil, show(value) .. " is no time at all" end
  return seconds, reason
end

--- Like duration, but not for ever.
---@param value any
---@return number|nil seconds
---@return string|nil reason
function units.finite_duration(value)
  local seconds, reason = units.duration(value)
  if seconds == math.huge then return nil, "for ever is too long" end
  return seconds, reason
end

local function days_of_month(year, month)
  if month == 2 then
    return (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)) and 29 or 28
  end
  return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end

--- Days from 1970-01-01 to a date of the Gregorian calendar (years that begin in March).
local function days_since_epoch(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return 365 * year + leaps + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end

--- Seconds east of Greenwich, of "Z", "+02:00", "+0200" or "+02".
local function offset_seconds(text)
  if text == "Z" then return 0 end
  local sign, hours, minutes = text:match("^([+-])(%d%d):?(%d?%d?)$")
  if not sign or #minutes == 1 then return nil end
  local seconds = hours * 3600 + (tonumber(minutes) or 0) * 60
  return sign == "-" and -seconds or seconds
end

--- Epoch seconds: a number, or ISO 8601 with an offset, such as "2026-01-31T09:00:00+01:00".
---@param value any
---@return number|nil seconds
---@return string|nil reason
function units.moment(value)
  if type(value) == "number" and value >= 0 and value < math.huge then return value end
  local text = type(value) == "string" and value or ""
  local year, month, day, hour, minute, rest = text:match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d)(.*)$")
  if not year then
    return nil, show(value) .. ' is not a moment; write epoch seconds, or "2026-01-31T09:00:00Z"'
  end
  local second, zone = rest:match("^:(%d%d%.?%d*)(.*)$")
  if not second then second, zone = "0", rest end
  if zone == "" then return nil, show(value) .. ' has no offset; end it with "Z" or "+02:00"' end
  year, month, day, second = tonumber(year), tonumber(month), tonumber(day), tonumber(second)
  local offset = offset_seconds(zone)
  if not offset or month < 1 or month > 12 or day < 1 or day > days_of_month(year, month)
    or tonumber(hour) > 23 or tonumber(minute) > 59 or second >= 60 then
    return nil, show(value) .. " is no date and time of the calendar"
  end
  return days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
end

--- Seconds from `now` to the end of something given as a duration or as a moment. A number from 1e9
--- on is a moment.
---@param value any
---@param now number epoch seconds
---@return number|nil seconds 0 when it is over
---@return string|nil reason
function units.remaining(value, now)
  if type(value) == "number" and value >= MOMENT_MIN and value < math.huge then
    return math.max(0, value - now)
  end
  local seconds = units.duration(value)
  if seconds then return seconds end
  if type(value) == "string" and value:find("^%d%d%d%d%-") then
    local moment, reason = units.moment(value)
    return moment and math.max(0, moment - now), reason
  end
  return nil, show(value) .. ' is neither a duration ("10m") nor a moment ("2026-01-31T09:00:00Z")'
end

--- Bytes: a whole number, or one with K, M or G.
---@param value any
---@return number|nil bytes
---@return string|nil reason
function units.size(value)
  if type(value) == "number" and value >= 0 and value % 1 == 0 and value < WHOLE_MAX then return value end
  if type(value) == "string" then
    local number, unit = value:match("^(%d+)(%a?)$")
    local bytes = number and BYTES[unit] and number * BYTES[unit]
    if bytes and bytes < WHOLE_MAX then return bytes end
  end
  return nil, show(value) .. ' is not a size; write bytes, or "64K", "256M", "1G"'
end

--- Times a second, of "100/m".
---@param value any
---@return number|nil per_second
---@return string|nil reason
function units.rate(value)
  if type(value) == "string" then
    local number, unit = value:match("^(%d+%.?%d*)/([smhd])$")
    local per_second = number and number / SECONDS[unit] or 0
    if per_second > 0 and per_second < math.huge then return per_second end
  end
  return nil, show(value) .. ' is not a rate; write "10/s", "100/m", "1000/h" or "1/d"'
end

return units
