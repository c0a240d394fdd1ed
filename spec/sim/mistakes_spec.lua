local test = require "moonpost.test"

describe("a mistake in a spec names its line:", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  local function raises_in_its_line(text, act)
    local ok, reason = pcall(act)
    assert.is_false(ok)
    local line = debug.getinfo(act, "S").linedefined
    assert.equal(("mistakes_spec.lua:%d: %s"):format(line, text), (reason:gsub("^.*/", "")))
  end

  it("a method that is called with a dot", function()
    raises_in_its_line("world.send is called with a dot; write world:send(...)", function() world.send("a@x", 1) end)
  end)

  it("a method that is not there", function()
    raises_in_its_line('world:laod: unknown; did you mean "load"?', function() world:laod "a.lua" end)
  end)

  it("a fact that is not there", function()
    local id = world:send("a@x", 1)
    raises_in_its_line('world:times: no fact is called "handeld"; did you mean "handled"?',
      function() world:times(id, "handeld") end)
  end)

  it("a file that is not there, and a node that is not or does not run", function()
    world:node "owner"
    raises_in_its_line("cannot open none.lua: No such file or directory", function() world:load "none.lua" end)
    raises_in_its_line('this world has no node "onwer"', function() world:send("a@x", 1, { from = "onwer" }) end)
    world:crash "owner"
    raises_in_its_line('node "owner" is down; start it with world:restart', function() world:send("a@x", 1) end)
  end)

  it("a method of a later version, which is said to be one", function()
    local ok, reason = pcall(function() world:publish("topic", 1) end)
    assert.is_false(ok)
    assert.equal("UNSUPPORTED: world:publish: not yet in this version", tostring(reason))
  end)
end)
