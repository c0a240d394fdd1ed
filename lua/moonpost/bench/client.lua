--- The client of a benchmark, a process of its own: `moonpost bench client JSON`. It writes JSON lines:
--- `{ progress = N }` while it sends, at last `{ result = { … } }` or `{ failed = "…" }`.
local client = require "moonpost.client"
local json = require "moonpost.json"
local runtime = require "moonpost.runtime"
local shell = require "moonpost.shell"
local wait = require "moonpost.wait"

local TO = "bench@local"
local STILL_WITHIN = 1 -- seconds without a message handled, after which what is missing is lost
local LOOK_EVERY = 0.002

local function say(what)
  io.stdout:write(json.encode(what), "\n")
end

local function report(link)
  return link:call(TO, "", { method = "report", key = "report", timeout = 60 })
end

local function load(options)
  local seen
  repeat
    seen = shell.load(options)
    say { progress = seen.answered }
  until seen.done
  return seen
end

--- Ask until all is handled, or nothing more is.
local function settled(link, count)
  local last, since = -1, runtime.clock()
  while true do
    local now, reason = report(link)
    if not now then return nil, reason end
    if now.handled >= count then return now end
    if now.handled > last then last, since = now.handled, runtime.clock() end
    if runtime.clock() - since > STILL_WITHIN then return now end
    wait.now("sleep", LOOK_EVERY)
  end
end

local function used(before, after)
  return {
    cpu_s = after.cpu_s - before.cpu_s,
    written = (after.written or 0) - (before.written or 0),
    syncs = after.syncs - before.syncs,
    peak = after.peak,
  }
end

local function measure(options)
  local link, reason = client.open { link = options.link }
  if not link then return nil, reason end
  local before = report(link)
  if not before then return nil, "the agent does not answer" end
  local began, cpu = runtime.clock(), os.clock()
  local seen = load(options)
  cpu = os.clock() - cpu
  if seen.answered < options.count then return nil, seen.reason or "interrupted" end
  local parked = options.parked and math.floor(options.count / options.keys) or 0
  local after, why = settled(link, options.count - seen.refused - parked)
  if not after then return nil, why end
  seen.handled, seen.duplicated = after.handled, after.duplicated
  seen.all_s, seen.client_cpu_s = runtime.clock() - began, cpu
  seen.node = used(before.usage, after.usage)
  return seen
end

--- Run the client; answers the exit code.
---@param text string JSON: link, count, window, size, profile, await, keys, parked
---@return integer
return function(text)
  local options = assert(json.decode(text))
  options.to = TO
  shell.quiet()
  local result, reason = measure(options)
  say(result and { result = result } or { failed = reason })
  return result and 0 or 1
end
