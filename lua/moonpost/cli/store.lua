--- `moonpost store`: looking after a store on disk.
local json = require "moonpost.json"
local shell = require "moonpost.shell"
local store = require "moonpost.store"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local USAGE, FAILED = 2, 1
local FINDINGS_SHOWN = 20

local size = words.size

local function plural(count, one, many)
  return ("%d %s"):format(count, count == 1 and one or many or one .. "s")
end

-- ---- what a key means ----

local KINDS = { m = "message", f = "facts of message", d = "dead letter", l = "lane", b = "outbox", e = "epoch",
  h = "pause of", i = "identity" }

local function sequence(key)
  local number = 0
  for at = 2, 9 do number = number * 256 + key:byte(at) end
  return ("%.0f"):format(number)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function name_of(key)
  local kind = KINDS[key:sub(1, 1)]
  if not kind then return "record " .. hex(key) end
  if #key == 1 then return kind end
  if key:find("^[mfd]") and #key == 9 then return kind .. " " .. sequence(key) end
  local rest = key:sub(2)
  return kind .. " " .. (rest:find("^[%g ]+$") and rest or hex(rest))
end

-- ---- the four ----

local function stat(folder)
  local found, reason = store.stat(folder)
  if not found then return nil, reason end
  found.lmdb = found.lmdb:match("%d+%.%d+%.%d+") or found.lmdb
  return found, function()
    term.out(("store %s  format %d  LMDB %s"):format(folder, found.format, found.lmdb))
    term.out(term.columns {
      { "records", ("%d"):format(found.records) },
      { "in use", ("%s (%d pages of %d bytes)"):format(size(found.used), found.used / found.page, found.page) },
      { "free", ("%s, to be used again"):format(size(found.free)) },
      { "file", size(found.file) },
      { "map", size(found.map) },
      { "held by", found.holder > 0 and ("process %d"):format(found.holder) or "nobody" },
    })
  end
end

local function check(folder)
  local found, reason = store.check(folder, FINDINGS_SHOWN)
  if not found then return nil, reason end
  for _, finding in ipairs(found.findings) do finding.key, finding.hex = name_of(finding.key), hex(finding.key) end
  return found, function()
    for _, finding in ipairs(found.findings) do term.out(("%s %s"):format(finding.key, finding.what)) end
    local more = found.found - #found.findings
    if more > 0 then term.out(("and %d more"):format(more)) end
    term.out(("%s of %s checked (%s, %s, %s, %s), %s"):format(plural(found.records, "record"), folder,
      plural(found.messages, "message"), plural(found.dead, "dead letter"), plural(found.lanes, "lane"),
      plural(found.outboxes, "outbox", "outboxes"),
      found.found == 0 and "nothing is wrong" or plural(found.found, "thing is wrong", "things are wrong")))
  end, found.found == 0 and 0 or FAILED
end

local function compact(folder)
  local done, reason = store.compact(folder)
  if not done then return nil, reason end
  return done, function() term.out(("%s: %s before, %s now"):format(folder, size(done.before), size(done.after))) end
end

local function backup(folder, to)
  if shell.kind(to .. "/data.mdb") then
    return nil, ("%s has a store already; name a new folder, such as %s-2, or move that one away"):format(to, to)
  end
  if shell.kind(to) == "file" then return nil, ("%s is a file; name a new folder"):format(to) end
  local done, reason = store.backup(folder, to)
  if not done then return nil, reason end
  return done, function() term.out(("%s is copied to %s (%s)"):format(folder, to, size(done.bytes))) end
end

local ACTIONS = { stat = stat, check = check, compact = compact, backup = backup }

local function refuse(text)
  term.complain("store", text)
  term.note "see: moonpost store --help"
  return USAGE
end

local function run(options)
  local name, to = options[1], options[2]
  local action = ACTIONS[name]
  if not action then return refuse(("%q is none of stat, check, compact, backup"):format(name)) end
  if name == "backup" and not to then return refuse "where to? moonpost store backup FOLDER" end
  if name ~= "backup" and to then return refuse(("%q is one argument too many"):format(to)) end
  local folder = options.store or shell.variable "STORE" or "data"
  local answer, say, code = action(folder, to)
  if not answer then
    term.complain("store", say)
    return FAILED
  end
  if options.json then term.out(json.encode(answer)) else say() end
  return code or 0
end

return {
  name = "store",
  usage = "store stat|check|compact|backup [TO]",
  verbs = {
    { name = "stat", summary = "how much is in it, and who has it",
      examples = { { "moonpost store stat --json", "for programs" } } },
    { name = "check", summary = "read every record; exit code 1 when something is wrong",
      examples = { { "moonpost store check", "is everything as it was written?" } } },
    { name = "compact", summary = "write it anew without free pages; the node must be stopped",
      examples = { { "moonpost store compact", "give back what the disk can have" } } },
    { name = "backup", usage = "TO", summary = "copy it to a new folder; also beside a running node",
      examples = {
        { "moonpost store backup /backup/orders", "then: moonpost run --store /backup/orders" },
      } },
  },
  takes = "folder",
  summary = "look after a store on disk",
  details = "  The store is in data/, or where --store or MOONPOST_STORE say.",
  flags = {
    { name = "store", value = "FOLDER", help = "the folder of the store" },
    { name = "json", help = "one JSON object" },
  },
  at_least = 1,
  at_most = 2,
  examples = {
    { "moonpost store check", "is everything as it was written?" },
    { "moonpost store backup /backup/orders", "run it from there with: moonpost run --store /backup/orders" },
  },
  run = run,
}
