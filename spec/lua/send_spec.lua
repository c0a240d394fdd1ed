require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"
local send = require "moonpost.send"

local function normalise(options, verb)
  return send.normalise("mail@local", "hi", options, verb or "client:send")
end

local function refusal(options, verb)
  return raised(function() normalise(options, verb) end) or "accepted"
end

describe("what is sent", function()
  it("is a string as it is, raw", function()
    assert.same({ to = "mail@local", body = "hi", encoding = "raw" }, send.normalise("mail@local", "hi", nil, "ctx:send"))
  end)

  it("is JSON for anything else", function()
    local function json(body)
      local message = send.normalise("mail@local", body, nil, "ctx:send")
      assert.equal("json", message.encoding)
      return message.body
    end
    assert.equal('{"a":1,"b":"x"}', json { b = "x", a = 1 })
    assert.equal("12", json(12))
    assert.equal("true", json(true))
    assert.equal("null", json(nil))
    assert.equal("null", json(moonpost.null))
    assert.equal("[]", json(moonpost.array {}))
    assert.equal("{}", json {})
  end)

  it("is plain data, or the path of what is not is named", function()
    local function bad(body)
      local place = "^(BAD_VALUE: )%S+%.lua:%d+: "
      return (raised(send.normalise, "mail@local", body, nil, "ctx:send"):gsub(place, "%1"))
    end
    assert.equal("BAD_VALUE: body.items[3] is a function", bad { items = { 1, 2, print } })
    assert.equal("BAD_VALUE: body[1] is a function", bad { print })
    assert.equal("BAD_VALUE: body is a function", bad(print))
    assert.equal("BAD_VALUE: body is a thread", bad(coroutine.create(print)))
  end)

  it("is the script's fault when it is not plain data, so trying again may help", function()
    local _, fault = raised(send.normalise, "mail@local", { print }, nil, "ctx:send")
    assert.is_false(fault.final)
  end)
end)

describe("the address of a send", function()
  it("is name@domain", function()
    for _, to in ipairs { "mail", "@local", "mail@", "a@b@c", "a b@c", "", "a*@b" } do
      assert.matches("to: .* is not an address; write \"name@domain\"$", raised(send.normalise, to, "x", nil, "ctx:send"))
    end
    assert.matches('to: a table is not an address; the address comes first: ctx:send%("a@b", body, options%)$',
      raised(send.normalise, { to = "a@b", body = 1 }, nil, nil, "ctx:send"))
    assert.matches("to: a table is not an address; write ctx:send%(to, body%), with a colon$",
      raised(send.normalise, {}, "x", nil, "ctx:send"))
    assert.matches("to: nil is not an address", raised(send.normalise, nil, "x", nil, "ctx:send"))
    assert.matches("to: has 260 bytes; at most 255$", raised(send.normalise, ("a"):rep(258) .. "@b", "x", nil, "ctx:send"))
  end)

  it("is the node itself only for programs", function()
    local reason = 'DENIED: to: "$node" answers programs (moonpost.client), not agents'
    assert.equal(reason, raised(send.normalise, "$node", "x", nil, "ctx:send"))
    assert.equal(reason, raised(send.plain, "$node", "x"))
    assert.equal("$node", send.normalise("$node", "x", nil, "client:call").to)
  end)

  it("is no other node address yet", function()
    assert.equal('UNSUPPORTED: to: "$hub": not yet in this version', raised(send.normalise, "$hub", "x", nil, "client:call"))
  end)

  it("is refused at the caller's line", function()
    assert.matches("send_spec%.lua:%d+: to: ", raised(function()
      send.normalise("mail", "x", nil, "ctx:send")
    end))
  end)
end)

