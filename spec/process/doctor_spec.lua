local json = require "moonpost".json
local node = require "spec.support.node"
local shell = require "spec.support.shell"

local HEAD = 'local moonpost = require "moonpost"\n'

local function agent(address, more)
  return ('%sreturn moonpost.agent { address = "%s", %s on = { message = function(_, msg)\n  if msg.body.bad then '
    .. 'return moonpost.reject("bad") end end } }\n'):format(HEAD, address, more or "")
end

describe("moonpost doctor", function()
  local folder, running

  before_each(function() running = nil end)
  after_each(function()
    if running then running:stop() end
    node.remove(folder)
  end)

  local function project(settings, files)
    local all = { ["agents/a.lua"] = agent "a@local", ["node.lua"] = HEAD .. "return moonpost.node {" .. settings .. "}" }
    for name, text in pairs(files or {}) do all[name] = text end
    folder = node.folder(all)
  end

  local function start(words, variables)
    running = node.start({ "run", unpack(words or {}) }, folder, "listening unix:", variables)
  end

  --- Findings by their rules.
  local function found(words, variables)
    local output, code = node.run({ "doctor", "--json", unpack(words or {}) }, folder, variables)
    local by_rule = {}
    for _, symptom in ipairs(assert(json.decode(output), output)) do by_rule[symptom.rule] = symptom end
    return by_rule, code
  end

  local function has(rule, text, words, variables)
    local by_rule, code = found(words, variables)
    assert.truthy(by_rule[rule], rule)
    assert.truthy(by_rule[rule].what:find(text, 1, true), by_rule[rule].what)
    assert.equal(by_rule[rule].level == "problem" and 1 or code, code)
    return by_rule[rule]
  end

  it("finds no problem where a node works well", function()
    project ""
    start()
    local output, code = node.run({ "doctor" }, folder)
    assert.equal(0, code, output)
    assert.matches("0 problems, %d notes?  %(node ", output)
  end)

  it("only notes that no node runs", function()
    project ""
    local symptom = has("no-node", "no node runs at unix:data/moonpost.sock")
    assert.equal("note", symptom.level)
  end)

  it("finds the socket of a node that was killed", function()
    project ""
    running = node.start({ "run", "--no-respawn" }, folder, "listening unix:")
    running:stop "KILL"
    running = nil
    assert.equal("start the node again, which removes it: moonpost run", has("dead-socket", "data/moonpost.sock").fix)
  end)

  it("finds who has the store and does not answer", function()
    project ""
    start()
    os.remove(folder .. "/data/moonpost.sock")
    has("store-locked", "process " .. running.pid)
  end)

  it("finds the process whose folder was deleted under it", function()
    project ""
    start()
    shell.must("rm -r data", folder)
    local symptom = has("folder-deleted", "works in data, which was deleted under it")
    local process = symptom.what:match "process (%d+)"
    assert.truthy(shell.must("cat /proc/" .. process .. "/cmdline", folder):find("moonpost", 1, true))
  end)

  it("finds a folder that cannot be written", function()
    project ""
    local root = shell.must("id -u", folder) == "0\n"
    local other = root and "setpriv --reuid=65534 --clear-groups " or ""
    shell.must("chmod 755 . && mkdir data && chmod 555 data", folder)
    if (shell.run(other .. node.executable() .. " version", folder)):sub(1, 8) ~= "moonpost" then
      return pending "nobody else can run this executable"
    end
    local output, code = shell.run(other .. node.executable() .. " doctor", folder)
    assert.equal(1, code)
    assert.truthy(output:find("no-permission: cannot write: data: Permission denied", 1, true), output)
  end)

  it("finds a store in memory file systems, and few open files", function()
    project ""
    if not shell.must("stat -f -c %T /dev/shm", folder):find "tmpfs" then return pending "no tmpfs here" end
    local memory = shell.must("mktemp -d /dev/shm/moonpost-spec-XXXXXX", folder):gsub("\n", "")
    local by_rule = found({}, { MOONPOST_STORE = memory .. "/data" })
    os.execute("rm -r " .. memory)
    assert.equal("problem", by_rule["store-in-memory"].level)
    local few = shell.run(("ulimit -n 256; %s doctor"):format(node.executable()), folder)
    assert.truthy(few:find("few-open-files: a process may have 256 files open", 1, true), few)
  end)

  it("finds links that lead to nobody, with a node and without", function()
    project 'links = { "tcp://127.0.0.1:1" }'
    has("link-down", "the link to tcp://127.0.0.1:1 is not up: nobody listens there")
    start()
    has("link-down", "nobody listens there")
  end)

  it("finds a variable that means nothing, and what it was to be", function()
    project ""
    has("unknown-variable", 'MOONPOST_NDOE is set, and means nothing; did you mean "MOONPOST_NODE"?', {}, { MOONPOST_NDOE = "x" })
    assert.is_nil(found({}, { MOONPOST_SEND_FIRST_FILE = "/dev/null" })["unknown-variable"])
  end)

  it("finds what was rescued of a folder that was deleted", function()
    project("", { ["data.rescued-20260101-000000/data.mdb"] = "" })
    has("rescued-store", "data.rescued-20260101-000000")
  end)

  it("finds that nothing is tried again, and who said so", function()
    project ""
    has("no-retries", "(MOONPOST_PROFILE)", {}, { MOONPOST_PROFILE = "at-most-once" })
    node.remove(folder)
    project 'send = { profile = "at-most-once" }'
    has("no-retries", "(node.lua)")
  end)

  it("finds what may be undone or hang by choice", function()
    project 'store = { sync = "relaxed" }, watchdog = math.huge'
    has("relaxed", "relaxed")
    has("watchdog-off", "watchdog")
  end)

  it("finds agents that are paused and dead letters that wait", function()
    project ""
    start()
    node.run({ "send", "a@local", '{"bad":true}', "--await", "handled" }, folder)
    node.run({ "queue", "pause", "a@local" }, folder)
    assert.equal("moonpost queue resume a@local", has("paused", "a@local is paused").fix)
    node.run({ "queue", "purge", "a@local", "--yes" }, folder)
    node.run({ "queue", "drain", "a@local" }, folder)
    assert.equal("moonpost queue resume a@local", has("draining", "a@local is drained").fix)
    assert.equal("moonpost dlq ls --agent a@local, then requeue", has("dead-letters", "1 dead letter of a@local").fix)
  end)

  it("finds mailboxes near their bound", function()
    project "mailbox = { max = 5 }"
    start()
    node.run({ "queue", "pause", "a@local" }, folder)
    for _ = 1, 4 do node.run({ "send", "a@local", "{}" }, folder) end
    has("mailbox-nearly-full", "the mailbox of a@local is at 80 % of its bound")
  end)

  it("finds a store near its bound, and one that was written in the future", function()
    project 'store = { max = "1M" }'
    start()
    node.run({ "queue", "pause", "a@local" }, folder)
    local body = assert(io.open(folder .. "/body", "w"))
    body:write(("x"):rep(100000))
    body:close()
    for _ = 1, 8 do node.run({ "send", "a@local", "@body", "--text" }, folder) end
    running:stop()
    running = nil
    has("store-nearly-full", "of 1.0 MB")
    shell.must("touch -d '+2 hours' data/data.mdb", folder)
    has("clock-went-back", "in the future: the clock was set back")
  end)

  it("finds messages of an agent that is not there any more", function()
    project ""
    start()
    node.run({ "queue", "pause", "a@local" }, folder)
    node.run({ "send", "a@local", "{}" }, folder)
    running:stop()
    os.remove(folder .. "/agents/a.lua")
    start()
    has("no-agent", "1 message in the mailbox of a@local waits, which no agent here has")
  end)

  it("finds messages for an address that nobody serves", function()
    project("", { ["agents/b.lua"] = HEAD .. 'return moonpost.agent { address = "b@local", on = { message = '
      .. 'function(ctx) ctx:send("a@locla", {}) end } }\n' })
    start()
    node.run({ "send", "b@local", "{}", "--await", "handled" }, folder)
    local symptom = has("no-route", "1 message for a@locla waits: nobody serves this address")
    assert.truthy(symptom.why:find('did you mean "a@local"?', 1, true), symptom.why)
  end)

  it("notes agents that may handle a message twice, where receipts can be lost", function()
    project('links = { "tcp://127.0.0.1:1" }', { ["agents/b.lua"] = agent("b@local", 'dedup = { ttl = "1h" },') })
    start()
    assert.equal("note", has("duplicates", "a@local has no dedup policy").level)
  end)

  it("finds refused reloads and settings that do not load", function()
    project ""
    start()
    local file = assert(io.open(folder .. "/agents/a.lua", "w"))
    file:write "local x = = 1"
    file:close()
    node.run({ "reload" }, folder)
    has("reload-refused", "agents/a.lua:1: unexpected symbol")
    node.remove(folder)
    running:stop()
    running = nil
    project "nmae = 3"
    has("settings", 'node.nmae: unknown key; did you mean "name"?')
  end)

  it("looks at the node that is named", function()
    project ""
    start()
    local output, code = node.run({ "doctor", "--node", folder }, "/")
    assert.equal(0, code, output)
    output, code = node.run({ "doctor", "--node", "127.0.0.1:7101" }, "/")
    assert.equal(2, code, output)
  end)
end)
