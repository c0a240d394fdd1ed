--- What `run` and `sentinel` share: flags of a node, and running it to its end.
local fault = require "moonpost.fault"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"
local variables = require "moonpost.cli.variables"

local node = {}

local USAGE = 2

--- Flags that override settings; `key` is how the runtime knows them.
node.FLAGS = {
  { name = "listen", value = "ADDR", many = true, help = "one more door: tcp://HOST:PORT or unix:PATH" },
  { name = "name", value = "NAME", help = "the node's name" },
  { name = "profile", value = "PROFILE", help = "of sends that name none, such as at-least-once" },
  { name = "log", value = "LEVEL", choices = { "debug", "info", "warn", "error" },
    help = "debug, info, warn or error; info,json: one object a line" },
  { name = "show-envelopes", help = "log each envelope that passes" },
  { name = "store", value = "STORE", takes = "folder", help = "memory, or the folder of a store on disk" },
  { name = "sync", value = "SYNC", help = "commit; relaxed: a power cut may undo what came last" },
  { name = "no-respawn", help = "do not start the node again when it crashes" },
  { name = "fault", value = "F", many = true, help = "what is to go wrong: drop:type=receipt,pattern=XX." },
}

local KEYS = { "name", "profile", "log", "store", "sync" }

--- The settings that flags say, as the runtime knows them.
---@param options table parsed flags
---@param doors string[]
---@return string[][]
function node.overrides(options, doors)
  local flags = {}
  for _, key in ipairs(KEYS) do
    if options[key] then flags[#flags + 1] = { key:upper(), options[key] } end
  end
  if options.show_envelopes then flags[#flags + 1] = { "SHOW_ENVELOPES", "1" } end
  for _, text in ipairs(options.fault or {}) do flags[#flags + 1] = { "FAULT", text } end
  for _, door in ipairs(doors) do flags[#flags + 1] = { "LISTEN", door } end
  return flags
end

--- Run a node until it is stopped; answers the exit code.
---@param command string its name in complaints
---@param request { files: string[]|nil, sentinel: boolean|nil, doors: string[] }
---@param options table parsed flags
---@return integer
function node.run(command, request, options)
  for _, text in ipairs(options.fault or {}) do
    local ok, reason = pcall(fault.parse, text)
    if not ok then
      term.complain(command, "--fault: " .. tostring(reason))
      return USAGE
    end
  end
  for _, text in ipairs(variables.unknown()) do term.note(("moonpost %s: %s"):format(command, text)) end
  local answer = shell.run {
    files = request.files,
    sentinel = request.sentinel,
    watch = options.watch,
    flags = node.overrides(options, request.doors),
  }
  if answer.reason then term.complain(command, answer.reason) end
  return answer.code
end

return node
