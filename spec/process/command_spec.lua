local node = require "spec.support.node"

local AGENTS = {
  ["greeter.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "greeter@local",
  retry = { attempts = 1 },
  on = { message = function(_, msg)
    if msg.body == "stuck" then while true do end end
    if msg.body == "function" then return { callback = print } end
    if msg.body == "boom" then error("boom") end
    if msg.body == "log" then moonpost.log.info("told", { id = msg.id, agent = "other" }) end
    return { text = "hello " .. tostring(msg.body.name) }
  end },
}]],
  ["typo.lua"] = [[
return require("moonpost").agent { address = "a@b", retry = { atempts = 3 } }]],
  ["syntax.lua"] = "local x = = 3\n",
  ["five.lua"] = "return 5\n",
  ["global.lua"] = "local moonpost = require 'moonpost'\ncounter = 1\nreturn moonpost.agent { address = 'a@b' }\n",
  ["later.lua"] = [[
return require("moonpost").agent { address = "a@b", schema = {} }]],
  ["twin.lua"] = [[
return require("moonpost").agent { address = "greeter@local", on = { message = function() end } }]],
  ["loop.lua"] = "while true do end\n",
  ["busy.lua"] = [[
return require("moonpost").node { listen = { os.getenv("DOOR") } }]],
  ["open.lua"] = [[
return require("moonpost").node { listen = { "tcp://0.0.0.0:7071" } }]],
}

