local node = require "spec.support.node"
local shell = require "spec.support.shell"

-- What the build says on a system where pkg-config finds only `found`.
local function says(release, found)
  local folder = node.folder {
    ["os-release"] = release,
    ["bin/pkg-config"] = '#!/bin/sh\nfor name in ' .. found .. '; do [ "$2" = "$name" ] && exit 0; done; exit 1\n',
  }
  shell.must("chmod +x bin/pkg-config", folder)
  local command = ("PATH=%s/bin:$PATH OS_RELEASE=%s/os-release sh scripts/build/missing.sh"):format(folder, folder)
  local output, code = shell.run(command, ".")
  node.remove(folder)
  return output, code
end

describe("a library that is missing", function()
  local SYSTEMS = {
    { "Debian", "ID=debian\n", "apt-get install liblmdb-dev" },
    { "Ubuntu", "ID=ubuntu\nID_LIKE=debian\n", "apt-get install liblmdb-dev" },
    { "Fedora", "ID=fedora\n", "dnf install lmdb-devel" },
    { "Rocky Linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install lmdb-devel" },
    { "Arch", "ID=arch\n", "pacman -S lmdb" },
    { "Alpine", "ID=alpine\n", "apk add lmdb-dev" },
    { "openSUSE", 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "zypper install lmdb-devel" },
  }

  for _, system in ipairs(SYSTEMS) do
    it("has its package's name on " .. system[1], function()
      local output, code = says(system[2], "luajit jansson libuv")
      assert.equal("moonpost: needed to build, and not found: LMDB\nmoonpost: install with:  " .. system[3] .. "\n", output)
      assert.equal(1, code)
    end)
  end

  it("comes with all others that are missing, in one line", function()
    local output = says("ID=alpine\n", "jansson")
    assert.truthy(output:find("not found: LuaJIT, libuv, LMDB\n", 1, true), output)
    assert.truthy(output:find("apk add luajit-dev libuv-dev lmdb-dev\n", 1, true), output)
  end)

  it("has the name that pkg-config knows on a system that nobody has heard of", function()
    assert.truthy((says("ID=plan9\n", "luajit libuv jansson")):find("the development files of: lmdb; pkg-config", 1, true))
  end)

  it("is not spoken of when all are there", function()
    assert.same({ "", 0 }, { says("ID=fedora\n", "luajit jansson libuv lmdb") })
  end)
end)
