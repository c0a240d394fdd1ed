local json = require "moonpost".json
local node = require "spec.support.node"

local HEAD = 'local moonpost = require "moonpost"\n'
local GOOD = HEAD .. 'return moonpost.agent { address = "good@local", on = { message = function() end } }\n'

describe("moonpost check", function()
  local folder

  local function project(files)
    folder = node.folder(files)
  end

  after_each(function() node.remove(folder) end)

  local function found(words, where)
    local output, code = node.run({ "check", "--json", unpack(words or {}) }, where or folder)
    local list = assert(json.decode(output), output)
    return list, code
  end

  --- The one fault of a project.
  local function only(files)
    project(files)
    local list, code = found()
    assert.equal(1, code)
    assert.equal(1, #list)
    return list[1]
  end

  local function agent(body)
    return only { ["agents/a.lua"] = HEAD .. "return moonpost.agent {\n  address = \"a@local\",\n" .. body .. "\n}\n" }
  end

  local function settings(body)
    return only { ["node.lua"] = HEAD .. "return moonpost.node {\n" .. body .. "\n}\n", ["agents/good.lua"] = GOOD }
  end

  local MESSAGE = "on = { message = function() end },"

  it("finds nothing in a new project, and starts nothing", function()
    project()
    node.run({ "new", "demo" }, folder)
    local output, code = node.run({ "check" }, folder .. "/demo")
    assert.equal("3 files, nothing found\n", output)
    assert.equal(0, code)
    assert.is_nil(io.open(folder .. "/demo/data/moonpost.pid"))
  end)

  it("names file, line, rule and fix", function()
    project { ["agents/a.lua"] = HEAD .. "local x = = 3\n" }
    local output, code = node.run({ "check" }, folder)
    assert.equal(1, code)
    assert.equal("agents/a.lua:2: syntax: unexpected symbol near '='\n  fix: mend the line, or the one before it\n"
      .. "1 file, 1 fault\n", output)
  end)

  describe("finds in a handler, without running it,", function()
    local function handler(line)
      local fault = agent("on = { message = function(ctx, msg)\n" .. line .. "\nend },")
      return { fault.rule, fault.line, fault.message, fault.fix }
    end

    it("a name that neither moonpost nor ctx nor msg has", function()
      assert.same({ "name", 5, "moonpost.rety: unknown", "write moonpost.retry" }, handler 'return moonpost.rety "x"')
      assert.same({ "name", 5, "ctx:sned: unknown", "write ctx:send" }, handler 'ctx:sned("a@b", 1)')
      assert.same({ "name", 6, "msg.bdoy: unknown", "write msg.body" }, handler 'local x = "a" ..\n msg.bdoy')
    end)

    it("a verb that is called with a dot", function()
      assert.same({ "name", 5, "ctx.send is called with a dot", "write ctx:send(...)" }, handler 'ctx.send("a@b", 1)')
    end)

    it("an outcome that is made and not returned", function()
      local function loses(name, line, code)
        local fix = ("return moonpost.%s(...)"):format(name)
        local message = ("moonpost.%s does nothing unless it is returned"):format(name)
        assert.same({ "lost-outcome", line, message, fix }, handler(code))
        node.remove(folder)
      end
      loses("reject", 5, 'moonpost.reject("no")')
      loses("retry", 6, '-- return\nif msg.body then moonpost.retry "later" end')
      loses("defer", 6, 'local reason = "later"\nmoonpost.defer(reason, { delay = "1s" })')
      loses("skip", 5, "if msg.body then return end; moonpost.skip [[twice]]")
      loses("reject", 7, "for _ in pairs({}) do\n  msg.body()\n  moonpost.reject 'no' end")
      loses("reject", 5, "pcall(function() moonpost.reject('no') end)")
    end)

    it("the same in hooks and policies", function()
      local hook = only { ["agents/good.lua"] = GOOD, ["hooks/a.lua"] = HEAD .. "return moonpost.hook {\n"
        .. "  receive = function(envelope) if envelope.body then moonpost.drop 'no' end end }" }
      assert.same({ "lost-outcome", "hooks/a.lua", 3, "return moonpost.drop(...)" },
        { hook.rule, hook.file, hook.line, hook.fix })
      node.remove(folder)
      local policy = only { ["agents/good.lua"] = GOOD, ["policies/a.lua"] = HEAD
        .. "return function(failure)\n  if failure.attempt > 3 then moonpost.reject 'no' end\n  return 1\nend" }
      assert.same({ "lost-outcome", "policies/a.lua", 3 }, { policy.rule, policy.file, policy.line })
    end)

    it("no fault in outcomes that are returned, raised, kept or handed on", function()
      project { ["agents/a.lua"] = GOOD:gsub("function%(%)", [[function(ctx, msg)
        -- moonpost.reject("no")
        local kept = moonpost.reject("no") or moonpost.skip("no")
        local list = { moonpost.retry "a", moonpost.retry "b", key = moonpost.retry "c" }
        if msg.body == 1 then error(moonpost.reject("no")) end
        if msg.body == 2 then return
          moonpost.reject("moonpost.reject('no')") end
        if msg.body == 3 then return kept and
          moonpost.retry("later") end
        local policy = moonpost.retry_policy
        return list[1] == moonpost.skip("no"), policy
      ]]) }
      assert.same({}, (found()))
    end)

    it("no name in strings, comments and fields", function()
      project { ["agents/a.lua"] = GOOD:gsub("function%(%)", [[function(ctx, msg)
        local s = "ctx:nope" .. 'msg.no\'pe' -- moonpost.nope
        --]] .. "[[ ctx:nope ]]" .. [[

        return s .. msg.body.msg.nope .. ctx.address
      ]]) }
      assert.same({}, (found()))
    end)
  end)

  it("says which field was meant, and where", function()
    local fault = agent("retry = {\n  atempts = 3 },\n" .. MESSAGE)
    assert.same({ "unknown-field", 5, 'write "attempts"' }, { fault.rule, fault.line, fault.fix })
  end)

  it("says where a method belongs that stands in on", function()
    local fault = agent "on = { paid = function() end },"
    assert.same({ "unknown-field", 4, "write methods = { paid = ... }" }, { fault.rule, fault.line, fault.fix })
  end)

  it("says of a value of another type what was expected, and has a fix only where there is more to say", function()
    local fault = agent("concurrency = true," .. MESSAGE)
    assert.same({ "agent.concurrency: expected a whole number from 1 to 1024, got true", 4 }, { fault.message, fault.line })
    assert.is_nil(fault.fix)
    assert.is_nil(node.run({ "check" }, folder):find("fix:", 1, true))
    node.remove(folder)
    assert.equal("write 8, without quotes", agent('concurrency = "8",' .. MESSAGE).fix)
  end)

  it("finds globals that a handler would ask for, before a message comes", function()
    local fault = agent("on = { message = function(ctx, msg)\n  local function inner() return prnt(msg) end\n"
      .. "  return inner() end },")
    assert.same({ "global", 5, "write print" }, { fault.rule, fault.line, fault.fix })
  end)

  it("finds globals that a handler would set", function()
    local fault = agent "on = { message = function()\n  total = 1 end },"
    assert.same({ "global", 5 }, { fault.rule, fault.line })
  end)

  it("says how the library is required", function()
    local fault = only { ["agents/a.lua"] = 'return moonpost.agent { address = "a@local" }\n' }
    assert.same({ "global", 1, 'write local moonpost = require "moonpost"' }, { fault.rule, fault.line, fault.fix })
  end)

  it("finds settings that have the library's name", function()
    local fault = only { ["moonpost.lua"] = "return {}\n", ["agents/good.lua"] = GOOD }
    assert.same({ "hides-moonpost", "moonpost.lua", "settings are in node.lua; rename it" },
      { fault.rule, fault.file, fault.fix })
  end)

  it("finds two agents with one address, and names both", function()
    local fault = only { ["agents/a.lua"] = GOOD, ["agents/b.lua"] = GOOD }
    assert.same({ "address-taken", "agents/b.lua", 2 }, { fault.rule, fault.file, fault.line })
    assert.truthy(fault.message:find("agents/a.lua", 1, true))
  end)

  it("finds an agent without a handler, but not one that only sends at its start", function()
    assert.equal("no-handler", agent("concurrency = 1,").rule)
    node.remove(folder)
    project { ["agents/a.lua"] = HEAD .. 'return moonpost.agent { address = "a@local", on = { start = print } }' }
    assert.same({}, (found()))
  end)

  it("finds the same of agents that are values in the settings", function()
    local fault = settings('agents = { "agents/*.lua",\n  moonpost.agent { address = "good@local",\n  '
      .. "methods = { a = print } } },")
    assert.same({ "address-taken", "agents/good.lua" }, { fault.rule, fault.file })
    node.remove(folder)
    fault = settings 'agents = { "agents/*.lua",\n  moonpost.agent { address = "deaf@local" } },'
    assert.same({ "no-handler", 4 }, { fault.rule, fault.line })
  end)

  it("finds globs that stand for no file", function()
    local fault = settings 'agents = { "agents/*.lua",\n  "more/*.lua" },'
    assert.same({ "no-match", 4 }, { fault.rule, fault.line })
  end)

  it("names the policies there are when one is not", function()
    local fault = only {
      ["agents/a.lua"] = HEAD .. 'return moonpost.agent { address = "a@local", retry = "patent", ' .. MESSAGE .. " }",
      ["policies/patient.lua"] = "return { attempts = 3 }",
    }
    assert.equal("no-policy", fault.rule)
    assert.truthy(fault.fix:find("there is patient;", 1, true))
  end)

  it("finds a schedule that cannot be meant", function()
    assert.same({ "cap-below-first", 4 }, (function(fault) return { fault.rule, fault.line } end)(
      agent('retry = { first = "10s", cap = "1s" },' .. MESSAGE)))
  end)

  it("finds a first wait above the cap that applies without one", function()
    local fault = agent('retry = { first = "2m" },' .. MESSAGE)
    assert.same({ "cap-below-first" }, { fault.rule })
  end)

  it("finds a budget that no delivery can use up", function()
    local fault = agent('timeout = "1s",\n  budget = "2s",' .. MESSAGE)
    assert.same({ "budget-above-timeout", 5 }, { fault.rule, fault.line })
  end)

  it("finds addresses that are none, and ports that there are not", function()
    local fault = settings 'links = { "tcp://127.0.0.1:70710" },'
    assert.same({ "address", 3 }, { fault.rule, fault.line })
    assert.truthy(fault.message:find("there is no port 70710; ports end at 65535", 1, true))
    node.remove(folder)
    assert.equal("address", settings('links = { "unix://relative.sock" },').rule)
  end)

  it("finds links that lead to nobody", function()
    assert.equal("link-to-itself",
      settings('listen = { "tcp://127.0.0.1:7071" },\nlinks = { "tcp://127.0.0.1:7071" },').rule)
    node.remove(folder)
    assert.equal("link-to-nobody", settings('links = { "unix:///nowhere/at/all/moonpost.sock" },').rule)
  end)

  it("finds waits where nothing can wait", function()
    local fault = only { ["agents/good.lua"] = GOOD, ["hooks/h.lua"] = HEAD
      .. "return moonpost.hook { store = function()\n  moonpost.sleep(1) end }\n" }
    assert.same({ "wait", "hooks/h.lua", 3 }, { fault.rule, fault.file, fault.line })
    node.remove(folder)
    fault = only { ["agents/a.lua"] = HEAD .. "moonpost.sleep(1)\n" .. GOOD }
    assert.same({ "wait", 2 }, { fault.rule, fault.line })
  end)

  it("looks at modules, policies and specs too", function()
    project { ["agents/good.lua"] = GOOD, ["lua/m.lua"] = "return function() return oops end\n",
      ["policies/p.lua"] = "return { atempts = 1 }\n", ["spec/a_spec.lua"] = "it(\n" }
    local list = found()
    local rules = {}
    for index, fault in ipairs(list) do rules[index] = fault.file .. " " .. fault.rule end
    assert.same({ "lua/m.lua global", "policies/p.lua unknown-field", "spec/a_spec.lua syntax" }, rules)
  end)

  describe("finds in a spec, without running it,", function()
    local function in_spec(text)
      project { ["spec/a_spec.lua"] = HEAD .. 'local test = require "moonpost.test"\n' .. text }
      local list = found { "spec/a_spec.lua" }
      node.remove(folder)
      local told = {}
      for index, fault in ipairs(list) do told[index] = ("%d %s %s"):format(fault.line, fault.message, fault.fix) end
      return told
    end

    it("a world's method that is not there, and one that is called with a dot", function()
      assert.same({ "4 w:laod: unknown write w:load", "5 w.send is called with a dot write w:send(...)" },
        in_spec 'local w = test.world()\nw:laod "a.lua"\nw.send("a@x")\nlocal id = w:send("a@x")\n')
    end)

    it("the same of the world that a fuzz is given", function()
      assert.same({ "3 world:setle: unknown write world:settle" },
        in_spec "test.fuzz({ runs = 1 }, function(world) world:setle() end)\n")
    end)

    it("what moonpost.test and moonpost do not have", function()
      assert.same({ "3 test.wrold: unknown write test.world", "4 moonpost.agnet: unknown write moonpost.agent" },
        in_spec "local w = test.wrold()\nmoonpost.agnet {}\n")
    end)

    it("nothing behind a name that is not always a world", function()
      assert.same({}, in_spec "local w = test.world()\nlocal function f(w) return w:upper() end\n")
      assert.same({}, in_spec "local w = test.world()\nfor _, w in ipairs {} do w:upper() end\n")
      assert.same({}, in_spec "local w = test.world()\nw = other()\nw:upper()\n")
    end)
  end)

  describe("of a program for moonpost exec", function()
    local PROGRAM = HEAD .. "local client = assert(moonpost.client {})\nprint(arg[1], client:send('a@b', 1))\n"

    it("says that it is one, and that nothing is wrong", function()
      project { ["order.lua"] = PROGRAM }
      assert.equal("order.lua: no agent, a program: moonpost exec order.lua; its names were looked at\n"
        .. "1 file, nothing found\n", node.says(folder, { "check", "order.lua" }, "", 0))
    end)

    it("finds its globals and names", function()
      project { ["order.lua"] = PROGRAM .. "prnt(moonpost.slep)\n" }
      local output = node.says(folder, { "check", "order.lua" }, "fix: write print\n", 1)
      assert.truthy(output:find("fix: write moonpost.sleep\n", 1, true), output)
    end)

    it("finds that a node would load it", function()
      local fault = only { ["agents/good.lua"] = GOOD, ["agents/order.lua"] = PROGRAM }
      assert.same({ "no-agent", "agents/order.lua", "move it to another folder; run it with moonpost exec order.lua" },
        { fault.rule, fault.file, fault.fix })
    end)

    it("takes no agent for one that has a field client", function()
      project { ["agents/a.lua"] = HEAD .. 'return moonpost.agent { address = "a@local", on = { message = function(_, msg)\n'
        .. "  return msg.body.client end } }\n" }
      assert.same({}, (found()))
    end)
  end)

  it("stops a file that never ends", function()
    local fault = only { ["agents/a.lua"] = "while true do end\n" }
    assert.same({ "endless", 1 }, { fault.rule, fault.line })
  end)

  it("looks at the files that are named, and at the folder of a project", function()
    project { ["p/agents/good.lua"] = GOOD, ["p/agents/bad.lua"] = "x = 1\n", ["p/node.lua"] = HEAD
      .. "return moonpost.node {}\n" }
    assert.same({}, (found({ "p/agents/good.lua" })))
    assert.equal("p/agents/bad.lua", found({ "p" })[1].file)
  end)

  it("is a usage error for what is not there, or where nothing is", function()
    project()
    local output, code = node.run({ "check", "agents/none.lua" }, folder)
    assert.equal(2, code)
    assert.truthy(output:find("no such file", 1, true))
    output, code = node.run({ "check" }, folder)
    assert.equal(2, code)
    assert.truthy(output:find("nothing to check here", 1, true))
  end)
end)

describe("moonpost run", function()
  local folder

  after_each(function() node.remove(folder) end)

  it("warns of an agent without a handler", function()
    folder = node.folder { ["agents/a.lua"] = HEAD .. 'return moonpost.agent { address = "a@local" }' }
    local running = node.start({ "run" }, folder, "listening unix:")
    assert.truthy(running:stop():find("a@local has no handler, so every message to it is rejected", 1, true))
  end)

  it("takes the folder of a project", function()
    folder = node.folder { ["p/node.lua"] = HEAD .. "return moonpost.node {}", ["p/agents/good.lua"] = GOOD }
    local running = node.start({ "run", "p/" }, folder, "listening unix:p/data/moonpost.sock")
    local output = node.run({ "status", "--node", "p" }, folder)
    running:stop()
    assert.truthy(output:find("good@local", 1, true), output)
  end)

  it("says what to do about a folder without settings, and about settings with the library's name", function()
    folder = node.folder { ["p/agents/good.lua"] = GOOD, ["q/moonpost.lua"] = HEAD .. "return moonpost.node {}" }
    local output, code = node.run({ "run", "p" }, folder)
    assert.equal(1, code)
    assert.truthy(output:find("cd p && moonpost run agents/*.lua", 1, true), output)
    output, code = node.run({ "run" }, folder .. "/q")
    assert.equal(1, code)
    assert.truthy(output:find("mv moonpost.lua node.lua", 1, true), output)
  end)

  it("refuses a port that there is not", function()
    folder = node.folder { ["agents/good.lua"] = GOOD }
    local output, code = node.run({ "run", "--listen", "tcp://127.0.0.1:99999" }, folder)
    assert.equal(1, code)
    assert.truthy(output:find("there is no such port; ports end at 65535", 1, true), output)
  end)
end)