describe("the command line", function()
  local folder, other, running

  local function says(words, text, code, where) return node.says(where or folder, words, text, code) end

  setup(function()
    folder = node.folder(AGENTS)
    other = node.folder(AGENTS)
    running = node.start({ "run", "greeter.lua" }, folder, "listening unix:")
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
    node.remove(other)
  end)

  it("prints the result of a message that was handled", function()
    says({ "send", "greeter@local", '{"name":"Ada"}', "--await", "handled" }, 'result={"text":"hello Ada"}', 0)
  end)

  it("says stored when it was not asked to wait for more", function()
    says({ "send", "greeter@local", '{"name":"Ada"}' }, "ack ok=true level=stored", 0)
  end)

  it("names the nearest address when nobody serves one", function()
    says({ "send", "greter@local", "{}" }, 'code=NO_ROUTE', 4)
    says({ "send", "greter@local", "{}" }, 'no agent at "greter@local"; did you mean greeter@local?', 4)
  end)

  it("ends with 4 when the message died, and names file and line", function()
    local output = says({ "send", "greeter@local", "boom", "--await", "handled" }, "code=DEAD", 4)
    assert.truthy(output:find("greeter.lua:8: boom", 1, true), output)
  end)

  it("logs a field that has the name of one of ours once, or under a name of its own", function()
    node.run({ "send", "greeter@local", "log", "--id", "note-1" }, folder)
    local line = running:wait_for "| told "
    assert.truthy(line:find "| told  field_agent=other  agent=greeter@local  id=note%-1$", line)
  end)

  it("names file and line of a handler that never returns", function()
    says({ "send", "greeter@local", "stuck", "--await", "handled" }, "greeter.lua:6: ran for more than 200 ms", 4)
  end)

  it("names the path to what cannot be sent", function()
    says({ "send", "greeter@local", "function", "--await", "handled" }, "BAD_VALUE: result.callback is a function", 4)
  end)

  it("says what its store is worth", function()
    says({ "send", "greeter@local", "{}", "--json" }, "none: it is on the owner's disk", 0)
  end)

  it("ends with 3 and the fix when no node is there", function()
    local output = says({ "send", "greeter@local", "{}", "--node", "unix:nobody.sock" }, "no node at", 3)
    assert.truthy(output:find("start one with: moonpost run", 1, true), output)
  end)

  it("ends with 2 and what is expected when --node is no address", function()
    local output = says({ "status", "--node", "127.0.0.1:7101" }, 'did you mean "tcp://127.0.0.1:7101"?', 2)
    assert.truthy(output:find("the path of a node's socket", 1, true), output)
    says({ "status", "--node", "tcp://127.0.0.1:70000" }, "there is no such port; ports end at 65535", 2)
  end)

  it("finds a node by its project's folder, and by its data folder", function()
    says({ "status", "--node", folder }, "greeter@local", 0, "/")
    says({ "status", "--node", folder .. "/data/" }, "greeter@local", 0, "/")
  end)

  it("says which LMDB it has", function()
    assert.matches("LMDB %d+%.%d+%.%d+", (node.run({ "version" }, folder)))
  end)

  it("says that the address comes first, and shows JSON as it was written", function()
    local text = [['{"qty":1}' is not an address; the address comes first: moonpost %s ADDRESS BODY]]
    says({ "send", '{"qty":1}', "cart@shop" }, text:format "send", 2)
    says({ "call", '{"qty":1}', "cart@shop" }, text:format "call", 2)
  end)

  it("ends with 2 and the nearest command when there is no such command", function()
    says({ "sned", "greeter@local" }, 'did you mean "send"?', 2)
  end)

  it("ends with 2 and the nearest flag when there is no such flag", function()
    says({ "send", "greeter@local", "{}", "--awiat", "handled" }, "--await", 2)
  end)

  it("names an unknown key and the nearest", function()
    says({ "run", "typo.lua" }, 'typo.lua: agent.retry.atempts: unknown key; did you mean "attempts"?', 1, other)
  end)

  it("names line and fault of a script that does not parse", function()
    says({ "run", "syntax.lua" }, "syntax.lua:1: unexpected symbol near '='", 1, other)
  end)

  it("says what a file must return", function()
    says({ "run", "five.lua" }, "five.lua: a number is not an agent; end the file with return moonpost.agent", 1, other)
  end)

  it("names an undeclared global and its line", function()
    says({ "run", "global.lua" }, 'global.lua:2: undeclared global "counter"', 1, other)
  end)

  it("stops a file that never ends while it loads", function()
    says({ "run", "loop.lua" }, "loop.lua:1", 1, other)
  end)

  it("refuses what is not there yet, by name", function()
    says({ "run", "later.lua" }, "UNSUPPORTED: agent.schema: not yet", 1, other)
  end)

  it("names both files of one address", function()
    says({ "run", "greeter.lua", "twin.lua" },
      'twin.lua: address "greeter@local" is served by greeter.lua already', 1, other)
  end)

  it("refuses a second node in the same folder", function()
    says({ "run", "greeter.lua" }, "uses the folder data; stop it first", 1)
  end)

  it("refuses a door outside loopback and names the setting", function()
    says({ "run", "open.lua" }, "insecure = true", 1, other)
  end)

  it("names the address and the fix when a port is in use", function()
    local first = node.folder(AGENTS)
    local second = node.folder(AGENTS)
    local holder = node.start({ "run", "busy.lua" }, first, "listening tcp://", { DOOR = "tcp://127.0.0.1:0" })
    local door = holder.said[#holder.said]:match("tcp://[%d.:]+")
    local output, code = node.run({ "run", "busy.lua" }, second, { DOOR = door })
    holder:stop()
    node.remove(first)
    node.remove(second)
    assert.truthy(output:find(door, 1, true), output)
    assert.truthy(output:find("in use", 1, true), output)
    assert.equal(1, code)
  end)

  it("ends a node at SIGTERM with nothing left behind", function()
    local elsewhere = node.folder(AGENTS)
    local ended = node.start({ "run", "greeter.lua" }, elsewhere, "listening unix:")
    assert.truthy(ended:stop():find("stopping", 1, true))
    local socket = io.open(elsewhere .. "/data/moonpost.sock")
    node.remove(elsewhere)
    assert.is_nil(socket)
  end)

  it("says at start where its store is", function()
    assert.truthy(table.concat(running.said, "\n"):find("store data  sync commit  messages 0  dead 0", 1, true))
  end)

  it("runs a program with a client", function()
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write [[
      local moonpost = require "moonpost"
      local client = assert(moonpost.client {})
      moonpost.sleep("10ms")
      print(client:call("greeter@local", { name = arg[1] }).text)
      local receipt = client:send("greeter@local", { name = "Bob" })
      print(receipt.level, receipt.guarantees.loss)
      os.exit(7)]]
    file:close()
    local output, code = node.run({ "exec", "program.lua", "Eve" }, folder)
    assert.truthy(output:find("hello Eve\nstored", 1, true), output)
    assert.equal(7, code)
  end)

  it("says of a file that declares something that it is no program, and what runs it", function()
    local function exec(name, constructor, text)
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write(('local moonpost = require "moonpost"\nreturn moonpost.%s'):format(constructor))
      file:close()
      says({ "exec", name }, text, 2)
    end
    exec("cart.lua", 'agent { address = "cart@shop" }', "this is an agent, which a node runs: moonpost run FILE")
    exec("settings.lua", "node {}", "these are a node's settings: moonpost run FILE")
    exec("audit.lua", "hook {}", "this is a hook, which a node's settings name: hooks = { ... }")
  end)

  it("fails when no spec is the one that was asked for", function()
    local file = assert(io.open(folder .. "/one_spec.lua", "w"))
    file:write 'it("is here", function() end)'
    file:close()
    says({ "test", "one_spec.lua" }, "1 passed, 0 failed", 0)
    says({ "test", "one_spec.lua", "--filter", "elsewhere" }, "there is no such spec", 1)
  end)

  -- Was: only kill -9 ended it.
  it("ends specs that do not end when it is interrupted", function()
    local file = assert(io.open(folder .. "/endless_spec.lua", "w"))
    file:write 'it("goes on", function() io.write("begun\\n") io.flush() while true do end end)'
    file:close()
    local endless = node.start({ "test", "endless_spec.lua" }, folder, "begun")
    endless:stop "INT"
  end)

  describe("has a help that", function()
    -- The first words of the rows of a section.
    local function rows_of(text, section)
      local rows = text:match("%f[^\n%z]" .. section .. "\n(.-)\n\n") or ""
      return rows:gmatch "%f[^\n%z]  (%l+)"
    end

    -- A screen of 80 columns and 24 lines, the last of which is the next prompt's.
    local function fits(words)
      local output, code = node.run({ words[1], words[2] or "--help", words[2] and "--help" }, folder)
      local name, lines = "moonpost " .. table.concat(words, " "), select(2, output:gsub("\n", ""))
      assert.equal(0, code)
      assert.is_true(lines <= 23, ("%s has %d lines"):format(name, lines))
      assert.truthy(output:find(name, 1, true), output)
      assert.truthy(output:find("\nExamples\n.-%f[%w]" .. name:gsub("%-", "%%-")), output)
      for line in output:gmatch("[^\n]+") do assert.is_true(#line <= 80, line) end
      return output
    end

    it("fits a screen and has an example, for each command and each of its verbs", function()
      local all, commands, verbs = node.run({ "help", "commands" }, folder), 0, 0
      for command in rows_of(all, "Commands") do
        commands = commands + 1
        for verb in rows_of(fits { command }, "Verbs") do
          verbs = verbs + 1
          fits { command, verb }
        end
      end
      assert.is_true(commands >= 20 and verbs >= 20)
      for line in all:gmatch("[^\n]+") do assert.is_true(#line <= 80, line) end
    end)

    it("has a first page that fits a screen and names each command", function()
      local first, all = node.run({ "--help" }, folder), node.run({ "help", "commands" }, folder)
      assert.is_true(select(2, first:gsub("\n", "")) <= 23, first)
      for line in first:gmatch("[^\n]+") do assert.is_true(#line <= 80, line) end
      for command in rows_of(all, "Commands") do assert.truthy(first:find("%f[%w]" .. command .. "%f[%W]"), command) end
    end)

    it("tells of a verb also by moonpost help, and names the nearest", function()
      says({ "help", "dlq", "requeue" }, "--rate RATE", 0)
      says({ "dlq", "requeu", "--help" }, 'did you mean "requeue"?', 2)
    end)

    it("has the flags of a verb there and not elsewhere", function()
      assert.is_nil(node.run({ "dlq", "--help" }, folder):find("--edit", 1, true))
      assert.is_nil(node.run({ "dlq", "ls", "--help" }, folder):find("--edit", 1, true))
    end)
  end)

  it("refuses a flag that is of another verb", function()
    says({ "dlq", "rm", "--all", "--rate", "1/s" }, "moonpost dlq: --rate is of requeue, not of rm", 2)
  end)

  it("names our word for a verb of other programs", function()
    says({ "dlq", "list" }, '"list" is none of', 2)
    says({ "dlq", "list" }, 'did you mean "ls"?', 2)
  end)

  it("says at the start of a node which variables mean nothing, with the nearest name", function()
    local variables = { MOONPOST_STROE = "memory", MOONPOST_EXAMPLES = "x", MOONPOST_LOG_FILE = "/dev/null" }
    local one = node.start({ "run", "greeter.lua" }, other, "listening unix:", variables)
    local said = one:stop()
    local line = 'moonpost run: MOONPOST_STROE is set, and means nothing; did you mean "MOONPOST_STORE"?\n'
    assert.equal(1, (select(2, said:gsub("means nothing", ""))), said)
    assert.truthy(said:find(line, 1, true), said)
  end)
end)
