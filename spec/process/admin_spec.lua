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

  local function says(words, text, code)
    local output, got = node.run(words, folder)
    assert.truthy(output:find(text, 1, true), output)
    assert.equal(code, got, output)
    return output
  end

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

  it("pause a mailbox and let it go on", function()
    says({ "queue", "pause", "mail@local" }, "paused mail@local; it stores what comes", 0)
    node.run({ "send", "mail@local", "{}" }, folder)
    says({ "queue", "ls", "mail@local" }, "paused 0 s ago", 0)
    says({ "queue", "ls", "--json" }, '"waiting":1}', 0)
    says({ "queue", "resume", "mail@local" }, "resumed mail@local, 1 waiting", 0)
    says({ "queue", "resume", "mail@local" }, "mail@local was not paused", 0)
  end)

  it("name the nearest when there is no such thing", function()
    says({ "queue", "pause", "mial@local" }, 'no mailbox "mial@local" here; did you mean "mail@local"?', 4)
    says({ "dlq", "requeu" }, 'did you mean "requeue"?', 2)
    says({ "dlq", "ls", "--agnet", "a@b" }, 'did you mean "--agent"?', 2)
  end)

  it("refuse what is not there yet, and what says too little", function()
    says({ "dlq", "rm", "x" }, "UNSUPPORTED: rm: not yet", 2)
    says({ "queue", "purge" }, "UNSUPPORTED: purge: not yet", 2)
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
