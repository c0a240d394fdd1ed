--- The parser of command lines. A command is a table:
---
---     { name = "send", summary = "…", usage = "send ADDR BODY", at_least = 2, at_most = 2,
---       flags = { { name = "id", value = "ID", help = "…" }, { name = "json", help = "…" } },
---       examples = { { "moonpost send …", "what it does" } }, run = function(options) return 0 end }
---
--- A flag with `value` takes one; with `many` it may come several times; with `not_yet` it is refused.
--- `open = true` ends flags at the first other argument.
local nearest = require "moonpost.nearest"

local args = {}

---@class moonpost.cli.Command
---@field name string
---@field usage string what follows "moonpost"
---@field summary string half a line
---@field details string|nil lines that begin with two spaces; those with a gap of two spaces in them are not wrapped
---@field flags moonpost.cli.Flag[]|nil
---@field verbs moonpost.cli.Verb[]|nil what the first argument can be; each has a help of its own
---@field later_verbs string[]|nil verbs that the command itself refuses as not there yet
---@field takes moonpost.cli.Takes|nil what its arguments are, for completion
---@field choices string[]|nil instead of `takes`: the words that they can be
---@field at_least integer|nil how many arguments it needs
---@field at_most integer|nil and how many it takes; nil: any number
---@field open boolean|nil ends flags at the first other argument
---@field examples string[][]|nil pairs: a command line, and what it does
---@field run fun(options: table): integer answers the exit code

---@class moonpost.cli.Verb
---@field name string
---@field usage string|nil what follows it
---@field summary string half a line
---@field details string|nil as those of a command
---@field examples string[][]|nil

---@alias moonpost.cli.Takes "file"|"folder"|"command"

---@class moonpost.cli.Flag
---@field name string
---@field value string|nil what stands for its value in the help; nil: it takes none
---@field help string
---@field verbs string[]|nil those that take it; nil: all of them
---@field many boolean|nil
---@field not_yet boolean|nil
---@field takes moonpost.cli.Takes|nil what its value is, for completion
---@field choices string[]|nil instead of `takes`: the words that it can be

local HELP = { name = "help", help = "this text" }

local function flags_of(command)
  local flags = { help = HELP }
  for _, flag in ipairs(command.flags or {}) do flags[flag.name] = flag end
  return flags
end

local function unknown(flags, name)
  local names = {}
  for known, flag in pairs(flags) do
    if not flag.not_yet then names["--" .. known] = true end
  end
  return ("unknown flag --%s%s"):format(name, nearest.hint("--" .. name, names))
end

local function key_of(flag)
  return (flag.name:gsub("-", "_"))
end

local function store(options, flag, value)
  local key = key_of(flag)
  if flag.many then
    options[key] = options[key] or {}
    table.insert(options[key], value)
    return true
  end
  if options[key] ~= nil then return nil, ("--%s: given twice"):format(flag.name) end
  options[key] = value
  return true
end

-- One flag at `index`; answers the index of its last word, or nil and what is wrong.
local function take_flag(flags, options, words, index)
  local word = words[index]
  if word == "-h" then word = "--help" end
  local name, value = word:match("^%-%-([^=]+)=(.*)$")
  name = name or word:match("^%-%-(.+)$")
  if not name then return nil, ("unknown flag %s; flags begin with --"):format(word) end
  local flag = flags[name]
  if not flag then return nil, unknown(flags, name) end
  if flag.not_yet then return nil, ("UNSUPPORTED: --%s: not yet in this version"):format(name) end
  if not flag.value then
    if value then return nil, ("--%s: takes no value"):format(name) end
    return store(options, flag, true) and index
  end
  if not value then
    index = index + 1
    value = words[index]
  end
  if not value then return nil, ("--%s: needs a value: --%s %s"):format(name, name, flag.value) end
  local ok, reason = store(options, flag, value)
  return ok and index, reason
end

