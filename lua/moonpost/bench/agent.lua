--- The agent that a benchmark sends to, as the text of a file: an ordinary agent whose handler reads
--- `msg.body`. Its methods say what it has handled and what its process has used.
return [=[
local moonpost = require "moonpost"

local VERIFY = os.getenv "MOONPOST_BENCH_VERIFY" == "1"
local STATE = os.getenv "MOONPOST_BENCH_STATE" == "1"
local DEDUP = os.getenv "MOONPOST_BENCH_DEDUP" == "1"
local KEYS, PARKED = os.getenv "MOONPOST_BENCH_KEYS" == "1", os.getenv "MOONPOST_BENCH_PARKED" == "1"
local handled, duplicated, bytes, seen = 0, 0, 0, {}

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

local function count_syncs()
  local number, place = 0, 1
  for at = 1, 8 do
    number = number + (read(os.getenv "MOONPOST_BENCH_SYNCS"):byte(at) or 0) * place
    place = place * 256
  end
  return number
end

local function usage()
  local user, system = read("/proc/self/stat"):match("^.*%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return {
    cpu_s = user and (user + system) / 100,
    written = tonumber(read("/proc/self/io"):match("\nwrite_bytes: (%d+)")),
    peak = tonumber(read("/proc/self/status"):match("VmHWM:%s*(%d+)") or 0) * 1024,
    syncs = count_syncs(),
  }
end

local function verify(body)
  local number = tonumber(body:sub(1, 12))
  if seen[number] then
    duplicated = duplicated + 1
  else
    seen[number], handled = true, handled + 1
  end
end

local function count(ctx, msg)
  local body = msg.body
  if PARKED and msg.key == "0" then return nil, "this one is parked" end
  if STATE then ctx.state.count = (ctx.state.count or 0) + 1 end
  bytes = bytes + #body
  if VERIFY then verify(body) else handled = handled + 1 end
end

return moonpost.agent {
  address = "bench@local",
  concurrency = 1024,
  order = KEYS and "key" or "none",
  retry = { first = "1h" },
  dedup = DEDUP and { ttl = "1h" } or "none",
  on = { message = count },
  methods = {
    report = function() return { handled = handled, duplicated = duplicated, bytes = bytes, usage = usage() } end,
  },
}
]=]
