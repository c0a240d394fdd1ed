--- What people see of a run: one line for each record, prefixed by the name of its process.
local json = require "moonpost.json"
local term = require "moonpost.cli.term"

local transcript = {}

---@class moonpost.scenario.Transcript
---@field began number|nil when all nodes were up; before, only the line that says so is shown
---@field ended number|nil when the programs were done; afterwards nodes may go without a word
local Transcript = {}
Transcript.__index = Transcript

local COLOURS = { "cyan", "magenta", "blue", "green" }
local LEVELS = { debug = "dim", warn = "yellow", error = "red" }
local GOING = { stop = true, link_down = true, link_failed = true }
local SUMMARY = "summary"

local function widest(processes)
  local width = #SUMMARY
  for _, process in ipairs(processes) do width = math.max(width, #process.name) end
  return width
end

--- `clock` shows times; `verbose` shows every line and whole ids; `json` shows objects.
---@param scenario table
---@param options { verbose: boolean|nil, json: boolean|nil, clock: boolean|nil }
---@return moonpost.scenario.Transcript
function transcript.new(scenario, options)
  local colours, programs = {}, {}
  for index, process in ipairs(scenario.processes) do
    colours[process.name] = COLOURS[(index - 1) % #COLOURS + 1]
    programs[process.name] = process.exec ~= nil
  end
  return setmetatable({
    hide = scenario.hide,
    colours = colours,
    programs = programs,
    width = widest(scenario.processes),
    verbose = options.verbose,
    json = options.json,
    clock = options.clock or options.verbose,
  }, Transcript)
end

local function is_coming(self, record)
  if self.programs[record.process] then return false end
  return not record.opening and (not self.began or record.at < self.began)
end

local function is_going(self, record)
  return self.ended and record.at >= self.ended and GOING[record.fields.fact]
end

local function is_hidden(self, record)
  if self.verbose or record.level == "error" then return false end
  if record.fields.envelope or is_coming(self, record) or is_going(self, record) then return true end
  for _, pattern in ipairs(self.hide) do
    if record.text:find(pattern) then return true end
  end
  return false
end

-- Ids begin with the time, so their ends tell them apart.
local function shortened(text)
  return (text:gsub("%f[%w][0-7][0-9A-Z]+%f[%W]", function(word)
    return #word == 26 and "…" .. word:sub(-4) or word
  end))
end

local function prefixed(self, name, colour, text)
  term.out(term.styled(colour, ("%-" .. self.width .. "s |"):format(name)) .. " " .. text)
end

-- The first record is at 0.
local function moment(self, record)
  if not self.clock then return "" end
  self.zero = self.zero or record.at
  return term.styled("dim", ("%7.3f s"):format(record.at - self.zero)) .. "  "
end

--- Show a record, unless it belongs to the coming and going.
---@param record table
function Transcript:show(record)
  local time = moment(self, record)
  if is_hidden(self, record) then return end
  if self.json then return term.out(json.encode(record)) end
  local text = self.verbose and record.text or shortened(record.text)
  local style = record.fields.envelope and "dim" or LEVELS[record.level]
  if style then text = term.styled(style, text) end
  prefixed(self, record.process, self.colours[record.process] or "bold", time .. text)
end

local function count_failures(results)
  local failed = 0
  for _, result in ipairs(results) do
    if not result.ok then failed = failed + 1 end
  end
  return failed
end

local function totals_text(totals)
  local parts = {}
  for index, total in ipairs(totals) do
    parts[index] = ("%s %d%s"):format(total[1], total[2], total[3] and " (" .. total[3] .. ")" or "")
  end
  return table.concat(parts, "  ")
end

local function verdict_json(verdict)
  local totals = {}
  for _, total in ipairs(verdict.totals) do totals[total[1]] = total[2] end
  term.out(json.encode { summary = totals, checks = verdict.results, ok = verdict.ok })
end

--- Show the totals, the number of checks that hold, and each that does not.
---@param verdict table
function Transcript:conclude(verdict)
  if self.json then return verdict_json(verdict) end
  local failed = count_failures(verdict.results)
  local word = failed == 0 and term.styled("green", "PASS") or term.styled("red", "FAIL")
  local all = #verdict.results
  prefixed(self, SUMMARY, "bold", ("%s   %s %d/%d checks"):format(totals_text(verdict.totals), word, all - failed, all))
  for _, result in ipairs(verdict.results) do
    if not result.ok then
      prefixed(self, "failed", "red", ("%s: expected %s, got %s"):format(result.sentence, result.expected, result.got))
    end
  end
end

return transcript
