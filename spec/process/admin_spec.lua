local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[
return require("moonpost").node { name = "office", store = "memory", listen = { "tcp://127.0.0.1:0" } }]],
  ["agents/mail.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "mail@local",
  retry = { attempts = 2, first = "1ms", factor = 1, jitter = 0 },
  on = {
    message = function(_, msg)
      if msg.body == "no" then return moonpost.reject "not for me" end
      if msg.body.bad then error("cannot send to " .. msg.body.bad) end
    end,
  },
}]],
}

describe("the commands about a node", function()
  local folder, running

  local function says(...) return node.says(folder, ...) end

  local function send(body)
    return node.run({ "send", "mail@local", body, "--await", "handled" }, folder):match "ref=(%S+)"
  end

  setup(function()
    folder = node.folder(FILES)
    running = node.start({ "run" }, folder, "listening tcp://")
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
  end)

  it("show it, its mailboxes and its dead letters, and send these back", function()
    local id = send '{"bad":"ada"}'
    local output = says({ "status" }, "node office  up 0 s  store memory", 0)
    assert.truthy(output:find("mail@local        0       0         0     1", 1, true), output)
    assert.truthy(output:find("1 dead letter; see: moonpost dlq ls", 1, true), output)
    output = says({ "dlq", "ls" }, "agents/mail.lua:8: cannot send to ada", 0)
    assert.truthy(output:find(id, 1, true), output)
    output = says({ "dlq", "show", id }, 'body      {"bad":"ada"}', 0)
    assert.truthy(output:find("2  %d%d:%d%d:%d%d%.%d%d%d  HANDLER_ERROR: agents/mail%.lua:8:"), output)
    says({ "dlq", "requeue", id, "--body", '{"good":1}' }, "requeued " .. id, 0)
    says({ "dlq", "ls" }, "no dead letters", 0)
  end)

  it("take dead letters by what they have in common, and ask before", function()
    send "no"
    send "no"
    says({ "dlq", "requeue", "--code", "REJECTED", "--dry" }, "2 dead letters would be requeued; nothing was changed", 0)
    says({ "dlq", "requeue", "--code", "REJECTED" }, "Requeue 2 dead letters of mail@local? Say --yes", 2)
    says({ "dlq", "requeue", "--code", "REJECTED", "--yes", "--body", "{}" }, "requeued 2 dead letters", 0)
    says({ "dlq", "requeue", "--all" }, "no dead letter matches", 0)
  end)

  it("requeue no dead letter with a body that is meant as JSON and is none, unless it is said to be text", function()
    local id = send "no"
    says({ "dlq", "requeue", id, "--body", '{"qty":2' }, "moonpost dlq: --body: the body is not JSON: ", 2)
    says({ "dlq", "requeue", "--all", "--yes", "--body", "[1" }, "; --text sends it as text", 2)
    says({ "dlq", "show", id }, "body      no", 0)
    says({ "dlq", "requeue", id, "--text", "--body", '{"qty":2' }, "requeued " .. id, 0)
  end)

  it("pause a mailbox and let it go on", function()
    says({ "queue", "pause", "mail@local" }, "paused mail@local; it stores what comes", 0)
    node.run({ "send", "mail@local", "{}" }, folder)
    says({ "queue", "ls", "mail@local" }, "paused 0 s ago", 0)
    says({ "queue", "ls", "--json" }, '"waiting":1}', 0)
    says({ "queue", "resume", "mail@local" }, "resumed mail@local, 1 waiting", 0)
    says({ "queue", "resume", "mail@local" }, "mail@local was not held", 0)
  end)

  it("say that a message is stored in a paused mailbox", function()
    node.run({ "queue", "pause", "mail@local" }, folder)
    says({ "send", "mail@local", "{}" }, "note: mail@local is paused: the message is stored", 0)
    says({ "send", "mail@local", "{}", "--await", "handled", "--timeout", "300ms" }, "its mailbox is paused", 5)
    node.run({ "queue", "resume", "mail@local" }, folder)
  end)

  it("look into a mailbox, and empty it", function()
    node.run({ "queue", "pause", "mail@local" }, folder)
    for n = 1, 3 do node.run({ "send", "mail@local", ('{"n":%d}'):format(n), "--key", "k" .. n }, folder) end
    local output = says({ "queue", "peek", "mail@local" }, 'waiting      0  0 s ago', 0)
    assert.truthy(output:find('k3   {"n":3}', 1, true), output)
    output = says({ "queue", "peek", "mail@local", "--limit", "1", "--json" }, '"body":{"n":1}', 0)
    local after = assert(output:match "%-%-after (%d+) goes on", output)
    says({ "queue", "peek", "mail@local", "--after", after, "--json" }, '"body":{"n":2}', 0)
    says({ "queue", "purge", "mail@local" }, "Purge 3 messages of mail@local, for ever? Say --yes.", 2)
    says({ "queue", "purge", "mail@local", "--yes" }, "purged 3 messages of mail@local", 0)
    says({ "queue", "peek", "mail@local", "--state", "waiting" }, "nothing waiting in mail@local", 0)
    says({ "queue", "peek", "mail@local", "--state", "wating" }, 'did you mean "waiting"?', 2)
    node.run({ "queue", "resume", "mail@local" }, folder)
  end)

  it("drain a mailbox, and end when it is empty", function()
    local output = says({ "queue", "drain", "mail@local" }, "mail@local is empty; it takes nothing new until", 0)
    assert.truthy(output:find("draining mail@local: it takes nothing new", 1, true), output)
    output = says({ "send", "mail@local", "{}" }, "code=STOPPING", 4)
    assert.truthy(output:find("the mailbox is being drained", 1, true), output)
    says({ "queue", "ls" }, "draining for 0 s", 0)
    says({ "queue", "resume", "mail@local" }, "resumed mail@local", 0)
    says({ "send", "mail@local", "{}" }, "ack ok=true", 0)
  end)

  it("remove dead letters", function()
    local id = send "no"
    send "no"
    says({ "dlq", "rm", id }, "Remove 1 dead letter, for ever? Say --yes", 2)
    says({ "dlq", "rm", id, "--yes" }, "removed " .. id, 0)
    says({ "dlq", "rm", "--all", "--dry" }, "1 dead letter would be removed; nothing was changed", 0)
    says({ "dlq", "rm", "--code", "REJECTED", "--yes" }, "removed 1 dead letter", 0)
    says({ "dlq", "ls" }, "no dead letters", 0)
  end)

  it("send a letter back as it was edited", function()
    local id = send '{"bad":"ada"}'
    local function edit(command, text, code)
      local output, got = node.run({ "dlq", "requeue", id, "--edit" }, folder, { EDITOR = command, VISUAL = "" })
      assert.truthy(output:find(text, 1, true), output)
      assert.equal(code, got, output)
    end
    edit("true", "Nothing was changed. Requeue " .. id .. " as it is? Say --yes", 2)
    edit("sed -i s/}/,/", "not JSON", 4)
    edit("false", 'the editor "false" failed', 4)
    edit("sed -i s/bad/good/", "requeued " .. id, 0)
    says({ "dlq", "ls" }, "no dead letters", 0)
  end)

  it("name the nearest when there is no such thing", function()
    says({ "queue", "pause", "mial@local" }, 'no mailbox "mial@local" here; did you mean "mail@local"?', 4)
    says({ "dlq", "requeu" }, 'did you mean "requeue"?', 2)
    says({ "dlq", "list" }, 'did you mean "ls"?', 2)
    says({ "queue", "clear", "mail@local" }, 'did you mean "purge"?', 2)
    says({ "dlq", "ls", "--agnet", "a@b" }, 'did you mean "--agent"?', 2)
  end)

  it("refuse what says too little", function()
    says({ "queue", "purge" }, "which one? moonpost queue purge ADDR", 2)
    says({ "dlq", "requeue" }, "which ones?", 2)
    says({ "dlq", "ls", "--since", "yesterday" }, '--since: "yesterday" is not a moment', 2)
  end)

  it("end with 3 when no node is there, and say what was tried and how to start one", function()
    local output = says({ "status", "--node", "unix:nobody.sock" }, "no node at unix:nobody.sock", 3)
    assert.truthy(output:find("start one with: moonpost run", 1, true), output)
  end)

  it("are answered only at the door in the node's own folder", function()
    local door = running.said[#running.said]:match "tcp://%S+"
    says({ "status", "--node", door }, "DENIED: $node answers only programs of the node's own user", 4)
  end)
end)

describe("what a mailbox was told", function()
  local folder, running

  local function says(words, text) return node.says(folder, words, text, 0) end

  local function start() running = node.start({ "run", "--no-respawn", "--store", "data" }, folder, "listening tcp://") end

  setup(function()
    folder = node.folder(FILES)
    start()
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
  end)

  it("holds when its process is killed: what was purged does not come back, and it is drained still", function()
    says({ "queue", "pause", "mail@local" }, "paused")
    for _ = 1, 3 do node.run({ "send", "mail@local", "{}" }, folder) end
    says({ "queue", "purge", "mail@local", "--yes" }, "purged 3 messages of mail@local")
    says({ "queue", "drain", "mail@local" }, "mail@local is empty")
    running:stop "KILL"
    start()
    says({ "queue", "ls", "mail@local" }, "mail@local        0       0         0     0  draining for ")
    says({ "queue", "resume", "mail@local" }, "resumed mail@local")
    says({ "status" }, "since its start: sent 0, stored 0, handled 0")
    assert.truthy(table.concat(running.said, "\n"):find("messages 0  dead 0", 1, true))
  end)
end)
