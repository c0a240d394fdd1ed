--- Whether what a scenario claims is what happened.
local show = require "moonpost.show"

local verdict = {}

local function result_of(check, facts)
  local sentence, ask = check[1], check[2]
  local ran, got, expected = pcall(ask, facts)
  if not ran then return { sentence = sentence, ok = false, expected = "an answer", got = tostring(got) } end
  if expected == nil then expected = true end
  return { sentence = sentence, ok = got == expected, expected = show(expected), got = show(got) }
end

--- Ask each check for what is and what should be.
---@param scenario table
---@param facts moonpost.scenario.Facts
---@return { ok: boolean, totals: table[], results: table[] }
function verdict.of(scenario, facts)
  local results, ok = {}, true
  for index, check in ipairs(scenario.checks) do
    results[index] = result_of(check, facts)
    ok = ok and results[index].ok
  end
  return { ok = ok, totals = scenario.totals(facts), results = results }
end

return verdict
