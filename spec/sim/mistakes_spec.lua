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

  it("a node that is not there, alone and with the nearest", function()
    world:node "shop"
    world:node "bank"
    raises_in_its_line('no node "shpo" here; did you mean "shop"?', function() world:cut("bank", "shpo") end)
    raises_in_its_line('no node "bnak" here; did you mean "bank"?', function() world:heal("bnak", "shop") end)
    raises_in_its_line('no node "shpo" here; did you mean "shop"?', function() world:crash "shpo" end)
    raises_in_its_line('a link has two ends: expected two nodes, got "shop" twice',
      function() world:delay("shop", "shop", "1s") end)
  end)

  it("an argument that is missing or of another type, by its name", function()
    world:node "shop"
    raises_in_its_line("world:cut: b: expected the name of a node, got nil", function() world:cut "shop" end)
    raises_in_its_line("world:rough: a: expected the name of a node, got a table", function() world:rough({}, "shop") end)
    raises_in_its_line("world:receipt: id: expected the id that world:send answers, got a table",
      function() world:receipt {} end)
    raises_in_its_line('world:call: options: expected a table, got "add"', function() world:call("a@x", 1, "add") end)
    raises_in_its_line("world:facts: expected a string, got table", function() world:facts {} end)
  end)

  it("a state that disks do not have", function()
    world:node "shop"
    raises_in_its_line('world:disk: state: expected "failing", "full", "lying", "ok", got "fulll"; did you mean "full"?',
      function() world:disk("shop", "fulll") end)
  end)

  it("a misspelt from, which only worlds have", function()
    raises_in_its_line('world:send: options.form: unknown key; did you mean "from"?',
      function() world:send("a@x", 1, { form = "shop" }) end)
  end)

  it("a name that a fake does not have", function()
    local fake = world:fake "a@x"
    raises_in_its_line('fake.play: unknown; did you mean "plays"?', function() fake:play "ok" end)
    raises_in_its_line('fake.request: unknown; did you mean "requests"?', function() return fake.request[1] end)
  end)

  it("a fuzz whose arguments are in the other order", function()
    raises_in_its_line("test.fuzz: the options come first: test.fuzz({ runs = 100 }, function(world) ... end)",
      function() test.fuzz(function() end, {}) end)
  end)

  it("a method of a later version, which is said to be one", function()
    local ok, reason = pcall(function() world:publish("topic", 1) end)
    assert.is_false(ok)
    assert.equal("UNSUPPORTED: world:publish: not yet in this version", tostring(reason))
  end)
end)
