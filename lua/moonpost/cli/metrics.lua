--- `moonpost metrics`: a node's numbers, as Prometheus reads them.
local ask = require "moonpost.cli.ask"
local json = require "moonpost.json"
local sorted_pairs = require "moonpost.sorted_pairs"
local term = require "moonpost.cli.term"

local function escaped(text)
  return (text:gsub("[\\\"\n]", { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function labels_of(labels)
  local parts = {}
  for name, value in sorted_pairs(labels or {}) do parts[#parts + 1] = ('%s="%s"'):format(name, escaped(value)) end
  return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function number(value)
  return value == math.floor(value) and ("%.0f"):format(value) or ("%.3f"):format(value)
end

local function print_family(family)
  if #family.samples == 0 then return end
  term.out(("# HELP %s %s"):format(family.name, family.help))
  term.out(("# TYPE %s %s"):format(family.name, family.type))
  for _, sample in ipairs(family.samples) do
    term.out(("%s%s %s"):format(family.name, labels_of(sample.labels), number(sample.value)))
  end
end

return {
  name = "metrics",
  usage = "metrics",
  summary = "a node's numbers, as Prometheus reads them",
  details = [[
  Counters begin at 0 with each start of the node. Of very many mailboxes and outboxes the fullest are shown
  one by one, and moonpost_queues_left_out says how many are not.]],
  flags = { ask.NODE, ask.JSON },
  at_most = 0,
  examples = { { "moonpost metrics > /var/lib/node_exporter/moonpost.prom", "for node_exporter's text files" } },
  run = function(flags)
    return ask.run("metrics", flags, function(self)
      local metrics = self:get("metrics").metrics
      if flags.json then return term.out(json.encode(metrics)) end
      for _, family in ipairs(metrics) do print_family(family) end
    end)
  end,
}
