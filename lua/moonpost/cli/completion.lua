--- `moonpost completion`: what shells complete, and the manual page; both are made of the table of commands.
local args = require "moonpost.cli.args"
local help = require "moonpost.cli.help"

local FLAG_OF_ALL = { name = "help" }

-- What a flag takes by how its value is called, unless it says so itself.
local BY_VALUE = {
  PROFILE = { choices = { "at-least-once", "at-most-once", "exactly-once" } },
  SYNC = { choices = { "commit", "relaxed" } },
  FILE = { takes = "file" },
  FOLDER = { takes = "folder" },
}

local function commands()
  return require("moonpost.cli.commands").list
end

local function flags_of(command)
  local flags = {}
  for _, flag in ipairs(command.flags or {}) do
    local usual = BY_VALUE[flag.value] or FLAG_OF_ALL
    local full = setmetatable({ choices = flag.choices or usual.choices, takes = flag.takes or usual.takes },
      { __index = flag })
    if not flag.not_yet then flags[#flags + 1] = full end
  end
  flags[#flags + 1] = FLAG_OF_ALL
  return flags
end

--- What the first argument can be, as words.
local function words_of(command)
  return command.verbs and args.verb_names(command) or command.choices or {}
end

local function names(list)
  local found = {}
  for index, item in ipairs(list) do found[index] = item.name end
  return found
end

-- ---- bash ----

local BASH = [[
# bash completion of moonpost:  source <(moonpost completion bash)
_moonpost() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"
  local words="" files=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="@COMMANDS@ help --help --version"
  else
    case "$command:$before" in
@VALUES@      *:*)
        case "$command:${COMP_WORDS[2]}" in
@WORDS@          help:*) words="@COMMANDS@" ;;
        esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ -n "$files" ] && [ "${word#-}" = "$word" ]; then
    COMPREPLY+=($(compgen "$files" -- "$word"))
    compopt -o filenames 2>/dev/null
  fi
  return 0
}
complete -F _moonpost moonpost
]]

local COMPGEN = { file = "-f", folder = "-d" }

local function bash_value(command, flag)
  if not flag.value then return nil end
  local body = flag.choices and ('words="%s"'):format(table.concat(flag.choices, " "))
    or flag.takes and ('files="%s"'):format(COMPGEN[flag.takes]) or ":"
  return ("      %s:--%s) %s ;;\n"):format(command.name, flag.name, body)
end

-- What can be behind `second`, which is what the first word may look like.
local function bash_case(command, second, list)
  local files = COMPGEN[command.takes] and (' files="%s"'):format(COMPGEN[command.takes]) or ""
  local all = command.takes == "command" and " @COMMANDS@" or ""
  return ('          %s:%s) words="%s%s"%s ;;\n'):format(command.name, second, table.concat(list, " "), all, files)
end

