local node = require "spec.support.node"
local shell = require "spec.support.shell"

local FILES = {
  ["node.lua"] = [[
return require("moonpost").node { name = "office", store = "memory", listen = { "tcp://127.0.0.1:0" },
  grace = 0 }]],
  ["agents/mail.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "mail@local",
  retry = { attempts = 2, first = "1ms", factor = 1, jitter = 0 },
  on = {
    message = function(_, msg)
      if msg.body == "no" then return moonpost.reject "not for me" end
      if type(msg.body) == "number" then return end
      if msg.body.bad then error("cannot send to " .. msg.body.bad) end
      return { hello = msg.body.name }
    end,
  },
  methods = { nothing = function() end },
}]],
  ["agents/slow.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "slow@local",
  on = { message = function() moonpost.sleep "1h" end },
  timeout = "2h",
}]],
}

describe("the commands that tell what happens", function()
  local folder, running

  local function says(...) return node.says(folder, ...) end

  local function send(body)
    return node.run({ "send", "mail@local", body, "--await", "handled" }, folder):match "ref=(%S+)"
  end

  local exe = shell.quoted(node.executable())
  local SEND = exe .. " send mail@local '{}' >/dev/null"

  -- Run `tail` in the background, send until it has told of something, then do `more`.
  local function while_tail_runs(words, more, where)
    os.remove(where .. "/said")
    return shell.run(("{ %s %s >said 2>&1 & until [ -s said ]; do %s; done; %s; wait $!; echo code $?; cat said; }")
      :format(exe, words, SEND, more), where)
  end

  setup(function()
    folder = node.folder(FILES)
    running = node.start({ "run" }, folder, "listening tcp://")
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
  end)

  describe("tail", function()
    it("tells of each message, and ends well at an interrupt", function()
      local output = while_tail_runs("tail mail@local",
        exe .. [[ send mail@local '{"bad":"ada"}' --await handled >/dev/null; kill -INT $!]], folder)
      assert.truthy(output:find("code 0", 1, true), output)
      assert.truthy(output:find("stored     mail@local  %w+  from "), output)
      assert.truthy(output:find("retrying   mail@local  %w+  attempt 1  agents/mail%.lua:9: cannot send to ada  again in 1 ms"),
        output)
      assert.truthy(output:find("dead       mail@local  %w+  attempt 2  DEAD: "), output)
      assert.is_nil(output:find("link_up", 1, true), output)
    end)

    it("notes an address that nobody here has, and goes on", function()
      local interrupt = exe .. " send mail@local '{}' --await handled >/dev/null; kill -INT $!"
      local output = while_tail_runs("tail mial@local", interrupt, folder)
      assert.truthy(output:find('note: nobody here is called mial@local yet; did you mean "mail@local"?\n', 1, true), output)
      assert.truthy(output:find("code 0", 1, true), output)
      assert.is_nil(while_tail_runs("tail '*@local'", interrupt, folder):find("nobody here", 1, true))
    end)

    it("leaves links out, which each program has, unless they are asked for", function()
      local more = exe .. " send mail@local '{}' --await handled >/dev/null; kill -INT $!"
      local output = while_tail_runs("tail", more, folder)
      assert.truthy(output:find("handled ", 1, true), output)
      assert.is_nil(output:find("link_", 1, true), output)
      assert.truthy(while_tail_runs("tail --links", more, folder):find("link_up", 1, true))
    end)

    it("has an object a line for programs, and ends when its reader does", function()
      local output = shell.run(("{ { %s tail '*@local' --json; echo code $? >ended; } | head -n 1 >first & "
        .. "until [ -s ended ]; do %s; done; wait; cat first ended; }"):format(exe, SEND), folder)
      assert.truthy(output:find('^{"at":%d+%.?%d*,"bytes":2,"fact":"'), output)
      assert.truthy(output:find("code 0", 1, true), output)
    end)

    it("ends when the node goes, and says so", function()
      local elsewhere = node.folder { ["node.lua"] = 'return require("moonpost").node { store = "memory" }',
        ["agents/mail.lua"] = FILES["agents/mail.lua"] }
      local other = node.start({ "run" }, elsewhere, "listening unix:")
      local output = while_tail_runs("tail", "kill " .. other.pid, elsewhere)
      other:finish()
      node.remove(elsewhere)
      assert.truthy(output:find("code 3", 1, true), output)
      assert.truthy(output:find("moonpost tail: the node has gone", 1, true), output)
    end)

    it("refuses a pattern that is none", function()
      says({ "tail", "ma*@local" }, 'ADDR: "ma*@local": "*" stands for a whole segment', 2)
      says({ "tail", ">.mail@local" }, '">" stands at the end only', 2)
    end)

    it("is for the node's own user only", function()
      local door = running.said[#running.said]:match "tcp://%S+"
      says({ "tail", "--node", door }, "DENIED: $node answers only programs of the node's own user", 4)
    end)
  end)

  describe("trace", function()
    it("tells a message's life", function()
      local output = says({ "trace", send '{"bad":"ada"}' }, "mail@local", 0)
      assert.truthy(output:find("stored\n.-delivered  attempt 1\n.-retrying   attempt 1  agents/mail%.lua:9: cannot.-"
        .. "delivered  attempt 2\n.-dead       attempt 2  DEAD: .-now  mail@local  is a dead letter"), output)
      output = says({ "trace", send '{"name":"ada"}' }, "handled    attempt 1", 0)
      assert.is_nil(output:find("  now  ", 1, true), output)
    end)

    it("says when nothing is known, and why that may be", function()
      local output = says({ "trace", "nobody" }, "no message nobody in a mailbox, an outbox or the dead letters", 4)
      assert.truthy(output:find("node office remembers all that happened since its start", 1, true), output)
    end)
  end)

  describe("send", function()
    -- On a terminal of its own.
    local function at_terminal(words)
      return shell.run(("script -qec %s /dev/null"):format(shell.quoted(shell.quoted(node.executable()) .. " " .. words)),
        folder, { NO_COLOR = "1", TERM = "dumb" })
    end

    it("shows what attempts come to while it waits at a terminal", function()
      local output, code = at_terminal [[send mail@local '{"bad":"ada"}' --await handled]]
      assert.truthy(output:find("attempt 1 failed  agents/mail.lua:9: cannot send to ada  retry in 1 ms", 1, true), output)
      assert.truthy(output:find("attempt 2 failed  agents/mail.lua:9: cannot send to ada  no attempts left", 1, true), output)
      assert.equal(4, code)
      output = at_terminal "send mail@local no --await handled"
      assert.truthy(output:find("attempt 1 refused  not for me  not tried again", 1, true), output)
    end)

    -- Was: it waited for its turn, and nothing said that nobody would hand it over.
    it("says at once that the mailbox is paused", function()
      says({ "queue", "pause", "mail@local" }, "paused mail@local", 0)
      local output, code = at_terminal "send mail@local {} --await handled --timeout 300ms"
      says({ "queue", "resume", "mail@local" }, "resumed mail@local", 0)
      assert.truthy(output:find("stored  mail@local is paused: it is handed over when that is resumed", 1, true), output)
      assert.equal(5, code)
    end)

    it("shows nothing of it to a program", function()
      assert.is_nil(says({ "send", "mail@local", '{"bad":"ada"}', "--await", "handled" }, "code=DEAD", 4):find("attempt 1", 1, true))
    end)

    it("shows of an agent on another node what is known here", function()
      local door = running.said[#running.said]:match "tcp://%S+"
      local elsewhere = node.folder { ["node.lua"] = ([[
return require("moonpost").node { name = "home", store = "memory", links = { %q } }]]):format(door) }
      local other = node.start({ "run" }, elsewhere, "link up")
      local output, code = at_terminal(("send slow@local x --await handled --timeout 300ms --node unix:%s/data/moonpost.sock")
        :format(elsewhere))
      other:stop()
      node.remove(elsewhere)
      assert.truthy(output:find("stored  by its owner on another node", 1, true), output)
      assert.truthy(output:find("no answer in time; its owner has stored it, and goes on with it", 1, true), output)
      assert.equal(5, code)
    end)

    it("names the level that is meant", function()
      says({ "send", "mail@local", "x", "--await", "done" }, 'did you mean "handled"?', 2)
      says({ "send", "mail@local", "x", "--await", "store" }, 'did you mean "stored"?', 2)
    end)
  end)

  describe("call", function()
    it("prints what the agent answers", function()
      says({ "call", "mail@local", '{"name":"ada"}' }, '{"hello":"ada"}\n', 0)
      says({ "call", "mail@local", "{}", "--method", "nothing" }, "null\n", 0)
    end)

    it("ends with 4 when it is refused, and names the nearest at once", function()
      says({ "call", "mial@local", "{}" }, 'NO_ROUTE: no agent at "mial@local"; did you mean mail@local?', 4)
      says({ "call", "mail@local", "no" }, "REJECTED: not for me", 4)
    end)

    it("ends with 5 when the answer does not come in time", function()
      says({ "call", "slow@local", "{}", "--timeout", "100ms" }, "TIMEOUT: no answer in time; its owner has stored it", 5)
    end)

    it("ends with 2 when it is not understood", function()
      says({ "call", "mail@local", "{}", "--timeout", "soon" }, "--timeout", 2)
      says({ "call", "mail@local" }, "something is missing", 2)
    end)
  end)

  -- Was: nobody answers a question that is sent at most once.
  it("ask at least once, whatever messages are sent by", function()
    local output, code = node.run({ "status" }, folder, { MOONPOST_PROFILE = "at-most-once" })
    assert.truthy(output:find("node office", 1, true), output)
    assert.equal(0, code)
  end)

  it("metrics has the numbers in the form that Prometheus reads", function()
    local output = says({ "metrics" }, "# TYPE moonpost_messages_handled_total counter\nmoonpost_messages_handled_total ", 0)
    assert.truthy(output:find('\nmoonpost_queue_ready_messages{kind="mailbox",queue="mail@local"} 0\n', 1, true), output)
    assert.truthy(output:find('\nmoonpost_node_info{name="office",role="node",', 1, true), output)
    for line in output:gmatch "[^\n]+" do
      assert.truthy(line:find "^# HELP moonpost_[%l_]+ " or line:find "^# TYPE moonpost_[%l_]+ %l+$"
        or line:find "^moonpost_[%l_]+ %-?[%d.]+$" or line:find '^moonpost_[%l_]+{.+"} %-?[%d.]+$', line)
    end
    says({ "metrics", "--json" }, '"name":"moonpost_node_info"', 0)
  end)

  -- Was: a node that had left something out never learned that there was room again.
  it("tail tells how much it left out for a reader that was too slow, and goes on", function()
    local file = assert(io.open(folder .. "/flood.lua", "w"))
    file:write [[
      local client = assert(require("moonpost").client { window = 1000 })
      for index = 1, 10000 do client:send("mail@local", index, { await = index % 500 == 0 and "handled" or "none" }) end]]
    file:close()
    local output = while_tail_runs("tail mail@local", ("kill -STOP $!; %s exec flood.lua; kill -CONT $!; "
      .. "until grep -q 'left out' said; do %s; done; kill -INT $!"):format(exe, SEND), folder)
    assert.truthy(output:find("code 0", 1, true), output:sub(-2000))
    local left_out = output:match "%.%.%. ([%d,]+) left out: they passed faster than they could be shown"
    assert.is_true(tonumber((left_out:gsub(",", ""))) > 1000, left_out)
  end)
end)
