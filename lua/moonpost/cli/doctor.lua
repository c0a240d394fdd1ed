--- `moonpost doctor`: what is wrong with the machine, a data folder, links and a running node.
local ask = require "moonpost.cli.ask"
local client = require "moonpost.client"
local files = require "moonpost.cli.files"
local moonpost = require "moonpost"
local shell = require "moonpost.shell"
local symptoms = require "moonpost.cli.symptoms"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local FOUND, USAGE = 1, 2

-- ---- what is looked at ----

--- The node's own answer, or nil and why not.
local function status_of(address)
  local link, reason, code = client.open { link = address }
  if not link then return nil, reason, code end
  local status
  status, reason, code = link:call("$node", {}, { method = "status", fail_fast = true, profile = "at-least-once" })
  link:close()
  return status, reason, code
end

-- Where --node, MOONPOST_NODE, or else the settings say that it is.
local function place_of(project, named)
  if not named and not shell.variable "NODE" then
    local folder = symptoms.folder_of(project)
    return folder, "unix:" .. folder .. "/moonpost.sock"
  end
  local address, reason = shell.node(named)
  if not address then return nil, reason end
  return address:match("^unix:(.*)/[^/]*$") or symptoms.folder_of(project), address
end

local function patient_of(options)
  local project, wrong = files.project()
  if not project then return nil, wrong end
  local folder, address = place_of(project, options.node)
  if not folder then return nil, "--node: " .. address end
  local status, reason, code = status_of(address)
  return { project = project, folder = folder, address = address, status = status, reason = reason, code = code }
end

-- ---- what is said ----

local COLOURS = { problem = "red", note = "yellow" }

local function show(symptom)
  term.out(("%s  %s: %s"):format(term.styled(COLOURS[symptom.level], symptom.level), term.styled("bold", symptom.rule),
    symptom.what))
  for _, key in ipairs { "why", "fix" } do
    for index, line in ipairs(term.wrap(symptom[key], term.WIDTH - 7)) do
      term.out(("  %s %s"):format(index == 1 and key .. ":" or "    ", line))
    end
  end
end

local function summary(patient, problems, notes)
  local node = patient.status and patient.status.node
  local who = node and ("node %s, up %s"):format(node.name, words.age(node.started_at)) or "no node"
  term.out(("%s, %s  (%s; %s; %s)"):format(words.of(problems, "problem"), words.of(notes, "note"), who, patient.folder,
    patient.project.settings_file or "no node.lua"))
end

local function answer(options, patient)
  local found, problems = symptoms.find(patient)
  if options.json then
    term.out(moonpost.json.encode(moonpost.array(found)))
  else
    for _, symptom in ipairs(found) do show(symptom) end
    summary(patient, problems, #found - problems)
  end
  return problems == 0 and 0 or FOUND
end

return {
  name = "doctor",
  usage = "doctor",
  summary = "what is wrong with machine, store, links and a running node",
  details = [[
  Asks the node of this folder, if one runs, and looks at its data folder, the settings, and what its links lead to.
  Each finding says what, why it matters, and the fix. Exit code 0: no problems, 1: problems; notes do not count.
  Faults in files are found by moonpost check.]],
  flags = { ask.NODE, { name = "json", help = "an array of { rule, level, what, why, fix }" } },
  at_most = 0,
  examples = {
    { "moonpost doctor", "of this folder" },
    { "moonpost doctor --node /srv/orders", "of another project" },
  },
  run = function(options)
    shell.quiet()
    local patient, reason = patient_of(options)
    if patient then return answer(options, patient) end
    term.complain("doctor", reason)
    return USAGE
  end,
}
