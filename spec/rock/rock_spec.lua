local node = require "spec.support.node"
local shell = require "spec.support.shell"

if not shell.has "luarocks" then
  print("the specs of the rock are left out: luarocks is not on this machine")
  return
end

local ROCK = {
  ["greeting-1-1.rockspec"] = [[
rockspec_format = "3.0"
package = "greeting"
version = "1-1"
source = { url = "git+file://." }
dependencies = { "lua == 5.1" }
build = { type = "builtin", modules = { greeting = "greeting.lua", ["greeting.word"] = "word.c" } }
]],
  ["greeting.lua"] = 'return { word = require "greeting.word" }\n',
  ["word.c"] = [[
#include <lua.h>
int luaopen_greeting_word(lua_State *L);
int luaopen_greeting_word(lua_State *L)
{
    lua_pushliteral(L, "WORD");
    return 1;
}
]],
}

local PROJECT = {
  ["agents/greeter.lua"] = [[
local greeting = require "greeting"
local moonpost = require "moonpost"
return moonpost.agent { address = "greeter@local", on = { message = function() return greeting.word end } }
]],
  ["spec/greeter_spec.lua"] = [[
it("greets with the tree's own word", function()
  local world = require("moonpost.test").world()
  world:load("agents/greeter.lua")
  assert.equal(os.getenv("WORD"), world:call("greeter@local", {}))
end)
]],
}

-- What is built is that of the executable which runs this: nothing is compiled again.
local build = node.executable():match("/build/(%w+)/bin/moonpost$") or "release"
local source = shell.must("pwd", "."):gsub("\n", "")

describe("the rock", function()
  local home, elsewhere, variables

  local function luarocks(tree, words, folder)
    return shell.must(("luarocks --lua-version 5.1 --tree %s/%s %s"):format(home, tree, words), folder or home, variables)
  end

  local function executable(tree) return home .. "/" .. tree .. "/bin/moonpost" end

  -- A rock made here, in Lua and C, which says `word`.
  local function install_greeting(tree, word)
    local folder = node.folder(ROCK)
    shell.must(("sed -i s/WORD/%s/ word.c"):format(word), folder)
    luarocks(tree, "make", folder)
    node.remove(folder)
  end

  setup(function()
    home = node.folder { ["config.lua"] = "rocks_servers = {}\n" } -- nobody is asked over a network
    elsewhere = node.folder(PROJECT)
    variables = { HOME = home, LUAROCKS_CONFIG = home .. "/config.lua", BUILD = build }
    luarocks("made", "make", source)
    luarocks("made", "pack moonpost")
    luarocks("packed", "install moonpost-scm-1.*.rock")
    install_greeting("made", "hello")
    install_greeting("packed", "ahoy")
  end)
  teardown(function()
    node.remove(home)
    node.remove(elsewhere)
  end)

  it("is in order for luarocks", function()
    shell.must("luarocks --lua-version 5.1 lint rockspec/moonpost-scm-1.rockspec", source, variables)
  end)

  it("is made, and runs from another folder", function()
    assert.matches("^moonpost %d", (node.run({ executable = executable "made", "version" }, elsewhere)))
  end)

  it("is packed, and runs from a tree that the packed rock was installed in", function()
    assert.matches("^moonpost %d", (node.run({ executable = executable "packed", "version" }, elsewhere)))
  end)

  it("brings its scenarios along", function()
    local output, code = node.run({ executable = executable "packed", "example", "run", "lost-ack", "--virtual" }, elsewhere)
    assert.truthy(output:find("PASS 5/5 checks", 1, true), output)
    assert.equal(0, code)
  end)

  it("leaves specs and tools of the build behind", function()
    assert.equal("", shell.must("find packed -name specs.sh -o -name '*_spec.lua' -o -name '*.service'", home))
  end)

  it("has agents that find the rocks of its tree, and of no other tree beside it", function()
    for tree, word in pairs { made = "hello", packed = "ahoy" } do
      local output = node.run({ executable = executable(tree), "test" }, elsewhere, { WORD = word })
      assert.truthy(output:find("1 passed, 0 failed", 1, true), output)
    end
  end)

  it("runs a node whose agents find the rocks of its tree", function()
    local running = node.start({ executable = executable "packed", "run" }, elsewhere, "listening unix:")
    local output = node.run({ executable = executable "made", "send", "greeter@local", "hi", "--await", "handled" }, elsewhere)
    running:stop()
    assert.truthy(output:find('result="ahoy"', 1, true), output)
  end)

  it("finds the rocks of a project's own lua_modules before those of its tree", function()
    local module = elsewhere .. "/lua_modules/share/lua/5.1"
    shell.must(("mkdir -p %s && echo 'return { word = \"mine\" }' >%s/greeting.lua"):format(module, module), elsewhere)
    local output = node.run({ executable = executable "packed", "test" }, elsewhere, { WORD = "mine" })
    shell.must("rm -r lua_modules", elsewhere)
    assert.truthy(output:find("1 passed, 0 failed", 1, true), output)
  end)

  it("is installed from a source rock, and removed again with nothing left but rocks of others", function()
    shell.must(("ROCK_ALSO='build/%s build/lua.list' sh scripts/build/rock.sh 9.9.9 %s"):format(build, home), source, variables)
    luarocks("source", "install moonpost-9.9.9-1.src.rock")
    assert.matches("^moonpost %d", (node.run({ executable = executable "source", "version" }, elsewhere)))
    luarocks("source", "remove moonpost")
    assert.equal("", shell.must("find source -type f ! -name manifest*", home))
    luarocks("made", "remove moonpost")
    assert.equal("made/lib/lua/5.1/greeting/word.so\nmade/share/lua/5.1/greeting.lua\n",
      shell.must("find made -type f -path '*lua/5.1*' | sort", home))
    assert.equal("", shell.must("find made -name 'moonpost*'", home))
  end)
end)
