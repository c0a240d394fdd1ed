-- What people do, from beginning to end, on the real executable.
local node = require "spec.support.node"
local shell = require "spec.support.shell"

local function written(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

-- It counts what it has handled; with HOLD it never comes to an end.
local COUNTER = [[
local moonpost = require "moonpost"
local hold = os.getenv "HOLD" == "yes"

return moonpost.agent {
  address = "counter@local",
  timeout = "2h",
  on = {
    message = function(ctx, msg)
      ctx.state.count = (ctx.state.count or 0) + 1
      moonpost.log.info(("working on %s, count=%d"):format(msg.body, ctx.state.count))
      if hold then moonpost.sleep "1h" end
      moonpost.log.info(("processed %s, count=%d"):format(msg.body, ctx.state.count))
      return ctx.state.count
    end,
  },
}
]]

-- A command to its end, as a journey shows it: a pattern of what it says.
local function shown(where, words, expected, code)
  local output, got = node.run(words, where)
  assert.equal(code or 0, got, output)
  assert.truthy(output:find(expected), output)
  return output
end

describe("the journey of writing an agent", function()
  local home, project, running, died

  -- Outside `it`, each step goes on where the one before ended.
  setup(function()
    home = node.folder()
    project = home .. "/greeter"
  end)
  teardown(function()
    if running then running:stop() end
    node.remove(home)
  end)

  local function says(...) return shown(project, ...) end

  -- What --watch makes of a saved file.
  local function save_agent(changed)
    written(project .. "/agents/greeter.lua", changed)
    running:wait_for("reload greeter@local generation")
  end

  it("begins with a project: settings, an agent, its spec and files for editors", function()
    local output, code = node.run({ "new", "greeter" }, home)
    assert.equal(0, code)
    for _, line in ipairs {
      "created  node.lua +node settings, every default shown as a comment\n",
      "created  agents/greeter.lua +a working agent\n",
      "created  spec/greeter_spec.lua +its spec",
      "created  .luarc.json", "created  .luacheckrc",
      "next: +cd greeter && moonpost test\n +moonpost run",
    } do assert.truthy(output:find(line), line .. "\n" .. output) end
  end)

  it("has specs that pass before anything was written", function()
    assert.truthy(says({ "test" }, "passed, 0 failed\n$"):find("\n2 passed, 0 failed\n$"))
  end)

  it("runs, watches its files, and is answered", function()
    running = node.start({ "run", "--watch" }, project, "listening unix:")
    local log = table.concat(running.said, "\n")
    assert.truthy(log:find("node up  store data  sync commit  messages 0  dead 0  agents 1", 1, true), log)
    assert.truthy(log:find("agent greeter@local  generation 1  profile at%-least%-once"), log)
    says({ "send", "greeter@local", '{"name":"Ada"}', "--await", "handled" },
      '^ack ok=true level=handled ref=%w+ attempt=1 result={"text":"hello Ada"}\n$')
  end)

  it("teaches by a mistake", function()
    says({ "send", "greter@local", "{}" },
      '^nack ok=false code=NO_ROUTE ref=%w+  no agent at "greter@local"; did you mean greeter@local%?\n$', 4)
  end)

  it("shows a failure with file, line and one row for each attempt, and mends it", function()
    local good = read(project .. "/agents/greeter.lua")
    local boom = good:gsub('first = "1s"', 'first = "20ms"'):gsub("\n( +)local name = msg.body.name",
      '%0\n%1if name == "boom" then error("boom") end')
    save_agent(boom)
    local line = select(2, boom:match("^(.-)error%(\"boom"):gsub("\n", "")) + 1
    local place = ("agents/greeter.lua:%d: boom"):format(line)
    local output = says({ "send", "greeter@local", '{"name":"boom"}', "--await", "handled", "--timeout", "20s" },
      "^nack ok=false code=DEAD ref=%w+  " .. place:gsub("%p", "%%%0") .. "\n$", 4)
    running:wait_for("dead letter after 3 attempts: " .. place)
    local id = output:match("ref=(%w+)")
    output = says({ "dlq", "show", id }, id .. ".*greeter@local")
    assert.equal(3, select(2, output:gsub("\n  %d  [%d:.]+  HANDLER_ERROR: " .. place:gsub("%p", "%%%0"), "")), output)
    assert.truthy(output:find('{"name":"boom"}', 1, true), output)
    save_agent(good)
    says({ "dlq", "requeue", id, "--yes" }, "requeued " .. id)
    running:wait_for("greeting boom")
    died = id
  end)

  it("tells the life of a message, a line for each step", function()
    local step = "\n  [%d:.]+  "
    local function failed(attempt) return ("  attempt %d  %%S*agents/greeter%%.lua:%%d+: boom"):format(attempt) end
    local function tried(attempt)
      return step .. "delivered  attempt " .. attempt .. step .. "retrying " .. failed(attempt) .. "  again in %d+ ms"
    end
    says({ "trace", died }, "^" .. died .. "  greeter@local" .. step .. "stored" .. tried(1) .. tried(2) .. step
      .. "delivered  attempt 3" .. step .. "dead     " .. "  attempt 3  DEAD: [^\n]*boom" .. step .. "requeued[^\n]*" .. step
      .. "delivered  attempt 1" .. step .. "handled    attempt 1\n$")
  end)

  it("is killed in the middle, and counts once what it handles again", function()
    running:stop()
    written(project .. "/agents/counter.lua", COUNTER)
    local function starts(hold)
      running = node.start({ "run", "--no-respawn" }, project, "listening unix:", { HOLD = hold })
    end
    starts "yes"
    says({ "send", "counter@local", "hi" }, "^ack ok=true level=stored ref=%w+ attempt=1\n$")
    running:wait_for "working on hi, count=1"
    running:stop "KILL"
    starts "no"
    assert.truthy(table.concat(running.said, "\n"):find("the process before died with 1 in hand", 1, true))
    running:wait_for "processed hi, count=1"
    says({ "call", "counter@local", "again" }, "^2\n$")
  end)
end)

-- Held prices wait for somebody who never comes, so that they are in flight at each reload.
local PRICE = [[
local moonpost = require "moonpost"

return moonpost.agent {
  address = "price@local",
  concurrency = 64,
  timeout = "2h",
  retry = { attempts = 3, first = "1ms" },
  on = {
    message = function(ctx, msg)
      if msg.body.held then moonpost.sleep "1h" end
      return { price = msg.body.price, by = VERSION, generation = ctx.generation }
    end,
  },
}
]]

-- Sends prices without a pause until there is a file `enough`; then says what came of them.
local CLIENT = [[
local moonpost = require "moonpost"
local client = assert(moonpost.client { window = 64 })
local sent, failed, by = 0, 0, {}
repeat
  sent = sent + 1
  local result = client:call("price@local", { price = sent })
  if not result or result.price ~= sent then failed = failed + 1 end
  if result then by[("%d@%d"):format(result.by, result.generation)] = true end
  if sent == 1 then print "begun" io.stdout:flush() end
  local enough = io.open "enough"
until enough
local versions = {}
for version in pairs(by) do versions[#versions + 1] = version end
table.sort(versions)
print(("sent %d, failed %d, versions %s"):format(sent, failed, table.concat(versions, " ")))
]]

describe("the journey of reloading", function()
  local folder, running, client

  setup(function()
    folder = node.folder { ["node.lua"] = 'return require("moonpost").node { grace = 0 }',
      ["agents/price.lua"] = PRICE:gsub("VERSION", "1"), ["client.lua"] = CLIENT }
    running = node.start({ "run", "--watch" }, folder, "listening unix:")
    client = node.start({ "exec", "client.lua" }, folder, "begun")
  end)
  teardown(function()
    if client then client:stop() end
    running:stop()
    node.remove(folder)
  end)

  local function says(...) return shown(folder, ...) end

  local function save(text)
    written(folder .. "/new", text)
    shell.must("mv new agents/price.lua", folder)
  end

  it("loads what was saved, and what is in flight ends on the code that began it", function()
    for _ = 1, 7 do says({ "send", "price@local", '{"held":true}' }, "^ack ok=true level=stored") end
    save((PRICE:gsub("VERSION", "2")))
    local line = running:wait_for "reload price@local generation 1 -> 2"
    assert.truthy(tonumber(line:match "(%d+) in flight end on 1$") >= 7, line)
    says({ "call", "price@local", "{}" }, '"by":2')
    says({ "generations" }, "\nprice@local +1  ending .*\nprice@local +2 ")
  end)

  it("refuses a syntax error with file and line, and the service goes on", function()
    save((PRICE:gsub("retry = {", "retry = = {"):gsub("VERSION", "3")))
    running:wait_for "reload price@local REFUSED, generation 2 keeps running: agents/price.lua:7: unexpected symbol near '='"
    says({ "reload", "price@local" },
      "^price@local REFUSED, generation 2 keeps running\n  agents/price%.lua:7: unexpected symbol near '='\n$", 1)
    says({ "call", "price@local", "{}" }, '"by":2')
  end)

  it("is the same by a command, and by a signal", function()
    save((PRICE:gsub("VERSION", "3")))
    running:wait_for "reload price@local generation 2 -> 3"
    says({ "reload", "--dry", "price@local" }, "^price@local would be reloaded; nothing was changed\n$")
    says({ "reload", "price@local" }, "^price@local generation 3 %-> 4, .*in %d+ ms\n$")
    running:signal "HUP"
    running:wait_for "reload (SIGHUP): no file of an agent has changed"
  end)

  it("has lost nothing meanwhile, and nothing has failed", function()
    written(folder .. "/enough", "")
    local said = client:finish()
    client = nil
    local versions = said:match "sent %d+, failed 0, versions ([%d@ ]+)$"
    assert.truthy(versions and versions:find "^1@1 ", said)
    local seen = { ["1@1"] = true, ["2@2"] = true, ["3@3"] = true, ["3@4"] = true }
    for version in versions:gmatch "%S+" do assert.is_true(seen[version], said) end
    assert.is_nil(says({ "generations", "--json" }, "price@local"):find('"failed":[1-9]'))
    says({ "dlq", "ls" }, "no dead letters")
  end)
end)

describe("the journey of running scenarios", function()
  local folder
  setup(function() folder = node.folder() end)
  teardown(function() node.remove(folder) end)

  local function example(...)
    return node.run({ "example", ... }, folder)
  end

  it("begins with what there is, what each shows and how long it takes", function()
    local output, code = example "ls"
    assert.equal(0, code)
    for _, name in ipairs { "crash", "lost%-ack", "lost%-ack%-dedup", "reconnect", "reload" } do
      assert.truthy(output:find("  " .. name .. "  +%l*%d*[^\n]+  +%d s\n"), name .. "\n" .. output)
    end
  end)

  it("loses two ACKs of three, resends twice, and ends with one ACK about the same message", function()
    local output, code = example("run", "lost-ack")
    assert.equal(0, code, output)
    local function count(what) return select(2, output:gsub(what, "")) end
    assert.same({ 3, 2, 1 }, { count "received #", count "FAULT ack dropped", count "acknowledged: type=ack ok=true" })
    local refs = {}
    for ref in output:gmatch("…(%w+)") do refs[#refs + 1] = ref end
    assert.equal((refs[1] .. " "):rep(5), table.concat(refs, " ") .. " ")
    assert.truthy(output:find("sent 1  transmissions 3  handled 3  duplicates 2  acks lost 2  dead 0   PASS 5/5 checks", 1, true))
  end)

  it("shows each envelope on a line: time, process, direction, peer, type, id, attempt, bytes, body", function()
    local output = example("run", "lost-ack", "--virtual", "--verbose")
    local data = "client   |   0%.000 s  %-> sentinel +data +%w+  to=message@demo transmission=1  %d+ B  Hello, World!\n"
    assert.truthy(output:find(data), output)
    assert.truthy(output:find("client   |   3%.000 s  <%- sentinel +ack +%w+  level=stored attempt=3  %d+ B\n"), output)
  end)

  it("handles the message once when the agent has a dedup policy", function()
    assert.truthy(example("run", "lost-ack-dedup"):find("handled 1  duplicates 2 (re-acked)", 1, true))
  end)

  it("prints the agent, explains it with three troubles, and copies it", function()
    assert.truthy(select(2, example("show", "lost-ack"):gsub("\n", "")) <= 30)
    local text = example("explain", "lost-ack")
    local troubles = text:match("When something is wrong\n(.-)\n\nTry it")
    assert.equal(3, select(2, troubles:gsub("%- %*%*", "")), text)
    local output, code = example("copy", "lost-ack", "./mine")
    assert.equal(0, code, output)
    assert.truthy(example("run", "./mine", "--virtual"):find("PASS 5/5 checks", 1, true))
  end)

  for _, name in ipairs { "crash", "reconnect" } do
    it(("leaves no process and no folder behind after Ctrl-C, also where processes are killed: %s"):format(name), function()
      local temp = node.folder()
      local running = node.start({ "example", "run", name }, folder, "KILLED", { TMPDIR = temp })
      running:stop("INT")
      assert.equal("0\n", shell.must(("ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c '%s' || true"):format(temp), "."))
      assert.equal("", shell.must("ls", temp))
      node.remove(temp)
    end)
  end
end)