local function bash_words(command)
  local cases, any = {}, { unpack(words_of(command)) }
  for _, verb in ipairs(command.verbs or {}) do
    local list = { verb.name }
    for _, flag in ipairs(flags_of(command)) do
      if args.takes(verb.name, flag) then list[#list + 1] = "--" .. flag.name end
    end
    cases[#cases + 1] = bash_case(command, verb.name, list)
  end
  for _, flag in ipairs(flags_of(command)) do any[#any + 1] = "--" .. flag.name end
  return table.concat(cases) .. bash_case(command, "*", any)
end

local function bash()
  local values, texts = {}, {}
  for _, command in ipairs(commands()) do
    for _, flag in ipairs(flags_of(command)) do values[#values + 1] = bash_value(command, flag) end
    texts[#texts + 1] = bash_words(command)
  end
  local parts = { VALUES = table.concat(values), WORDS = table.concat(texts) }
  local text = BASH:gsub("@(%u+)@", parts)
  return (text:gsub("@COMMANDS@", table.concat(names(commands()), " ")))
end

-- ---- zsh ----

local ZSH = [[
#compdef moonpost
# zsh completion of moonpost:  moonpost completion zsh > "${fpath[1]}/_moonpost"
_moonpost() {
  local -a commands=(
@COMMANDS@    'help:what a command does'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
@CASES@    help) _describe command commands ;;
  esac
}
if [ "$funcstack[1]" = _moonpost ]; then _moonpost "$@"; else compdef _moonpost moonpost; fi
]]

-- In single quotes, where brackets and colons mean something to _arguments.
local function zsh_text(text)
  return (text:gsub("'", "'\\''"):gsub("[%[%]:]", "\\%0"))
end

local ZSH_TAKES = { file = "_files", folder = "_files -/" }

local function zsh_value(flag)
  if not flag.value then return "" end
  local action = flag.choices and ("(%s)"):format(table.concat(flag.choices, " ")) or ZSH_TAKES[flag.takes] or " "
  return (":%s:%s"):format(zsh_text(flag.value), action)
end

local function zsh_case(command)
  local lines = { ("    %s)\n      shift words; (( CURRENT-- ))\n      _arguments"):format(command.name) }
  for _, flag in ipairs(flags_of(command)) do
    lines[#lines + 1] = ("        '%s--%s[%s]%s'"):format(flag.many and "*" or "", flag.name,
      zsh_text(flag.help or "this text"), zsh_value(flag))
  end
  local words = words_of(command)
  if #words > 0 then lines[#lines + 1] = ("        '1:word:(%s)'"):format(table.concat(words, " ")) end
  local rest = ZSH_TAKES[command.takes]
  if rest then lines[#lines + 1] = ("        '*:%s:%s'"):format(command.takes, rest) end
  return table.concat(lines, " \\\n") .. " ;;\n"
end

local function zsh()
  local list, cases = {}, {}
  for index, command in ipairs(commands()) do
    list[index] = ("    '%s:%s'\n"):format(command.name, zsh_text(command.summary))
    cases[index] = zsh_case(command)
  end
  return (ZSH:gsub("@(%u+)@", { COMMANDS = table.concat(list), CASES = table.concat(cases) }))
end

-- ---- fish ----

local function fish_text(text)
  return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

local function fish_flag(command, flag)
  local value = flag.value and " -r" or ""
  if flag.choices then value = (" -x -a %s"):format(fish_text(table.concat(flag.choices, " "))) end
  if flag.takes then value = " -r -F" end
  local verbs = flag.verbs and "; and __fish_seen_subcommand_from " .. table.concat(flag.verbs, " ") or ""
  return ("complete -c moonpost -n '__fish_seen_subcommand_from %s%s' -l %s%s -d %s"):format(command.name, verbs,
    flag.name, value, fish_text(flag.help or "this text"))
end

local function fish()
  local lines = { "# fish completion of moonpost:  moonpost completion fish | source", "complete -c moonpost -f" }
  for _, command in ipairs(commands()) do
    local seen = ("-n '__fish_seen_subcommand_from %s'"):format(command.name)
    lines[#lines + 1] = ("complete -c moonpost -n __fish_use_subcommand -a %s -d %s"):format(command.name,
      fish_text(command.summary))
    local words = words_of(command)
    if #words > 0 then
      lines[#lines + 1] = ("complete -c moonpost %s -a %s"):format(seen, fish_text(table.concat(words, " ")))
    end
    if COMPGEN[command.takes] then lines[#lines + 1] = ("complete -c moonpost %s -F"):format(seen) end
    for _, flag in ipairs(flags_of(command)) do lines[#lines + 1] = fish_flag(command, flag) end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- the manual page ----

local function roff(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^[.']", "\\&%0"):gsub("\n([.'])", "\n\\&%1"))
end

local function man_details(lines, about)
  for _, part in ipairs(about.details and help.paragraphs(about.details) or {}) do
    lines[#lines + 1] = ".IP"
    if part.line then lines[#lines + 1] = ".nf" end
    lines[#lines + 1] = roff(part.prose or part.line:gsub("^  ", ""))
    if part.line then lines[#lines + 1] = ".fi" end
  end
end

local function of_verbs(flag)
  return flag.verbs and table.concat(flag.verbs, ", ") .. ": " or ""
end

local function man_flags(lines, command)
  for _, flag in ipairs(flags_of(command)) do
    if flag ~= FLAG_OF_ALL then
      lines[#lines + 1] = ".IP"
      lines[#lines + 1] = ("\\fB%s\\fR%s: %s"):format(roff("--" .. flag.name),
        flag.value and " \\fI" .. roff(flag.value) .. "\\fR" or "", roff(of_verbs(flag) .. flag.help))
    end
  end
end

local function man_examples(lines, about)
  for _, example in ipairs(about.examples or {}) do
    lines[#lines + 1] = ".IP"
    lines[#lines + 1] = ("Example: %s (%s)"):format(roff(example[1]), roff(example[2]))
  end
end

local function man_command(lines, command)
  lines[#lines + 1] = ".TP"
  lines[#lines + 1] = "\\fBmoonpost " .. roff(command.usage) .. "\\fR"
  lines[#lines + 1] = roff(command.summary)
  man_details(lines, command)
  for _, verb in ipairs(command.verbs or {}) do
    lines[#lines + 1] = (".IP\n\\fB%s\\fR: %s"):format(roff(help.verb_usage(verb)), roff(verb.summary))
    man_details(lines, verb)
    man_examples(lines, verb)
  end
  man_flags(lines, command)
  man_examples(lines, command)
end

local MAN_HEAD = [[
.TH MOONPOST 1 "" "moonpost @VERSION@" "User commands"
.SH NAME
moonpost \- messages between agents written in Lua
.SH SYNOPSIS
\fBmoonpost\fR \fICOMMAND\fR [\fIARGUMENTS\fR]
.SH DESCRIPTION
A messaging runtime: agents are Lua files, messages are kept on disk and delivered at least once. Data goes to
standard output, notes and logs to standard error. \fBmoonpost help\fR \fICOMMAND\fR tells of one command.
.SH COMMANDS]]

local MAN_TAIL = [[
.SH ENVIRONMENT
Stronger than node.lua and weaker than flags; \fBmoonpost config \-\-explain\fR says where each value comes from. With
_FILE appended, each of them names a file to read the value from.
.TP
\fBMOONPOST_NODE\fR
which node the commands speak to: the path of its socket, or its folder
.TP
\fBMOONPOST_{NAME,STORE,SYNC,PROFILE,LOG,SHOW_ENVELOPES}\fR
as the flags of \fBmoonpost run\fR
.TP
\fBMOONPOST_{SEND,HANDLE,LINK}_{ATTEMPTS,FIRST,FACTOR,CAP,JITTER}\fR, \fBMOONPOST_SEND_DEADLINE\fR
the retry policies of the node's two roles and of its links
.TP
\fBMOONPOST_SEED\fR
of everything random in specs
.TP
\fBNO_COLOR\fR
no colours
.SH FILES
.TP
\fInode.lua\fR
settings
.TP
\fIagents/*.lua\fR, \fIhooks/*.lua\fR, \fIpolicies/*.lua\fR, \fIlua/\fR
agents, hooks, policies by name, modules
.TP
\fIdata/\fR
what the node keeps, and its socket \fImoonpost.sock\fR]]

local function man()
  local lines = { (MAN_HEAD:gsub("@VERSION@", require("moonpost").VERSION)) }
  for _, command in ipairs(commands()) do man_command(lines, command) end
  lines[#lines + 1] = ".SH EXIT STATUS"
  for _, row in ipairs(help.EXIT_CODES) do
    lines[#lines + 1] = (".TP\n\\fB%s\\fR\n%s"):format(row[1], roff(row[2]))
  end
  lines[#lines + 1] = MAN_TAIL
  return table.concat(lines, "\n") .. "\n"
end

local MAKE = { bash = bash, zsh = zsh, fish = fish, man = man }

return {
  name = "completion",
  usage = "completion bash|zsh|fish|man",
  verbs = {
    { name = "bash", summary = "a script for bash", examples = {
      { "source <(moonpost completion bash)", "complete in this bash" } } },
    { name = "zsh", summary = "a script for zsh", examples = {
      { [[moonpost completion zsh > "${fpath[1]}/_moonpost"]], "of each new zsh" } } },
    { name = "fish", summary = "a script for fish", examples = {
      { "moonpost completion fish | source", "complete in this fish" } } },
    { name = "man", summary = "the manual page, which make install puts in its place", examples = {
      { "moonpost completion man | man -l -", "read it" } } },
  },
  summary = "completion for your shell, and the manual page",
  at_least = 1,
  at_most = 1,
  examples = {
    { "moonpost completion man | man -l -", "read the manual page" },
    { "source <(moonpost completion bash)", "complete in this bash" },
  },
  run = function(options)
    io.stdout:write(MAKE[options[1]]())
    return 0
  end,
}
