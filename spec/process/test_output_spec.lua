local node = require "spec.support.node"
local shell = require "spec.support.shell"

local SPECS = {
  ["good_spec.lua"] = [[
    it("passes", function() print("printed") end)
    pending("comes later", function() end)]],
  ["bad_spec.lua"] = [[
    it("fails", function() assert.equal("a\27[1m<b>", "c") end)
    it("raises", function() error({ code = "X" }) end)]],
}

describe("moonpost test", function()
  local folder

  setup(function() folder = node.folder(SPECS) end)
  teardown(function() node.remove(folder) end)

  local function run(words)
    local output, code = shell.run(("%s test %s 2>err"):format(shell.quoted(node.executable()), words), folder)
    return output, code, shell.must("cat err", folder)
  end

  local function read(name)
    local file = assert(io.open(folder .. "/" .. name))
    local text = file:read("*a")
    file:close()
    return text
  end

  it("says in TAP what passed, with the last line as a comment", function()
    local output, code = run "good_spec.lua bad_spec.lua --output tap"
    assert.equal(1, code)
    assert.matches("\nok 1 %- passes\nok 2 %- # SKIP comes later\nnot ok 3 %- fails\n# bad_spec.lua @ 1\n", output)
    assert.matches("\n1%.%.4\n# 1 passed, 2 failed, 1 skipped\n$", output)
    output, code = run "good_spec.lua --output tap"
    assert.equal(0, code)
    assert.matches("# 1 passed, 0 failed, 1 skipped\n$", output)
  end)

  it("says it in JUnit's XML, which has nothing else beside it", function()
    local output, code, errors = run "good_spec.lua bad_spec.lua --output junit"
    assert.equal(1, code)
    assert.matches("^%s*<testsuites .*</testsuites>\n$", output)
    assert.matches("<failure>.*a%?%[1m&lt;b&gt;", output)
    assert.matches('<error>.*code = &quot;X&quot;', output)
    assert.matches("^printed\n1 passed, 2 failed, 1 skipped\n$", errors)
  end)

  it("writes them to a file, beside what people see", function()
    for format, wanted in pairs { tap = "^ok 1 %- passes\n.*1%.%.2\n$", junit = "<testcase .*name='passes'.*</testsuites>\n$" } do
      local output, code = run("good_spec.lua --output " .. format .. " --to results")
      assert.equal(0, code)
      assert.matches("^printed\n.*1 passed, 0 failed, 1 skipped\n$", output)
      assert.matches(wanted, read "results")
    end
  end)

  it("refuses a format that is not there, and a file that cannot be", function()
    local function refuses(words, reason, code)
      local _, got, errors = run("good_spec.lua " .. words)
      assert.truthy(errors:find(reason, 1, true), errors)
      assert.equal(code, got)
    end
    refuses("--output junt", '"junt" is neither tap nor junit; did you mean "junit"?', 2)
    refuses("--to results", "say which: --output junit --to results", 2)
    refuses("--output tap --to /no/such", "--to: /no/such: No such file or directory", 1)
  end)
end)
