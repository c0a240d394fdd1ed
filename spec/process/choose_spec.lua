local node = require "spec.support.node"

describe("moonpost choose", function()
  local folder

  before_each(function() folder = node.folder {} end)
  after_each(function() node.remove(folder) end)

  local function choose(...)
    return node.run({ "choose", ... }, folder)
  end

  local CASES = {
    { "at-most-once", "--may-lose", "yes" },
    { "at-least-once", "--may-lose", "no", "--idempotent", "yes" },
    { "dedup = {", "--may-lose", "no", "--idempotent", "no", "--outside", "yes" },
    { "exactly-once", "--may-lose", "no", "--idempotent", "no", "--outside", "no" },
  }
  for _, case in ipairs(CASES) do
    it("says " .. case[1] .. " to " .. table.concat(case, " ", 2), function()
      local output, code = choose(unpack(case, 2))
      assert.truthy(output:find(case[1], 1, true), output)
      assert.equal(0, code)
    end)
  end

  it("says what is missing where nobody can be asked", function()
    local output, code = choose("--may-lose", "no")
    assert.truthy(output:find("nobody can be asked here; say --idempotent yes or --idempotent no", 1, true), output)
    assert.equal(2, code)
  end)

  it("wants yes or no", function()
    local output, code = choose("--may-lose", "perhaps")
    assert.truthy(output:find('--may-lose: "perhaps" is neither yes nor no', 1, true), output)
    assert.equal(2, code)
  end)
end)