local function check_count(command, options)
  local count = #options
  if options.help then return true end
  if count < (command.at_least or 0) then return nil, "something is missing: moonpost " .. command.usage end
  if count > (command.at_most or math.huge) then
    return nil, ("%q is one argument too many: moonpost %s"):format(options[(command.at_most or 0) + 1], command.usage)
  end
  return true
end

-- Words that other programs use for our verbs.
local SYNONYMS = { list = "ls", delete = "rm", remove = "rm", retry = "requeue", redrive = "requeue", cat = "show",
  get = "show", stop = "pause", start = "resume", info = "stat", verify = "check", clear = "purge", empty = "purge",
  flush = "purge", look = "peek", view = "peek", browse = "peek", unpause = "resume", replay = "requeue" }

local function set_of(list)
  local set = {}
  for _, word in ipairs(list or {}) do set[word] = true end
  return set
end

--- The names of a command's verbs, in order.
---@param command moonpost.cli.Command
---@return string[]
function args.verb_names(command)
  local names = {}
  for index, verb in ipairs(command.verbs or {}) do names[index] = verb.name end
  return names
end

--- The verb of this name; or nil and what is wrong with it.
---@param command moonpost.cli.Command one with verbs
---@param name string
---@return moonpost.cli.Verb|nil
---@return string|nil reason
function args.verb(command, name)
  for _, verb in ipairs(command.verbs) do
    if verb.name == name then return verb end
  end
  local names = args.verb_names(command)
  local verbs = set_of(names)
  local synonym = verbs[SYNONYMS[name]] and ('; did you mean "%s"?'):format(SYNONYMS[name])
  return nil, ("%q is none of %s%s"):format(name, table.concat(names, ", "), synonym or nearest.hint(name, verbs))
end

--- Does a verb take this flag?
---@param verb string|nil nil: do all verbs?
---@param flag moonpost.cli.Flag
---@return boolean
function args.takes(verb, flag)
  return not flag.verbs or set_of(flag.verbs)[verb] == true
end

local function check_verb(command, options)
  local name = options[1]
  if options.help or not command.verbs or not name or set_of(command.later_verbs)[name] then return true end
  local verb, reason = args.verb(command, name)
  if not verb then return nil, reason end
  for _, flag in ipairs(command.flags or {}) do
    if options[key_of(flag)] ~= nil and not args.takes(name, flag) then
      return nil, ("--%s is of %s, not of %s"):format(flag.name, table.concat(flag.verbs, " and "), name)
    end
  end
  return true
end

local function take_rest(options, words, index)
  for at = index, #words do options[#options + 1] = words[at] end
  return #words + 1
end

--- Take a command line apart: other arguments by number, flags by name (`--a-b` is `a_b`).
---@param command moonpost.cli.Command
---@param words string[]
---@return table|nil options
---@return string|nil reason
function args.parse(command, words)
  local flags, options, index = flags_of(command), {}, 1
  while index <= #words do
    local word = words[index]
    if word == "--" then
      index = take_rest(options, words, index + 1)
    elseif word:find("^%-.") then
      local last, reason = take_flag(flags, options, words, index)
      if not last then return nil, reason end
      index = last + 1
    elseif command.open then
      index = take_rest(options, words, index)
    else
      options[#options + 1] = word
      index = index + 1
    end
  end
  local ok, reason = check_count(command, options)
  if ok then ok, reason = check_verb(command, options) end
  return ok and options, reason
end

--- The rows of a help about flags: those of a verb, or those that all of a command takes. Who reads them knows --help.
---@param command moonpost.cli.Command
---@param verb moonpost.cli.Verb|nil
---@return string[][]
function args.flag_rows(command, verb)
  local rows = {}
  for _, flag in ipairs(command.flags or {}) do
    if not flag.not_yet and args.takes(verb and verb.name, flag) then
      rows[#rows + 1] = { "--" .. flag.name .. (flag.value and " " .. flag.value or ""), flag.help }
    end
  end
  return rows
end

return args
