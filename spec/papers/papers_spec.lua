local paper = require "spec.support.paper"
local shell = require "spec.support.shell"

local RUN = { "README.md", "docs/first-agent.md", "docs/writing-agents.md", "docs/guarantees.md", "docs/retry-and-acks.md",
  "docs/testing-agents.md", "docs/operating.md" }

describe("a paper", function()
  for _, file in ipairs(RUN) do
    it(("says what happens: %s"):format(file), function()
      assert.is_true(paper.run(file) > 3)
    end)
  end

  it("is not believed when something else happens", function()
    local name = os.tmpname()
    local function refuses(text, reason)
      local file = assert(io.open(name, "w"))
      file:write(text)
      file:close()
      local ok, why = pcall(paper.run, name)
      assert.is_false(ok)
      assert.truthy(tostring(why):find(reason, 1, true), why)
    end
    refuses("    $ echo two\n    one\n", "$ echo two\nsays:\ntwo\nbut the paper shows:\none")
    refuses("    $ (exit 4)\n    $ echo $?\n    5\n", "says:\n4")
    refuses("    $ moonpost run\n    …agents 7\n", "never says: …agents 7")
    os.remove(name)
  end)

  it("leads to places that are there", function()
    for file in shell.must("ls *.md docs/*.md", "."):gmatch("%S+") do
      local folder = file:match("^(.*/)") or ""
      local opened = assert(io.open(file))
      for target in opened:read("*a"):gmatch("%]%(([^)]+)%)") do
        local path, anchor = target:match("^([^#]*)#?(.*)$")
        shell.must("test -e " .. shell.quoted(path == "" and file or folder .. path), ".")
        if anchor ~= "" then
          shell.must(("grep -qi '^#.* %s$' %s"):format(anchor:gsub("-", " "), folder .. path), ".")
        end
      end
      opened:close()
    end
  end)
end)