describe("the options of a send", function()
  it("are taken over", function()
    local message = normalise {
      id = "m1", key = "k", method = "add", profile = "at-most-once", timeout = "5s", await = "handled",
    }
    assert.same({
      to = "mail@local", body = "hi", encoding = "raw",
      id = "m1", key = "k", method = "add", profile = "at-most-once", timeout = 5, await = "handled",
    }, message)
  end)

  it("may be empty", function()
    assert.same({ to = "mail@local", body = "hi", encoding = "raw" }, normalise {})
  end)

  it("have a delay in seconds", function()
    assert.equal(600, normalise({ delay = "10m" }).delay)
  end)

  it("turn at into a delay", function()
    assert.equal(60, normalise({ at = "2026-01-01T00:01:00Z" }).delay)
    assert.equal(0, normalise({ at = "2025-01-01T00:01:00Z" }).delay)
    assert.is_nil(normalise({ at = "2026-01-01T00:01:00Z" }).at)
  end)

  it("have one of delay and at", function()
    assert.matches("options: delay and at exclude each other$", refusal { delay = 1, at = 1767225600 })
  end)

  it("have expires as seconds from now", function()
    assert.equal(60, normalise({ expires = "1m" }).expires)
    assert.equal(60, normalise({ expires = "2026-01-01T00:01:00Z" }).expires)
    assert.is_nil(normalise({ expires = math.huge }).expires)
  end)

  it("have headers with names in lower case", function()
    assert.same({ ["x-trace"] = "1" }, normalise({ headers = { ["X-Trace"] = "1" } }).headers)
  end)

  it("have a retry policy", function()
    local policy = normalise({ retry = { attempts = 2 } }).retry
    assert.equal(2, policy.attempts)
    assert.equal(6, normalise({ retry = {} }).retry.attempts)
    local function decide() return 1 end
    assert.equal(decide, normalise({ retry = decide }).retry)
  end)

  local wrong = {
    { { dely = 1 }, 'options.dely: unknown key; did you mean "delay"?' },
    { { id = ("x"):rep(129) }, "options.id: has 129 bytes; at most 128" },
    { { id = "" }, "options.id: is empty" },
    { { key = 5 }, "options.key: expected a string, got 5" },
    { { method = "a\nb" }, 'options.method: "a\\010b" has control characters' },
    { { delay = math.huge }, "options.delay: for ever is too long" },
    { { at = "tomorrow" }, 'options.at: "tomorrow" is not a moment' },
    { { expires = "soon" }, 'options.expires: "soon" is neither a duration ("10m") nor a moment' },
    { { timeout = 0 }, "options.timeout: 0 is no time at all" },
    { { await = "done" }, 'options.await: expected "handled", "none", "sent", "stored", got "done"' },
    { { retry = { atempts = 1 } }, 'options.retry.atempts: unknown key; did you mean "attempts"?' },
    { { headers = { ["moonpost-x"] = "1" } }, 'options.headers["moonpost-x"]: "moonpost-*" is reserved' },
    { { headers = { ["Moonpost-X"] = "1" } }, 'options.headers["Moonpost-X"]: "moonpost-*" is reserved' },
    { { headers = { n = 1 } }, 'options.headers["n"]: expected a string, got 1' },
    { { headers = { ["a b"] = "1" } }, 'options.headers["a b"]: a name has no spaces, colons or control characters' },
    { { headers = { a = ("x"):rep(4096) } }, "options.headers: 4097 bytes in all; at most 4096" },
    { { headers = "a" }, 'options.headers: expected a table, got "a"' },
    { { "x" }, "options[1]: unknown key" },
    { "x", 'options: expected a table, got "x"' },
  }
  for _, case in ipairs(wrong) do
    it("are refused: " .. case[2], function()
      assert.truthy(refusal(case[1]):find(case[2], 1, true), refusal(case[1]))
    end)
  end

  it("are refused when two headers differ only in case", function()
    assert.matches("is there twice; names have no case$", refusal { headers = { a = "1", A = "2" } })
  end)

  it("are refused at the caller's line", function()
    assert.matches("send_spec%.lua:%d+: options%.dely", refusal { dely = 1 })
  end)

  it("of a client's send do not have some things yet", function()
    for _, name in ipairs { "priority", "notify" } do
      assert.equal(("UNSUPPORTED: options.%s: not yet in this version"):format(name), refusal { [name] = "x" })
    end
  end)

  it("of a client's send have on_done only for what it does not wait for", function()
    assert.matches('options%.on_done: only with await = "none"', refusal { on_done = print })
    assert.matches("options%.on_done: expected a function", refusal { on_done = 1, await = "none" })
    assert.matches("options%.on_done: only for clients$", refusal({ on_done = print }, "ctx:send"))
  end)

  it("have immediate for ctx:send only", function()
    assert.is_true(send.normalise("mail@local", "x", { immediate = true }, "ctx:send").immediate)
    assert.matches("options%.immediate: only for ctx:send$", refusal({ immediate = true }, "client:send"))
    assert.matches("options%.immediate: a call leaves at once$", refusal({ immediate = true }, "ctx:call"))
  end)

  it("of ctx:send have nothing to wait for", function()
    assert.matches("options%.await: ctx:send does not wait; use ctx:call$", refusal({ await = "stored" }, "ctx:send"))
    assert.matches("options%.timeout: ctx:send does not wait; use ctx:call$", refusal({ timeout = 1 }, "ctx:send"))
  end)

  it("of ctx:call have no delay", function()
    assert.matches("options%.delay: a call leaves at once$", refusal({ delay = 1 }, "ctx:call"))
    assert.matches("options%.await: a call waits until it is handled$", refusal({ await = "sent" }, "ctx:call"))
  end)

  it("of a call have 30 s and wait until it is handled", function()
    local message = send.call("mail@local", "hi", nil, "ctx:call")
    assert.equal(30, message.timeout)
    assert.equal("handled", message.await)
    assert.equal(5, send.call("mail@local", "hi", { timeout = "5s" }, "ctx:call").timeout)
  end)
end)
