-- From a rock to an agent that answers, as somebody does it who has luarocks and no network.
local node = require "spec.support.node"
local shell = require "spec.support.shell"

if not shell.has "luarocks" then
  print("the journey of installing a rock is left out: luarocks is not on this machine")
  return
end

local build = node.executable():match("/build/(%w+)/bin/moonpost$") or "release"
local source = shell.must("pwd", "."):gsub("\n", "")

describe("the journey of installing by luarocks", function()
  local home, variables, running

  setup(function()
    home = node.folder { ["config.lua"] = "rocks_servers = {}\n" } -- nobody is asked over a network
    variables = { HOME = home, LUAROCKS_CONFIG = home .. "/config.lua" }
    shell.must("mkdir project elsewhere", home)
    shell.must(("ROCK_ALSO='build/%s build/lua.list' sh scripts/build/rock.sh 0.1.0 %s"):format(build, home), source, variables)
  end)
  teardown(function()
    if running then running:stop() end
    node.remove(home)
  end)

  local function luarocks(tree, words)
    return shell.must(("luarocks --lua-version 5.1 --tree %s/%s %s"):format(home, tree, words), home, variables)
  end

  -- As typed in a shell whose PATH luarocks has set.
  local function types(command, expected, code)
    local path = ('eval "$(luarocks --lua-version 5.1 --tree %s/tree path --bin)" && '):format(home)
    local output, got = shell.run(path .. command, home .. "/project", variables)
    assert.equal(code or 0, got, output)
    assert.truthy(output:find(expected), output)
  end

  it("begins with a source rock, and asks for no other rock", function()
    luarocks("tree", "install moonpost-0.1.0-1.src.rock")
    assert.equal("moonpost\t0.1.0-1\tinstalled\n", luarocks("tree", "list --porcelain"):gsub("\t/[^\n]*", ""))
  end)

  it("has the command in the tree's bin, and it says of what it is made", function()
    types("moonpost version", "^moonpost %d+%.%d+%.%d+ .*LuaJIT 2%.1.*libuv %d.*LMDB %d")
    types("command -v moonpost", "^" .. home:gsub("%p", "%%%0") .. "/tree/bin/moonpost\n$")
  end)

  it("finds nothing wrong with the machine, and runs a scenario that came along", function()
    types("moonpost doctor", "^note  no%-node: .*\n0 problems, 1 note  %(no node;")
    types("moonpost example run lost-ack --virtual", "PASS 5/5 checks")
  end)

  it("makes a project whose specs pass and whose agent answers", function()
    types("moonpost new greeter && cd greeter && moonpost test", "\n2 passed, 0 failed\n$")
    running = node.start({ executable = home .. "/tree/bin/moonpost", "run" }, home .. "/project/greeter", "listening unix:")
    types([[cd greeter && moonpost send greeter@local '{"name":"Ada"}' --await handled]],
      '^ack ok=true level=handled ref=%w+ attempt=1 result={"text":"hello Ada"}\n$')
    types("cd greeter && moonpost doctor", "^0 problems, ")
  end)

  it("goes to another machine as a packed rock, and runs there", function()
    luarocks("tree", "pack moonpost")
    luarocks("elsewhere", "install moonpost-0.1.0-1.linux-*.rock")
    local output = node.run({ executable = home .. "/elsewhere/bin/moonpost", "send", "greeter@local", "{}", "--node",
      home .. "/project/greeter" }, "/")
    assert.truthy(output:find("^ack ok=true level=stored"), output)
  end)

  it("is removed with nothing left but what its nodes keep", function()
    running:stop()
    running = nil
    luarocks("tree", "remove moonpost")
    assert.equal("", shell.must("find tree -type f ! -name 'manifest*' ! -name index.html", home))
    shell.must("test -s project/greeter/data/data.mdb && test -x elsewhere/bin/moonpost", home)
  end)
end)
