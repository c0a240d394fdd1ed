local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

-- Ask the $node of a node, as a program of its user.
local function asker(world)
  return function(node, method, body) return world:call("$node", body or {}, { method = method, from = node }) end
end

local function ids(page)
  local found = {}
  for index, item in ipairs(page.items) do found[index] = item.id end
  return found
end

describe("$node", function()
  local world, ask

  local function refused(text, node, method, body)
    local result, reason, code = ask(node, method, body)
    assert.is_nil(result)
    assert.equal(text, code .. ": " .. reason)
  end

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
  end)

  it("tells of a node, its mailboxes and its links", function()
    delivery.agent(world, delivery.failing, { retry = { first = "1h", cap = "1h" } })
    delivery.send(world, "x")
    world:advance(60)
    local status = ask("owner", "status")
    assert.equal("owner", status.node.name)
    assert.equal(60, status.node.now - status.node.started_at)
    assert.equal("memory", status.node.store.kind)
    assert.equal(1, status.counts.stored)
    local mailbox = status.mailboxes[1]
    assert.same({ "a@x", true, false, 0, 1 },
      { mailbox.address, mailbox.served, mailbox.paused, mailbox.waiting, mailbox.deferred })
    assert.same({ "hub", "up" }, { status.links[1].name, status.links[1].state })
  end)

  it("tells at a sentinel who serves what", function()
    delivery.agent(world, delivery.failing)
    local links = ask("hub", "status").links
    assert.same({ "owner", "a@x" }, { links[1].name, table.concat(links[1].addresses, " ") })
    assert.is_nil(links[2].addresses)
  end)

  it("tells of a link that is down and when it is dialled again", function()
    world:cut("hub", "owner")
    local link = ask("owner", "status").links[1]
    assert.equal("down", link.state)
    assert.equal(1, link.next_at - ask("owner", "status").node.now)
    world:advance(10)
    link = ask("owner", "status").links[1]
    assert.equal(10, ask("owner", "status").node.now - link.down_at)
    assert.truthy(link.why and link.why ~= "")
    world:heal("hub", "owner")
    world:advance(60)
    assert.is_nil(ask("owner", "status").links[1].down_at)
  end)

  it("does not do what is not there yet, and names the nearest method", function()
    refused("UNSUPPORTED: $node: config: not yet in this version", "owner", "config")
    refused('NO_METHOD: $node has no method "staus"; did you mean "status"?', "owner", "staus")
    refused('BAD_VALUE: dead.list.agnet: unknown key; did you mean "agent"?', "owner", "dead.list", { agnet = "a@x" })
  end)

  it("answers a program that is a client of the node", function()
    local file = os.tmpname()
    local program = assert(io.open(file, "w"))
    program:write [[
      local moonpost = require "moonpost"
      local client = assert(moonpost.client { link = "owner" })
      local status, reason, code = client:call("$node", {}, { method = "status" })
      return status and status.node.name == "owner" and 7 or error(code .. ": " .. reason)]]
    program:close()
    local code, reason = world:exec(file)
    os.remove(file)
    assert.equal("", reason)
    assert.equal(7, code)
  end)

  it("is not there for an agent", function()
    delivery.agent(world, function(ctx) ctx:send("$node", {}) end, { retry = { attempts = 1 } })
    delivery.send(world, "x")
    world:settle()
    assert.truthy(world:dead("a@x")[1].reason:find('"$node" answers programs (moonpost.client), not agents', 1, true))
  end)
end)

