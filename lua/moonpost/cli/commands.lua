--- The one table of commands. Help, "did you mean", shell completion and the manual page are made of it.
---
--- To add a command:
---
---   1. lua/moonpost/cli/NAME.lua returns its table; moonpost.cli.args says what it may hold. Say `verbs` if its first
---      argument is a verb: each has a help of its own, and a flag that only some of them take names them in its
---      `verbs`. Say `takes` or `choices` where arguments and flags can be completed. Each help has an example and
---      fits a screen of 80 columns and 24 lines with the next prompt; texts that are too wide are wrapped.
---   2. Put NAME into GROUPS, where the help is to show it, and take it out of LATER.
local commands = {}

-- As the help shows them: a purpose and its commands.
local GROUPS = {
  { "start", "new example choose" },
  { "run", "run sentinel exec reload generations" },
  { "send", "send call" },
  { "look", "status tail trace metrics config policy" },
  { "mend", "queue dlq store" },
  { "prove", "check doctor test sim bench" },
  { "else", "version completion" },
}

-- Names of the API that this version refuses.
local LATER = [[
  publish
  stream
]]

--- All commands, in order.
---@type moonpost.cli.Command[]
commands.list = {}

--- The same by their purpose: { purpose, commands }, in order.
---@type { [1]: string, [2]: moonpost.cli.Command[] }[]
commands.groups = {}

--- The same by their names.
---@type table<string, moonpost.cli.Command>
commands.by_name = {}

--- Is this the name of a command that this version refuses?
---@type table<string, boolean>
commands.later = {}

for name in LATER:gmatch("%S+") do commands.later[name] = true end

local function add(group, name)
  local command = require("moonpost.cli." .. name)
  group[#group + 1] = command
  commands.list[#commands.list + 1] = command
  commands.by_name[name] = command
end

for index, group in ipairs(GROUPS) do
  commands.groups[index] = { group[1], {} }
  for name in group[2]:gmatch("%S+") do add(commands.groups[index][2], name) end
end

return commands
