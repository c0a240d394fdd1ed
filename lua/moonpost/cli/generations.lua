--- `moonpost generations`: which versions of which agents are at work.
local ask = require "moonpost.cli.ask"
local json = require "moonpost.json"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local COLUMNS = {
  { key = "address", head = "AGENT", flexible = true },
  { key = "generation", head = "GENERATION", right = true },
  { key = "state", head = "STATE" },
  { key = "hash", head = "HASH", optional = true },
  { key = "loaded", head = "LOADED", right = true },
  { key = "in_flight", head = "IN FLIGHT", right = true },
  { key = "handled", head = "HANDLED", right = true },
  { key = "failed", head = "FAILED", right = true },
  { key = "file", head = "FILE", optional = true },
}

local function row_of(item)
  return {
    address = item.address,
    generation = words.count(item.generation),
    state = item.state,
    hash = item.hash and item.hash:sub(1, 8),
    loaded = words.age(item.loaded_at) .. " ago",
    in_flight = words.count(item.in_flight),
    handled = words.count(item.handled),
    failed = words.count(item.failed),
    file = item.file,
  }
end

local function show(items)
  local rows = {}
  for index, item in ipairs(items) do rows[index] = row_of(item) end
  if #rows == 0 then return term.note("no agents here") end
  tables.print(COLUMNS, rows)
  for _, item in ipairs(items) do
    if item.refusal then
      term.note(("\nreload of %s refused %s ago:\n  %s"):format(item.address, words.age(item.refused_at), item.refusal))
    end
  end
end

return {
  name = "generations",
  usage = "generations [ADDR]",
  summary = "which versions of which agents are at work",
  details = [[
  The hash is of all files that a generation was made of. One that is "ending" has been replaced and has handlers
  in flight; "starting" is one whose on.start waits.]],
  flags = { ask.NODE, ask.JSON },
  at_most = 1,
  examples = {
    { "moonpost generations", "of all agents" },
    { "moonpost generations mail@local", "of one" },
  },
  run = function(flags)
    return ask.run("generations", flags, function(self)
      local items = self:get("generations", { address = flags[1] }).items
      if not flags.json then return show(items) end
      for _, item in ipairs(items) do term.out(json.encode(item)) end
    end)
  end,
}
