--- All that was said and that happened in a world whose `show` was set before its nodes came: each line of log, each
--- envelope as it is sent and received, and each fact, in the order of time.
local transcript = {}

local TOLD = { "attempt", "transmission", "code", "reason", "link", "delay" }

local function add(lines, at, node, id, text)
  lines[#lines + 1] = { at = at, order = #lines, text = ("%9.3f %-7s %-26s %s"):format(at, node, id, text) }
end

local function tell_fact(fact)
  local more = ""
  for _, field in ipairs(TOLD) do
    if fact[field] and fact[field] ~= 0 then more = ("%s  %s=%s"):format(more, field, fact[field]) end
  end
  return ("* %s%s"):format(fact.fact, more)
end

---@param world moonpost.World
---@return string lines
function transcript.of(world)
  local lines, texts = {}, {}
  for _, line in ipairs(world:log()) do add(lines, line.at, line.node, line.id, line.text) end
  for _, fact in ipairs(world:facts()) do add(lines, fact.at, fact.node, fact.id, tell_fact(fact)) end
  table.sort(lines, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.order < b.order
  end)
  for index, line in ipairs(lines) do texts[index] = line.text end
  return table.concat(texts, "\n")
end

return transcript
