local node = require "spec.support.node"
local shell = require "spec.support.shell"

describe("moonpost new", function()
  local folder, said, code

  setup(function()
    folder = node.folder()
    said, code = node.run({ "new", "greeter" }, folder)
  end)
  teardown(function() node.remove(folder) end)

  local function read(name)
    return shell.must("cat greeter/" .. name, folder)
  end

  it("makes a project and says what is in it", function()
    assert.equal(0, code)
    for _, file in ipairs { "node.lua", "agents/greeter.lua", "spec/greeter_spec.lua", ".luarc.json", ".luacheckrc" } do
      assert.truthy(said:find("created  " .. file, 1, true), said)
      assert.is_true(#read(file) > 0)
    end
  end)

  it("names the next three commands", function()
    assert.truthy(said:find("cd greeter && moonpost test\n", 1, true), said)
    assert.truthy(said:find("moonpost run\n", 1, true), said)
    assert.truthy(said:find([[moonpost send greeter@local '{"name":"Ada"}' --await handled]], 1, true), said)
  end)

  it("makes specs that pass at once", function()
    local output = node.run({ "test" }, folder .. "/greeter")
    assert.matches("2 passed, 0 failed\n$", output)
  end)

  it("makes an agent that answers at once", function()
    local running = node.start({ "run" }, folder .. "/greeter", "listening unix:")
    local output = node.run({ "send", "greeter@local", '{"name":"Ada"}', "--await", "handled" }, folder .. "/greeter")
    running:stop()
    assert.truthy(output:find('result={"text":"hello Ada"}', 1, true), output)
  end)

  it("shows every default that the stock settings show", function()
    local function without_heading(text) return (text:gsub("^[^\n]*\n", "")) end
    assert.equal(without_heading(shell.must("cat scripts/node.lua", ".")), without_heading(read "node.lua"))
  end)

  it("tells editors where the types of the API are", function()
    local settings = require("moonpost").json.decode(read ".luarc.json")
    local types = settings["workspace.library"][1]
    assert.truthy(shell.must("cat moonpost.lua", types):find("---@meta moonpost", 1, true))
  end)

  it("makes a project that luacheck has nothing to say about", function()
    if not shell.has "luacheck" then return end
    shell.must("luacheck -q .", folder .. "/greeter")
  end)

  it("refuses a folder that is there already, and leaves it alone", function()
    shell.must("mkdir mine && echo mine >mine/note", folder)
    local output, refused = node.run({ "new", "mine" }, folder)
    assert.equal(1, refused)
    assert.truthy(output:find("mine is here already", 1, true), output)
    assert.equal("note\n", shell.must("ls -A mine", folder))
  end)

  it("refuses names that are no names of agents", function()
    for _, name in ipairs { "Greeter", "a b", "../x", "9lives", "a@b", "", "moonpost" } do
      assert.equal(2, (select(2, node.run({ "new", name }, folder))), name)
    end
  end)
end)
