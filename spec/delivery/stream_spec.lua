local worlds = require "moonpost.world"
local delivery = require "spec.support.delivery"
local node = require "spec.support.node"

-- What `client` can do is in these programs; each returns 0 when all was as it should be.
local function program(text)
  return [[
local moonpost = require "moonpost"
local client = assert(moonpost.client { link = "owner", name = "reader" })
local function send(body) return assert(client:send("a@x", body, { await = "handled" })) end
local function open(body, more)
  local options = { method = "tail", timeout = math.huge }
  for name, value in pairs(more or {}) do options[name] = value end
  return assert(client:stream("$node", body, options))
end
]] .. text
end

describe("a program's stream", function()
  local world, folder

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function(_, msg)
      if msg.body == "bad" then return nil, "no luck" end
      return msg.body
    end, { retry = { attempts = 2, first = "1s", jitter = 0 } })
  end)
  after_each(function() node.remove(folder) end)

  local function runs(text)
    folder = node.folder { ["program.lua"] = program(text) }
    local code, reason = world:exec(folder .. "/program.lua")
    assert.equal("", reason)
    assert.equal(0, code)
  end

  it("of $node's tail has a part for each fact", function()
    runs [[
      local stream, facts = open { address = "a@x" }, {}
      local id = send(1).ref
      for fact, left_out in stream do
        assert(fact.id == id and fact.to == "a@x" and left_out == nil)
        facts[#facts + 1] = fact.fact
        if #facts == 3 then stream:close() end
      end
      assert(table.concat(facts, " ") == "stored delivered handled", table.concat(facts, " "))
      assert(stream.result == nil and stream() == nil) ]]
  end)

  it("of one message ends by itself, with its end", function()
    runs [[
      local stream, facts = open { id = "m1" }, {}
      client:send("a@x", "other")
      client:send("a@x", "bad", { id = "m1" })
      for fact in stream do facts[#facts + 1] = fact.fact .. (fact.reason and ": " .. fact.reason or "") end
      assert(table.concat(facts, ", ") == "stored, delivered, retrying: no luck, delivered, dead: no luck",
        table.concat(facts, ", "))
      assert(stream.result.reason == "the message has ended") ]]
  end)

  it("chooses by pattern", function()
    runs [[
      local all, some = open { address = ">" }, open { address = "*@x" }
      local none, other = open { address = "b.*@x" }, open { address = "a.>" }
      send(1)
      assert(all().fact == "stored" and some().fact == "stored")
      for _, stream in ipairs { all, some, none, other } do stream:close() end
      assert(none() == nil and other() == nil) ]]
  end)

  it("raises when it breaks, is refused, or lasts longer than it was to", function()
    runs [[
      local function fails(code, stream)
        local ok, fault = pcall(stream)
        assert(not ok and fault.code == code, tostring(fault))
        assert(stream() == nil)
      end
      fails("TIMEOUT", open({ id = "nobody" }, { timeout = 5 }))
      local refused = { client:stream("$node", { adress = "a@x" }, { method = "tail" }) }
      assert(refused[1] == nil and refused[3] == "BAD_VALUE", refused[2])
      local ok, fault = pcall(client.stream, client, "a@x", 1)
      assert(not ok and fault.code == "UNSUPPORTED", tostring(fault))
      client:close()
      assert(select(3, client:stream("$node", {}, { method = "tail" })) == "GONE") ]]
  end)

  it("raises when the link to its node is gone", function()
    folder = node.folder { ["program.lua"] = program [[
      local stream = open { id = "m1" }
      local ok, fault = pcall(stream)
      return not ok and fault.code == "STREAM_BROKEN" and 0 or error(tostring(fault)) ]] }
    local number = worlds.exec(world.handle, "program", folder, folder .. "/program.lua", false)
    world:advance(1)
    world:cut("reader", "owner")
    world:advance(1)
    assert.same({ true, 0, "" }, { worlds.ended(world.handle, number) })
  end)

  it("tells how much a reader that does other things has missed", function()
    runs [[
      local stream = open { address = "a@x" }
      for index = 1, 500 do send(index) end
      moonpost.sleep(1)
      local seen, missed = 0, 0
      repeat
        local fact, left_out = stream()
        seen, missed = seen + (fact and 1 or 0), missed + (left_out or 0)
      until seen + missed == 1500
      assert(seen == 1024 and missed == 476, seen .. " " .. missed)
      send "next"
      local fact, left_out = stream()
      assert(fact.fact == "stored" and left_out == nil) ]]
  end)

  it("that is followed by too many is refused", function()
    runs [[
      local streams = {}
      for index = 1, 16 do streams[index] = open { id = "nobody" } end
      local more, reason, code = client:stream("$node", {}, { method = "tail", fail_fast = true })
      assert(more == nil and code == "BUSY", reason)
      streams[1]:close()
      local again = open { address = "a@x" }
      send(1)
      assert(again().fact == "stored") ]]
  end)
end)

describe("$node", function()
  local world

  local function ask(method, body)
    return assert(world:call("$node", body or {}, { method = method, from = "owner" }))
  end

  before_each(function() world = delivery.chain() end)

  it("traces a message that is here, and one that was", function()
    delivery.agent(world, function(_, msg)
      if msg.body == "bad" then return nil, "no luck" end
    end, { retry = { first = "1h", cap = "1h", jitter = 0 } })
    local bad, good = delivery.send(world, "bad"), delivery.send(world, "good")
    local trace = ask("trace", { id = bad })
    local place = trace.places[1]
    assert.same({ "mailbox", "a@x", "deferred", 1, 1 },
      { place.where, place.address, place.state, place.attempts, place.number })
    assert.same({ "HANDLER_ERROR", "no luck" }, { place.failures[1].code, place.failures[1].reason })
    assert.equal(3600, place.due_at - place.first_at)
    trace = ask("trace", { id = good })
    assert.same({}, trace.places)
    assert.same({ "stored", "delivered", "handled" },
      { trace.facts[1].fact, trace.facts[2].fact, trace.facts[3].fact })
    assert.same({ facts = 4096 }, trace.remembered)
  end)

  it("traces a message that is to be sent", function()
    world:cut("hub", "owner")
    local id = world:send("b@x", 1, { from = "owner" })
    local place = ask("trace", { id = id }).places[1]
    assert.same({ "outbox", "b@x", "waiting", 1 }, { place.where, place.address, place.state, place.number })
  end)

  it("has agents and links by page", function()
    for _, name in ipairs { "c@x", "a@x", "b@x" } do
      delivery.agent(world, delivery.failing, { address = name })
    end
    local page = ask("agents", { limit = 2 })
    assert.same({ "a@x", "b@x" }, { page.items[1].address, page.items[2].address })
    page = ask("agents", { after = page.after })
    assert.same({ "c@x", 1 }, { page.items[1].address, #page.items })
    assert.is_nil(page.after)
    assert.same({ "hub", "up" }, { ask("links").items[1].name, ask("links").items[1].state })
  end)

  it("tells of its store", function()
    assert.same({ "memory", false }, { ask("store").kind, ask("store").used == nil })
    assert.equal("UNSUPPORTED", (select(3, world:call("$node", { what = "backup" }, { method = "store", from = "owner" }))))
  end)

  it("has metrics of messages and queues", function()
    delivery.agent(world, delivery.failing, { retry = { first = "1h", cap = "1h" } })
    delivery.send(world, 1)
    local values = {}
    for _, family in ipairs(ask("metrics").metrics) do
      for _, sample in ipairs(family.samples) do
        values[family.name .. (sample.labels and sample.labels.queue and " " .. sample.labels.queue or "")] = sample.value
      end
    end
    assert.equal(1, values.moonpost_retries_total)
    assert.equal(1, values["moonpost_queue_deferred_messages a@x"])
    assert.equal(0, values["moonpost_queue_ready_messages a@x"])
    assert.equal(1, values.moonpost_link_up)
  end)

  it("does not answer by parts to whoever can take one answer only", function()
    local result, reason, code = world:call("$node", {}, { method = "tail", from = "owner" })
    assert.is_nil(result)
    assert.equal("UNSUPPORTED: it is answered by parts: ask with client:stream", code .. ": " .. reason)
  end)
end)
