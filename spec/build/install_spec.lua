local node = require "spec.support.node"
local shell = require "spec.support.shell"

local build = node.executable():match("/build/(%w+)/bin/moonpost$") or "release"

describe("make install", function()
  local root

  setup(function()
    root = node.folder()
    shell.must(("make -s install BUILD=%s DESTDIR=%s PREFIX=/usr"):format(build, root), ".")
  end)
  teardown(function() node.remove(root) end)

  it("puts an executable into PREFIX/bin that runs from any folder", function()
    assert.matches("^moonpost %d", (node.run({ executable = root .. "/usr/bin/moonpost", "version" }, "/")))
  end)

  it("puts scenarios where the executable looks for them", function()
    local output = node.run({ executable = root .. "/usr/bin/moonpost", "example", "ls" }, "/")
    assert.truthy(output:find("lost-ack-dedup", 1, true), output)
  end)

  it("puts scenarios there that can be explained, and copied to where they run", function()
    local moonpost = root .. "/usr/bin/moonpost"
    local text = shell.must(moonpost .. " example explain reload", "/")
    assert.truthy(text:find(root .. "/usr/share/moonpost/examples/reload/README.md", 1, true), text)
    local home = node.folder()
    shell.must(moonpost .. " example copy lost-ack-dedup", home)
    local output = shell.must("make -s run-virtual MOONPOST=" .. moonpost, home .. "/lost-ack-dedup")
    node.remove(home)
    assert.truthy(output:find("PASS 5/5 checks", 1, true), output)
  end)

  it("puts stock scripts and editor types beside them, and nothing of the build", function()
    local share = root .. "/usr/share/moonpost"
    assert.equal("examples\nmeta\nscripts\n", shell.must("ls", share))
    assert.equal("agents\nhooks\nnode.lua\npolicies\n", shell.must("ls scripts", share))
  end)

  it("puts a unit for systemd that starts the executable where it will be", function()
    local unit = shell.must("cat usr/lib/systemd/system/moonpost@.service", root)
    assert.truthy(unit:find("Type=notify", 1, true))
    assert.truthy(unit:find("ExecStart=/usr/bin/moonpost run --no-respawn", 1, true), unit)
    assert.is_nil(unit:find("@BINDIR@", 1, true))
  end)

  it("puts the manual page and the completions where the system looks for them", function()
    local page = shell.must("cat usr/share/man/man1/moonpost.1", root)
    assert.equal(page, (node.run({ executable = root .. "/usr/bin/moonpost", "completion", "man" }, "/")))
    for _, path in ipairs { "bash-completion/completions/moonpost", "zsh/site-functions/_moonpost",
      "fish/vendor_completions.d/moonpost.fish" } do
      assert.truthy(shell.must("cat usr/share/" .. path, root):find("doctor", 1, true), path)
    end
  end)

  it("leaves the unit out when nobody wants it", function()
    local other = node.folder()
    shell.must(("make -s install BUILD=%s DESTDIR=%s UNITDIR="):format(build, other), ".")
    local found = shell.must("find . -name '*.service'", other)
    node.remove(other)
    assert.equal("", found)
  end)
end)
