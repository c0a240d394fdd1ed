--- What the proofs share: chance from a seed, processes, and the ledger of what was confirmed.
local node = require "spec.support.node"

local proof = {}

--- Numbers 1..limit, or 0 <= x < 1 without one; the same for the same seed.
function proof.generator(seed)
  local state = seed * 2654435761 % 4294967296
  return function(limit)
    state = (state * 1664525 + 1013904223) % 4294967296
    local share = state / 4294967296
    return limit and math.floor(share * limit) + 1 or share
  end
end

--- The words `NAME=VALUE` of the command line, as a table.
function proof.options(words, defaults)
  local options = {}
  for name, value in pairs(defaults) do options[name] = value end
  for _, word in ipairs(words) do
    local name, value = word:match("^(%u+)=(.*)$")
    if name and value ~= "" then options[name] = tonumber(value) or value end
  end
  options.SEED = options.SEED or os.time() % 1000000
  return options
end

function proof.say(format, ...)
  print(format:format(...))
end

function proof.read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end

function proof.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

function proof.append(path, text)
  local file = assert(io.open(path, "a"))
  file:write(text)
  file:close()
end

--- Run a shell command to its end.
---@return string output of both kinds
---@return integer code
function proof.run(format, ...)
  local pipe = assert(io.popen("{ " .. format:format(...) .. "; } 2>&1; echo $?"))
  local text = pipe:read "*a"
  pipe:close()
  local output, code = text:match("^(.-)(%d+)\n$")
  return output, tonumber(code)
end

--- Run `moonpost` with these words.
function proof.moonpost(words)
  return proof.run("%s %s", node.executable(), words)
end

-- ---- processes that go on ----

local Process = {}
Process.__index = Process

--- Start a shell command that becomes one process.
function proof.start(format, ...)
  local pipe = assert(io.popen("echo $$; " .. format:format(...) .. " 2>&1"))
  return setmetatable({ pipe = pipe, pid = pipe:read "*l", said = {} }, Process)
end

--- Read what it says until a line has this text; nil when it ended before.
function Process:wait_for(text)
  for line in self.pipe:lines() do
    self.said[#self.said + 1] = line
    if line:find(text, 1, true) then return line end
  end
end

function Process:signal(name)
  os.execute(("kill -%s %s 2>/dev/null"):format(name, self.pid))
end

--- Wait for its end; answers all it said.
function Process:finish()
  for line in self.pipe:lines() do self.said[#self.said + 1] = line end
  self.pipe:close()
  return table.concat(self.said, "\n")
end

--- A node of a folder; `options`: store, before (shell words in front of it), words, variables.
--- Its exit code is the last line it says.
function proof.node(folder, options)
  local variables = { ("PROOF_NOTES=%s/notes"):format(folder) }
  for name, value in pairs(options.variables or {}) do variables[#variables + 1] = ("%s='%s'"):format(name, value) end
  local process = proof.start(
    "cd %s && { env %s %s %s run %s --no-respawn --store %s & echo pid $!; wait $!; echo exit code $?; }",
    folder, table.concat(variables, " "), options.before or "", node.executable(), options.words or "", options.store)
  process.pid = process:wait_for("pid "):match "%d+"
  process.is_up = process:wait_for "listening unix:" ~= nil
  return process
end

-- ---- the ledger ----

--- What a sender wrote (sender.c): numbers in the order in which they were confirmed, and by number.
function proof.ledger(path)
  local ledger = { stored = {}, handled = {}, dead = {}, refused = {}, last = 0, order = {}, is_confirmed = {} }
  for line in proof.read(path):gmatch "[^\n]+" do
    local what, number, code = line:match "^(%a+) (%d+) ?(%d*)$"
    number = tonumber(number)
    if what == "sent" then
      ledger.last = math.max(ledger.last, number)
    elseif what == "refused" then
      ledger[code == "33" and "dead" or "refused"][number] = tonumber(code)
    elseif what == "stored" or what == "handled" then
      ledger[what][number] = true
      if not ledger.is_confirmed[number] then
        ledger.is_confirmed[number] = true
        ledger.order[#ledger.order + 1] = number
      end
    end
  end
  return ledger
end

--- What the handler noted: number to { first, last } run.
function proof.notes(path)
  local notes = {}
  for number, run in proof.read(path):gmatch "(%d+) (%d+)\n" do
    number, run = tonumber(number), tonumber(run)
    notes[number] = notes[number] or { first = run, count = 0 }
    notes[number].last, notes[number].count = run, notes[number].count + 1
  end
  return notes
end

--- What a store holds: number to "pending" or "dead"; nil and a reason when it does not open.
function proof.holds(store)
  local output, code = proof.run("build/proof/holds %s", store)
  if code ~= 0 then return nil, output end
  local held = {}
  for state, number in output:gmatch "(%a+) (%d+)\n" do held[tonumber(number)] = state end
  return held
end

--- `moonpost store check`: nil, or what is wrong.
function proof.wrong(store)
  local output, code = proof.moonpost("store check --store " .. store)
  return code ~= 0 and output or nil
end

return proof