describe("dead letters, as $node tells of them", function()
  local world, ask, first, second, third

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
    delivery.agent(world, function(_, msg)
      if msg.body.reject then return moonpost.reject("nobody wants " .. msg.body.reject, { code = "UNWANTED" }) end
      error("boom", 0)
    end, { retry = { attempts = 1 } })
    first = delivery.send(world, { reject = "it" })
    world:advance(3600)
    second = delivery.send(world, { reject = "that" })
    third = delivery.send(world, { n = 1 }, { headers = { color = "red" }, key = "k", await = "handled" })
    world:settle()
  end)

  it("come oldest first, page by page", function()
    local page = ask("owner", "dead.list", { limit = 2 })
    assert.same({ first, second }, ids(page))
    page = ask("owner", "dead.list", { limit = 2, after = page.after })
    assert.same({ third }, ids(page))
    assert.is_nil(page.after)
  end)

  it("are chosen by code, by a part of the reason, by when they died, and by agent", function()
    assert.same({ first, second }, ids(ask("owner", "dead.list", { code = "UNWANTED" })))
    assert.same({ third }, ids(ask("owner", "dead.list", { code = "DEAD" })))
    assert.same({ third }, ids(ask("owner", "dead.list", { code = "HANDLER_ERROR" }))) -- its last attempt's
    assert.same({ second }, ids(ask("owner", "dead.list", { reason = "wants that" })))
    assert.same({ second, third }, ids(ask("owner", "dead.list", { since = "10m" })))
    assert.same({ first }, ids(ask("owner", "dead.list", { ["until"] = "2026-01-01T00:10:00Z" })))
    assert.same({ first, second, third }, ids(ask("owner", "dead.list", { agent = "a@x" })))
    assert.same({}, ids(ask("owner", "dead.list", { agent = "b@x" })))
  end)

  it("are shown with their message and each failure", function()
    local letter = ask("owner", "dead.show", { id = third })
    assert.same({ n = 1 }, letter.body)
    assert.same({ color = "red" }, letter.headers)
    assert.same({ "k", "client", "DEAD", "boom", 1 }, { letter.key, letter.from, letter.code, letter.reason, letter.attempts })
    assert.equal("HANDLER_ERROR", letter.failures[1].code)
    assert.truthy(letter.failures[1].traceback:find("admin_spec.lua:", 1, true))
  end)

  it("are named when the id is nearly right", function()
    local _, reason, code = ask("owner", "dead.show", { id = third .. "X" })
    assert.equal("NOT_FOUND", code)
    assert.equal(('no dead letter "%sX" here; did you mean "%s"?'):format(third, third), reason)
  end)

  it("go back one by one, all that match, or all", function()
    assert.equal(1, ask("owner", "dead.requeue", { id = third }).requeued)
    world:settle()
    assert.equal(2, #world:times(third, "delivered"))
    assert.equal(2, ask("owner", "dead.requeue", { code = "UNWANTED" }).requeued)
    world:settle()
    assert.equal(3, ask("owner", "dead.requeue", { all = true }).requeued)
    local _, _, code = ask("owner", "dead.requeue", {})
    assert.equal("BAD_VALUE", code)
  end)

  it("go back some at a time", function()
    local answer = ask("owner", "dead.requeue", { all = true, limit = 2, ["until"] = "2026-01-01T02:00:00Z" })
    assert.equal(2, answer.requeued)
    answer = ask("owner", "dead.requeue", { all = true, limit = 2, after = answer.after })
    assert.equal(1, answer.requeued)
    assert.is_nil(answer.after)
  end)

  it("go back in batches that are not too large", function()
    local big = ("x"):rep(2 ^ 20 - 10)
    for _ = 1, 20 do delivery.send(world, big) end
    world:settle()
    local answer = ask("owner", "dead.requeue", { code = "DEAD" })
    assert.equal(18, answer.requeued)
    assert.equal(3, ask("owner", "dead.requeue", { code = "DEAD", after = answer.after }).requeued)
  end)

  it("tell their handler how often they came back", function()
    local requeues = {}
    world:load(moonpost.agent {
      address = "b@x",
      retry = { attempts = 1 },
      on = { message = function(ctx) table.insert(requeues, { ctx.requeues, ctx.attempt }) error("boom", 0) end },
    }, { node = "owner" })
    ask("owner", "dead.requeue", { id = third, to = "b@x" })
    world:settle()
    ask("owner", "dead.requeue", { id = third })
    world:settle()
    assert.same({ { 1, 1 }, { 2, 1 } }, requeues)
    assert.equal(2, ask("owner", "dead.show", { id = third }).requeues)
  end)

  it("are not given a body that could not be sent", function()
    local _, reason, code = ask("owner", "dead.requeue", { id = third, body = ("x"):rep(2 ^ 20 + 1) })
    assert.equal("TOO_LARGE", code)
    assert.equal("the body has 1048577 bytes; body_max is 1048576", reason)
    assert.equal(3, #world:dead "a@x")
  end)

  it("are handed over to an address of another node", function()
    world:node("third", { links = { delivery.link "hub" } })
    world:load(moonpost.agent { address = "c@x", on = { message = function() return "ok" end } }, { node = "third" })
    ask("owner", "dead.requeue", { id = third, to = "c@x" })
    world:settle()
    assert.equal(third, world:received("c@x")[1].id)
    assert.equal(2, #world:dead "a@x")
  end)

  it("do not leave for an address that nobody has", function()
    world = delivery.chain()
    ask = asker(world)
    world:node("alone")
    world:load(moonpost.agent { address = "d@x", on = { message = function() return moonpost.reject "no" end } },
      { node = "alone" })
    local id = world:send("d@x", 1, { from = "alone" })
    world:settle()
    local _, reason, code = ask("alone", "dead.requeue", { id = id, to = "dd@x" })
    assert.equal('NOT_FOUND: to: no agent at "dd@x"; did you mean "d@x"?', code .. ": " .. reason)
  end)
end)

describe("a sender's dead letter", function()
  it("goes back and is sent when its owner is there", function()
    local world = delivery.chain()
    local ask = asker(world)
    local id = world:send("a@x", "x", { from = "client", retry = { attempts = 2, first = 1, jitter = 0, deadline = 10 } })
    world:settle()
    assert.equal("outbox", ask("client", "dead.list").items[1].where)
    delivery.agent(world, function() return "ok" end)
    ask("client", "dead.requeue", { id = id })
    world:settle()
    assert.equal(id, world:received("a@x")[1].id)
    assert.equal(0, #world:dead "a@x")
  end)
end)

describe("a paused mailbox", function()
  local world, ask

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
    delivery.agent(world, function() return "ok" end)
    ask("owner", "pause", { address = "a@x" })
  end)

  it("accepts and stores, and delivers nothing until it is resumed", function()
    local id = delivery.send(world, "x", { await = "stored" })
    world:advance(3600)
    assert.equal("stored", world:receipt(id).level)
    assert.equal(0, #world:received "a@x")
    local mailbox = ask("owner", "status").mailboxes[1]
    assert.same({ true, 1 }, { mailbox.paused, mailbox.waiting })
    assert.equal(3600, ask("owner", "status").node.now - mailbox.paused_at)
    local answer = ask("owner", "resume", { address = "a@x" })
    assert.same({ false, true, 1 }, { answer.paused, answer.changed, answer.waiting })
    world:settle()
    assert.equal(1, #world:received "a@x")
  end)

  it("is told of in the receipts of what it stores", function()
    local id = delivery.send(world, "x", { await = "stored" })
    assert.is_true(world:receipt(id).facts.owner_paused)
    ask("owner", "resume", { address = "a@x" })
    id = delivery.send(world, "x", { await = "stored" })
    assert.is_false(world:receipt(id).facts.owner_paused)
  end)

  it("is told of to those who did not want to wait so long", function()
    local far = delivery.send(world, "x", { await = "handled", timeout = 5 })
    local near = world:send("a@x", "y", { from = "owner", await = "handled", timeout = 5 })
    world:advance(5)
    for _, id in ipairs { far, near } do
      assert.equal("TIMEOUT", world:receipt(id).code)
      assert.equal("no answer in time; the message is stored, and its mailbox is paused", world:receipt(id).reason)
    end
  end)

  it("lets a sender that wants it handled wait", function()
    local id = delivery.send(world, "x", { await = "handled" })
    world:advance(600)
    assert.is_nil(world:receipt(id))
    ask("owner", "resume", { address = "a@x" })
    world:settle()
    assert.equal("handled", world:receipt(id).level)
    assert.equal(1, #world:times(id, "sent"))
  end)

  it("is paused once, and known by its nearest name", function()
    assert.is_false(ask("owner", "pause", { address = "a@x" }).changed)
    local _, reason, code = ask("owner", "pause", { address = "aa@x" })
    assert.equal('NOT_FOUND: no mailbox "aa@x" here; did you mean "a@x"?', code .. ": " .. reason)
    _, reason = ask("hub", "pause", { address = "a@x" })
    assert.equal("a@x is served by node owner; ask that one", reason)
  end)
end)

describe("a mailbox that is drained", function()
  local world, ask

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
    delivery.agent(world, function() moonpost.sleep(10) return "ok" end, { concurrency = 1 })
  end)

  it("handles what is there, refuses what comes, and takes that when it is resumed", function()
    local first = delivery.send(world, 1, { await = "handled" })
    local second = delivery.send(world, 2, { await = "handled" })
    local answer = ask("owner", "drain", { address = "a@x" })
    assert.same({ true, true, 1, 1 }, { answer.draining, answer.changed, answer.waiting, answer.leased })
    local third = delivery.send(world, 3, { await = "handled", retry = { first = 60, factor = 1, jitter = 0 } })
    local refused = delivery.send(world, 4, { await = "stored", fail_fast = true })
    world:advance(30)
    assert.same({ "handled", "handled" }, { world:receipt(first).level, world:receipt(second).level })
    assert.equal("STOPPING", world:receipt(refused).code)
    assert.equal("the mailbox is being drained: it takes nothing new until it is resumed", world:receipt(refused).reason)
    assert.is_nil(world:receipt(third))
    answer = ask("owner", "drain", { address = "a@x" })
    assert.same({ false, 0, 0, 0 }, { answer.changed, answer.waiting, answer.leased, answer.deferred })
    assert.is_true(ask("owner", "status").mailboxes[1].draining)
    ask("owner", "resume", { address = "a@x" })
    world:settle()
    assert.equal("handled", world:receipt(third).level)
  end)

  it("refuses a send of a handler where it is made", function()
    ask("owner", "drain", { address = "a@x" })
    local reason
    world:load(moonpost.agent { address = "b@x", retry = { attempts = 1 }, on = {
      message = function(ctx)
        local _, raised = pcall(ctx.send, ctx, "a@x", 1)
        reason = raised.code
      end,
    } }, { node = "owner" })
    world:send("b@x", 1)
    world:settle()
    assert.equal("STOPPING", reason)
  end)
end)

describe("a look into a mailbox", function()
  local world, ask

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
    delivery.agent(world, function(_, msg)
      if msg.body == "bad" then error("boom", 0) end
      return moonpost.sleep(3600)
    end, { concurrency = 1, timeout = "2h", retry = { first = 50, factor = 1, jitter = 0 } })
  end)

  it("shows messages as they wait, with body, headers, attempt, age and when they are due", function()
    local bad = delivery.send(world, "bad")
    local first = delivery.send(world, { n = 1 })
    local second = delivery.send(world, { n = 2 }, { headers = { color = "red" }, key = "k" })
    world:advance(10)
    local page = ask("owner", "peek", { address = "a@x" })
    assert.same({ bad, first, second }, ids(page))
    local failed, leased, waiting = unpack(page.items)
    assert.same({ "deferred", 1, "HANDLER_ERROR", "boom", 40 },
      { failed.state, failed.attempts, failed.code, failed.reason, failed.due_at - ask("owner", "status").node.now })
    assert.same({ "leased", 1 }, { leased.state, leased.attempts })
    assert.same({ "waiting", 0, "k", "client", 10 },
      { waiting.state, waiting.attempts, waiting.key, waiting.from, ask("owner", "status").node.now - waiting.first_at })
    assert.same({ { n = 2 }, { color = "red" } }, { waiting.body, waiting.headers })
    assert.same({ second }, ids(ask("owner", "peek", { address = "a@x", state = "waiting" })))
  end)

  it("goes on where the page before ended", function()
    local sent = {}
    for n = 1, 5 do sent[n] = delivery.send(world, n) end
    local page = ask("owner", "peek", { address = "a@x", limit = 3 })
    assert.same({ sent[1], sent[2], sent[3] }, ids(page))
    page = ask("owner", "peek", { address = "a@x", limit = 3, after = page.after })
    assert.same({ sent[4], sent[5] }, ids(page))
    assert.is_nil(page.after)
  end)

  it("leaves out bodies that are too large, and ends a page before it is", function()
    for _ = 1, 12 do delivery.send(world, ("x"):rep(60000)) end
    delivery.send(world, ("x"):rep(70000))
    local page = ask("owner", "peek", { address = "a@x" })
    assert.equal(9, #page.items)
    page = ask("owner", "peek", { address = "a@x", after = page.after })
    assert.equal(4, #page.items)
    assert.equal("it is too large for a list", page.items[4].body_left_out)
  end)

  it("names the nearest mailbox, and the states there are", function()
    local _, reason, code = ask("owner", "peek", { address = "aa@x" })
    assert.equal('NOT_FOUND: no mailbox "aa@x" here; did you mean "a@x"?', code .. ": " .. reason)
    _, reason = ask("owner", "peek", { address = "a@x", state = "wating" })
    assert.truthy(reason:find('did you mean "waiting"?', 1, true), reason)
  end)
end)

describe("a purge", function()
  it("tells senders that wait, and says how many it took", function()
    local world = delivery.chain()
    local ask = asker(world)
    delivery.agent(world, function() return "ok" end)
    ask("owner", "pause", { address = "a@x" })
    local far = delivery.send(world, 1, { await = "handled" })
    local near = world:send("a@x", 2, { from = "owner", await = "handled" })
    local stored = delivery.send(world, 3, { await = "stored" })
    local answer = ask("owner", "purge", { address = "a@x" })
    assert.same({ 3, false }, { answer.purged, answer.more })
    world:advance(1)
    for _, id in ipairs { far, near } do assert.equal("PURGED", world:receipt(id).code) end
    assert.is_true(world:receipt(stored).ok)
    ask("owner", "resume", { address = "a@x" })
    world:settle()
    assert.equal(0, #world:received "a@x")
    assert.equal(0, #world:dead "a@x")
  end)
end)

describe("dead letters that are removed", function()
  local world, ask

  before_each(function()
    world = delivery.chain()
    ask = asker(world)
    delivery.agent(world, function(_, msg) return moonpost.reject("no", { code = msg.body }) end)
    for _, word in ipairs { "RED", "RED", "BLUE" } do delivery.send(world, word) end
    world:settle()
  end)

  it("are chosen like those that go back, and must be", function()
    assert.equal(2, ask("owner", "dead.remove", { code = "RED", dry = true }).removed)
    assert.equal(3, #world:dead "a@x")
    assert.equal(2, ask("owner", "dead.remove", { code = "RED" }).removed)
    local left = ask("owner", "dead.list").items
    assert.equal(1, #left)
    assert.equal(1, ask("owner", "dead.remove", { id = left[1].id }).removed)
    local _, reason, code = ask("owner", "dead.remove", {})
    assert.equal("BAD_VALUE", code)
    assert.truthy(reason:find("dead.remove: which?", 1, true))
  end)

  it("go back one after another when a rate is given, over several pages", function()
    local before, came = #world:received "a@x", {}
    local till = ask("owner", "status").node.now
    local page = ask("owner", "dead.requeue", { all = true, rate = "6/m", limit = 2, ["until"] = till })
    ask("owner", "dead.requeue", { all = true, rate = "6/m", ahead = 2, after = page.after, ["until"] = till })
    for second = 0, 25 do
      came[second] = #world:received "a@x" - before
      world:advance(1)
    end
    assert.same({ 1, 1, 2, 2, 3 }, { came[0], came[9], came[11], came[19], came[21] })
  end)
end)
