local moonpost = require "moonpost"
local test = require "moonpost.test"

-- The table "Four mistakes" of docs/guarantees.md.
describe("exactly-once, and the mistake", function()
  local world, handled

  before_each(function()
    world, handled = test.world(), {}
    world:node "owner"
  end)
  after_each(function() world:close() end)

  local function sender(name, identity, node)
    world:node(node or name, { links = { { to = "owner", first = "1s", factor = 1 } } }, identity)
  end

  local function agent(handle, fields)
    fields = fields or {}
    fields.address, fields.profile, fields.on = fields.address or "a@x", "exactly-once", { message = handle }
    world:load(moonpost.agent(fields), { node = "owner" })
  end

  local function note(_, msg) handled[#handled + 1] = msg.body end

  local function send(body, from, options)
    options = options or {}
    options.from, options.profile = from, "exactly-once"
    return world:send("a@x", body, options)
  end

  local function code_of_link(node)
    for _, fact in ipairs(world:facts()) do
      if fact.node == node and fact.fact == "link_failed" then return fact.code end
    end
  end

  describe("of two producers with one name:", function()
    it("the newcomer is refused while the first is alive", function()
      agent(note)
      sender("till", { store = "one" })
      world:advance "1s"
      sender("till", { store = "two", goes_by = "till" }, "newcomer")
      world:advance "1m"
      assert.equal("NAME_TAKEN", code_of_link "newcomer")
      send("of the first", "till")
      world:settle()
      assert.same({ "of the first" }, handled)
    end)

    it("a newer start of the same store fences the older", function()
      agent(note)
      sender("till", { store = "one" })
      world:advance "1s"
      sender("till", { store = "one", goes_by = "till", epoch = 7 }, "newer")
      world:advance "1m"
      assert.equal("FENCED", code_of_link "till")
      send("of the zombie", "till")
      send("of the newer", "newer")
      world:advance "1m"
      assert.same({ "of the newer" }, handled)
    end)
  end)

  describe("of a handler that takes long:", function()
    it("nobody else is handed its message, and nothing is sent again", function()
      agent(function(_, msg)
        moonpost.sleep "10m"
        handled[#handled + 1] = msg.body
      end, { timeout = "1h" })
      sender "till"
      world:advance "1s"
      local id = send("slow", "till", { await = "handled", timeout = "2h" })
      world:settle()
      assert.same({ "slow" }, handled)
      assert.equal(1, #world:times(id, "delivered"))
      assert.equal(1, #world:times(id, "sent"))
    end)

    it("its timeout is a failure with a name, and leaves nothing of it", function()
      agent(function(ctx)
        ctx.kv:add("begun", 1)
        moonpost.sleep "10m"
      end, { timeout = "1s", retry = { attempts = 1 } })
      sender "till"
      world:advance "1s"
      send("slow", "till")
      world:settle()
      assert.matches("took longer than its timeout", world:dead("a@x")[1].reason)
      assert.is_nil(world:kv("a@x", "begun"))
    end)
  end)

  it("of committing before the work is done: what was in hand when the process died is done again", function()
    local lives = 0
    agent(function(ctx, msg)
      lives = lives + 1
      ctx.kv:add("done", 1)
      moonpost.sleep "1s"
      handled[#handled + 1] = msg.body
    end)
    sender "till"
    world:advance "1s"
    send("work", "till")
    world:advance "500ms"
    world:crash "owner"
    world:restart "owner"
    world:settle()
    assert.equal(2, lives)
    assert.same({ "work" }, handled)
    assert.equal(1, world:kv("a@x", "done"))
  end)

  it("of reading what was not committed: what a handler sends leaves behind its commit, or never", function()
    agent(function(ctx, msg)
      ctx:send("b@x", msg.body, { profile = "exactly-once" })
      moonpost.sleep "1s"
      if ctx.attempt == 1 then error "not yet" end
    end, { retry = { first = "1s", jitter = 0 } })
    agent(note, { address = "b@x" })
    sender "till"
    world:advance "1s"
    local id = send("seen", "till")
    world:advance "1900ms"
    assert.same({}, handled)
    world:settle()
    assert.same({ "seen" }, handled)
    assert.equal(2, #world:times(id, "delivered"))
  end)
end)
