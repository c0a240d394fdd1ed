--- Programs that specs run by the shell.
local shell = {}

--- One word of a command.
function shell.quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Run a command in a folder to its end.
---@return string output standard output and error together
---@return integer code
function shell.run(command, folder, variables)
  local parts = { "cd " .. shell.quoted(folder) .. " && " }
  for name, value in pairs(variables or {}) do
    parts[#parts + 1] = ("export %s=%s && "):format(name, shell.quoted(value))
  end
  local pipe = assert(io.popen(("{ %s%s\n} 2>&1 </dev/null; echo $?"):format(table.concat(parts), command)))
  local text = pipe:read("*a")
  pipe:close()
  local output, code = text:match("^(.-)(%d+)\n$")
  return output, tonumber(code)
end

--- The same, and it must succeed.
---@return string output
function shell.must(command, folder, variables)
  local output, code = shell.run(command, folder, variables)
  assert(code == 0, ("%s: exit code %d\n%s"):format(command, code, output))
  return output
end

--- Is this program on the machine?
---@return boolean
function shell.has(program)
  return (select(2, shell.run("command -v " .. program, "."))) == 0
end

return shell
