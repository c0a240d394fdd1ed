local node = require "spec.support.node"
local shell = require "spec.support.shell"

--- The commands of the help, which comes from the same table.
local function commands()
  local names = {}
  local all = node.run({ "help", "commands" }, ".")
  for name in all:match("Commands\n(.-)\n\n"):gmatch("%f[^\n%z]  (%l+)") do names[#names + 1] = name end
  return names
end

--- What bash offers for these words.
local function offered(words, where)
  local list = {}
  for index, word in ipairs(words) do list[index] = shell.quoted(word) end
  local script = ("source <(%s completion bash); COMP_WORDS=(moonpost %s); COMP_CWORD=%d; _moonpost; "
    .. 'printf "%%s\\n" "${COMPREPLY[@]}"'):format(node.executable(), table.concat(list, " "), #words)
  local output = shell.must("bash -c " .. shell.quoted(script), where or ".")
  local set = {}
  for word in output:gmatch("[^\n]+") do set[word] = true end
  return set
end

describe("moonpost completion", function()
  it("completes commands, verbs, flags and their values in bash", function()
    local all = offered { "" }
    for _, name in ipairs(commands()) do assert.is_true(all[name], name) end
    assert.same({ dlq = true, doctor = true }, offered { "d" })
    assert.is_true(offered({ "dlq", "" }).show)
    assert.is_true(offered({ "config", "--ex" })["--explain"])
    assert.same({ ["at-most-once"] = true }, offered { "run", "--profile", "at-m" })
    assert.is_true(offered({ "help", "" }).check)
  end)

  it("completes a verb's own flags in bash", function()
    assert.is_true(offered({ "dlq", "requeue", "" })["--rate"])
    assert.is_nil(offered({ "dlq", "ls", "" })["--rate"])
    assert.is_true(offered({ "dlq", "--ra" })["--rate"])
  end)

  it("completes files where a command takes them", function()
    local folder = node.folder { ["agents/a.lua"] = "" }
    local files = offered({ "check", "agents/" }, folder)
    node.remove(folder)
    assert.same({ ["agents/a.lua"] = true }, files)
  end)

  it("offers no flag that a command refuses", function()
    assert.is_nil(offered({ "run", "" })["--fault"])
  end)

  for _, name in ipairs { "bash", "zsh", "fish" } do
    it("prints a script that " .. name .. " can read", function()
      local script = node.run({ "completion", name }, ".")
      for _, command in ipairs(commands()) do assert.truthy(script:find("%f[%w]" .. command .. "%f[%W]"), command) end
      if shell.has(name) then shell.must(("%s completion %s | %s -n"):format(node.executable(), name, name), ".") end
    end)
  end

  it("names the shells when another is asked for", function()
    local output, code = node.run({ "completion", "tcsh" }, ".")
    assert.equal(2, code)
    assert.truthy(output:find('"tcsh" is none of bash, zsh, fish, man', 1, true), output)
  end)

  it("makes a manual page of all commands that is well formed", function()
    local page = node.run({ "completion", "man" }, ".")
    for _, command in ipairs(commands()) do assert.truthy(page:find("\\fBmoonpost " .. command, 1, true), command) end
    for _, text in ipairs { "requeue [ID...]", "requeue: 10/s, 100/m" } do
      assert.truthy(page:find(text, 1, true), text)
    end
    if not shell.has "groff" then return end
    local warnings = shell.must(node.executable() .. " completion man | groff -man -Tutf8 -ww >/dev/null", ".")
    assert.equal("", warnings)
  end)
end)
