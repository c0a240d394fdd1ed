local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local errors = require "moonpost.errors"
local moonpost = require "moonpost"

-- Run a program with a client; `answer` answers its sends.
local function program(body, answer)
  local waits = {}
  local results = { fake.run(function()
    return body(assert(moonpost.client { link = "hub" }))
  end, function(kind, first, second)
    waits[#waits + 1] = { kind, first, second }
    if kind == "client_open" then return true, 7 end
    if kind == "client_close" then return true end
    return answer()
  end) }
  return results, waits
end

describe("a client", function()
  it("is opened with its settings in normal form", function()
    local _, waits = program(function() end)
    assert.same({ "client_open", { link = "hub", window = 64, store = "" } }, waits[1])
  end)

  it("takes its profile from the environment when the program names none", function()
    fake.variables.MOONPOST_PROFILE = "at-most-once"
    local _, waits = program(function() end)
    fake.reset()
    assert.equal("at-most-once", waits[1][2].profile)
  end)

  it("answers why it could not be opened", function()
    local results = { fake.run(function() return moonpost.client { name = "orders" } end, function()
      return false, "another store has this name", "NAME_TAKEN"
    end) }
    assert.same({ nil, "another store has this name", "NAME_TAKEN" }, results)
  end)

  it("sends and answers the receipt", function()
    local results, waits = program(function(client) return client:send("a@b", "x") end, function()
      return true, { type = "ack", ok = true, ref = "m1", level = "stored", attempt = 3 }
    end)
    assert.equal("type=ack ok=true code=nil reason=nil ref=m1 level=stored attempt=3", tostring(results[1]))
    assert.same({ "client_send", 7, { to = "a@b", body = "x", encoding = "raw" } }, waits[2])
  end)

  it("answers nil, reason, code and the receipt of a nack", function()
    local results = program(function(client) return client:send("a@b", "x") end, function()
      return true, { type = "nack", ok = false, code = "BUSY", reason = "full", ref = "m1" }
    end)
    assert.is_nil(results[1])
    assert.same({ "full", "BUSY" }, { results[2], results[3] })
    assert.equal("m1", results[4].ref)
  end)

  it("answers nil, reason and code when nobody knows", function()
    local results = program(function(client) return client:send("a@b", "x") end, function()
      return false, errors.new { code = "TIMEOUT", reason = "no answer in 5 s" }
    end)
    assert.same({ nil, "no answer in 5 s", "TIMEOUT" }, results)
  end)

  it("answers the id when it awaits nothing", function()
    local results = program(function(client) return client:send("a@b", "x", { await = "none" }) end, function()
      return true, "m1"
    end)
    assert.same({ "m1" }, results)
  end)

  it("calls and answers the result", function()
    local results, waits = program(function(client) return client:call("a@b", "x") end, function()
      return true, { type = "ack", ok = true, result = { sum = 3 } }
    end)
    assert.same({ { sum = 3 } }, results)
    assert.equal("handled", waits[2][3].await)
    assert.equal(30, waits[2][3].timeout)
  end)

  it("calls and answers why there is no result", function()
    local results = program(function(client) return client:call("a@b", "x") end, function()
      return true, { type = "nack", ok = false, code = "DEAD", reason = "5 attempts" }
    end)
    assert.is_nil(results[1])
    assert.same({ "5 attempts", "DEAD" }, { results[2], results[3] })
  end)

  it("closes once, and sends nothing afterwards", function()
    local results, waits = program(function(client)
      assert(client:close() and client:close())
      return client:send("a@b", "x")
    end)
    assert.same({ nil, "the client is closed", "GONE" }, results)
    assert.equal(2, #waits)
  end)

  it("asks what is answered by parts, and waits until the answer begins", function()
    local news = { { 1, "accepted" }, { 1, "part", 7 }, { 1, "part", false, 3 }, { 1, "end", { ok = true, result = "all" } } }
    local results, waits = program(function(client)
      local stream = client:stream("$node", {}, { method = "tail", timeout = math.huge })
      local first, second, left_out = stream(), stream()
      return first, second, left_out, stream(), stream.result
    end, function()
      if #news == 4 and not news.asked then
        news.asked = true
        return true, 9
      end
      if #news == 0 then return true end
      return true, unpack(table.remove(news, 1))
    end)
    assert.same({ 7, false, 3, nil, "all" }, { results[1], results[2], results[3], results[4], results[5] })
    assert.same({ "client_stream", "stream_next", "stream_close" }, { waits[2][1], waits[3][1], waits[#waits][1] })
    assert.same({ "handled", math.huge }, { waits[2][3].await, waits[2][3].timeout })
  end)

  it("answers why a question is not answered by parts", function()
    local calls = 0
    local results = program(function(client) return client:stream("$node", {}, { method = "tail" }) end, function()
      calls = calls + 1
      if calls == 1 then return true, 9 end
      if calls == 2 then return true, 1, "end", { ok = false, code = "DENIED", reason = "not you" } end
      return true
    end)
    assert.same({ nil, "not you", "DENIED" }, results)
  end)

  it("asks agents for no parts yet", function()
    assert.equal("UNSUPPORTED: client:stream: only $node answers by parts in this version",
      raised(program, function(client) return client:stream("a@b", {}) end))
  end)

  for name in ("publish take"):gmatch("%S+") do
    it("does not have " .. name .. " yet", function()
      assert.equal(("UNSUPPORTED: client:%s: not yet in this version"):format(name),
        raised(program, function(client) return client[name] end))
    end)
  end

  it("has no other names", function()
    assert.matches('client:sned: unknown; did you mean "send"%?$', raised(program, function(client) client:sned() end))
  end)

  it("is called with a colon", function()
    assert.matches("send: not a client; write client:send%(%.%.%.%)$",
      raised(program, function(client) client.send("a@b", "x", nil) end))
  end)

  local wrong = {
    { { lnk = "hub" }, 'client.lnk: unknown key; did you mean "link"?' },
    { { window = 0 }, "client.window: expected a whole number from 1 to 8192, got 0" },
    { { await = "none" }, 'client.await: expected "handled", "sent", "stored", got "none"' },
    { { send = { atempts = 1 } }, 'client.send.atempts: unknown key; did you mean "attempts"?' },
    { { store = true }, "client.store: expected a string, got true" },
    { "hub", 'client: expected a table, got "hub"' },
  }
  for _, case in ipairs(wrong) do
    it("is refused: " .. case[2], function()
      assert.truthy(raised(moonpost.client, case[1]):find(case[2], 1, true))
    end)
  end

  local elsewhere = {
    handler = "only in programs (moonpost exec); in an agent use ctx:send or ctx:call",
    load = "only in programs (moonpost exec); in an agent use ctx:send or ctx:call",
    hook = "only in programs (moonpost exec), not in a hook",
    policy = "only in programs (moonpost exec), not in a policy",
  }
  for place, text in pairs(elsewhere) do
    it("is not for the place " .. place, function()
      fake.at = place
      finally(fake.reset)
      assert.truthy(raised(moonpost.client, {}):find("moonpost.client: " .. text, 1, true))
    end)
  end
end)
