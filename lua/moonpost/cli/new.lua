--- `moonpost new`: a project with one agent and its spec.
local installed = require "moonpost.installed"
local json = require "moonpost.json"
local scaffold = require "moonpost.cli.scaffold"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE, FAILED = 2, 1
local NAME_MAX = 64
local NEXT = [[

next:    cd %s && moonpost test
         moonpost run
         moonpost send %s@local '{"name":"Ada"}' --await handled]]

local function check(name)
  if not name:find("^%l[%l%d_-]*$") or #name > NAME_MAX then
    return ("%q: a name is small letters, digits, - and _, and begins with a letter"):format(name)
  end
  if name == "moonpost" then return '"moonpost": a project with this name would be taken for the library' end
end

local function write(path, text)
  local file, reason = io.open(path, "w")
  if not file then return nil, reason end
  local ok, wrong = file:write(text)
  local closed, why = file:close()
  return ok and closed, wrong or why
end

-- Where the editor finds the types of the API: a path of this machine.
local function library()
  local folder = installed.folder "meta"
  return json.encode(folder and { folder } or require("moonpost").array {})
end

local function make(name, files)
  for _, folder in ipairs { name, name .. "/agents", name .. "/spec" } do
    local ok, reason = shell.make_folder(folder)
    if not ok then return nil, reason end
  end
  for _, file in ipairs(files) do
    local ok, reason = write(name .. "/" .. file[1], file[2])
    if not ok then return nil, reason end
  end
  return true
end

local function say(name, files)
  local rows = {}
  for index, file in ipairs(files) do rows[index] = { file[1], file[3] } end
  term.out(term.columns(rows, "created  "))
  term.note(NEXT:format(name, name))
end

return {
  name = "new",
  usage = "new NAME",
  summary = "a project with settings, one agent and its spec",
  details = [[
  Makes the folder NAME, which must not be there: node.lua, agents/NAME.lua, spec/NAME_spec.lua, and
  files for editors and luacheck. The agent's address is NAME@local.]],
  at_least = 1,
  at_most = 1,
  examples = { { "moonpost new greeter", "then: cd greeter && moonpost test" } },
  run = function(options)
    local name = options[1]
    local wrong = check(name)
    if wrong then
      term.complain("new", wrong)
      return USAGE
    end
    if shell.kind(name) then
      term.complain("new", ("%s is here already; choose another name, or work in it"):format(name))
      return FAILED
    end
    local files = scaffold.files(name, library())
    local ok, reason = make(name, files)
    if ok then
      say(name, files)
      return 0
    end
    shell.remove_tree(name)
    term.complain("new", reason)
    return FAILED
  end,
}
