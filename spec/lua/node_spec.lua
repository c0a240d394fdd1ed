require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local moonpost = require "moonpost"

local function refusal(fields)
  return raised(moonpost.node, fields) or "accepted"
end

describe("the settings of a node", function()
  it("have defaults", function()
    local node = moonpost.node {}
    assert.is_nil(node.name)
    assert.same({}, node.listen)
    assert.same({}, node.links)
    assert.is_nil(node.agents)
    assert.is_nil(node.hooks)
    assert.same({ "policies/*.lua" }, node.policies)
    assert.same({ path = "data", sync = "commit", max = 8 * 1024 ^ 3 }, node.store)
    assert.equal(6, node.send.attempts)
    assert.equal(5, node.handle.attempts)
    assert.same({ max = 100000, max_bytes = 268435456 }, node.outbox)
    assert.same({ max = 10000000, max_bytes = 4294967296 }, node.mailbox)
    assert.equal(1048576, node.body_max)
    assert.same({ level = "info", format = "text" }, node.log)
    assert.is_false(node.production)
    assert.is_false(node.strict)
    assert.is_false(node.insecure)
  end)

  it("are told from other values by their metatable", function()
    assert.equal("moonpost.node", getmetatable(moonpost.node {}).__name)
  end)

  it("fill in a link that is only an address", function()
    local node = moonpost.node { links = { "tcp://127.0.0.1:7071" } }
    assert.same({ {
      to = "tcp://127.0.0.1:7071", first = 1, factor = 2, cap = 60, jitter = 0.1, attempts = math.huge,
      stable_for = 10, heartbeat = 15, window = 64,
    } }, node.links)
  end)

  it("take links with fields", function()
    local link = moonpost.node({ links = { { to = "unix:///run/x.sock", first = "250ms", window = 1 } } }).links[1]
    assert.equal("unix:///run/x.sock", link.to)
    assert.equal(0.25, link.first)
    assert.equal(1, link.window)
  end)

  it("take the names of a world's nodes as links", function()
    assert.equal("hub", moonpost.node({ links = { "hub" } }).links[1].to)
  end)

  it("take files, globs and values as agents and hooks", function()
    local mail = moonpost.agent { address = "mail@local" }
    local count = moonpost.hook {}
    local node = moonpost.node { agents = { "agents/*.lua", mail }, hooks = { count } }
    assert.same({ "agents/*.lua", mail }, node.agents)
    assert.equal(count, node.hooks[1])
  end)

  it("take profile and await beside the retry policy of senders", function()
    local node = moonpost.node { send = { attempts = 3, profile = "at-most-once", await = "sent" } }
    assert.equal(3, node.send.attempts)
    assert.equal("at-most-once", node.send.profile)
    assert.equal("sent", node.send.await)
  end)

  it("take a function as a retry policy", function()
    local function decide() return 1 end
    assert.equal(decide, moonpost.node({ handle = decide }).handle)
  end)

  it("take sizes", function()
    local node = moonpost.node { body_max = "64K", outbox = { max_bytes = "1M" }, mailbox = { max = 5 } }
    assert.equal(65536, node.body_max)
    assert.same({ max = 100000, max_bytes = 1048576 }, node.outbox)
    assert.same({ max = 5, max_bytes = 4294967296 }, node.mailbox)
  end)

  it("take the time that a stop may take, and that nothing may be stuck for", function()
    local node = moonpost.node { grace = "30s", watchdog = math.huge }
    assert.equal(30, node.grace)
    assert.equal(math.huge, node.watchdog)
    assert.same({ 5, 10 }, { moonpost.node({}).grace, moonpost.node({}).watchdog })
  end)

  local wrong = {
    { { grace = math.huge }, "node.grace: for ever is too long" },
    { { watchdog = 0 }, "node.watchdog: 0 is no time at all" },
    { { nmae = "a" }, 'node.nmae: unknown key; did you mean "name"?' },
    { { listen = { "127.0.0.1:7071" } }, 'node.listen[1]: "127.0.0.1:7071" is not a door; write "tcp://127.0.0.1:7071"' },
    { { listen = { "tcp://127.0.0.1:99999" } }, 'node.listen[1]: "tcp://127.0.0.1:99999": there is no port 99999; ports end at 65535' },
    { { listen = "tcp://127.0.0.1:7071" }, 'node.listen: expected a list, got "tcp://127.0.0.1:7071"' },
    { { links = { to = "hub" } }, 'node.links: expected a list, got a table with the key "to"' },
    { { links = { {} } }, "node.links[1].to: required" },
    { { links = { { to = "hub", atempts = 1 } } }, 'node.links[1].atempts: unknown key; did you mean "attempts"?' },
    -- The core had added it to the time until that was negative, and pinged without a pause.
    { { links = { { to = "hub", heartbeat = math.huge } } }, "node.links[1].heartbeat: inf is longer than a day" },
    { { agents = { 5 } }, "node.agents[1]: expected a file, a glob or an agent, got 5" },
    { { hooks = { {} } }, "node.hooks[1]: expected a file, a glob or a hook, got a table" },
    { { policies = { {} } }, "node.policies[1]: expected a file or a glob that ends in .lua, got a table" },
    { { send = { atempts = 1 } }, 'node.send.atempts: unknown key; did you mean "attempts"?' },
    { { send = { await = "done" } }, 'node.send.await: expected "handled", "sent", "stored", got "done"' },
    { { outbox = { max = 0 } }, "node.outbox.max: expected a whole number from 1 to" },
    { { state_max = "2M" }, 'node.state_max: "2M" is not between 1 and "1M"' },
    { { body_max = "65M" }, 'node.body_max: "65M" is not between 1 and "64M"' },
    { { log = { level = "warning" } }, 'node.log.level: expected "debug", "error", "info", "warn", got "warning"; did you mean "warn"?' },
    { { strict = "yes" }, 'node.strict: expected a boolean, got "yes"' },
  }
  for _, case in ipairs(wrong) do
    it("are refused: " .. case[2], function()
      assert.truthy(refusal(case[1]):find(case[2], 1, true), refusal(case[1]))
    end)
  end

  for name in ("profiles route keep topics http"):gmatch("%S+") do
    it("do not have " .. name .. " yet", function()
      assert.equal(("UNSUPPORTED: node.%s: not yet in this version"):format(name), refusal { [name] = {} })
    end)
  end

  it("keep everything in memory, or in a folder", function()
    assert.equal("memory", moonpost.node({ store = "memory" }).store)
    assert.same({ path = "data", sync = "commit", max = 8 * 1024 ^ 3 }, moonpost.node({ store = {} }).store)
    assert.same({ path = "/var/x", sync = "relaxed", max = 64 * 1024 ^ 2 },
      moonpost.node({ store = { path = "/var/x", sync = "relaxed", max = "64M" } }).store)
  end)

  it("say what a store can be", function()
    assert.truthy(refusal({ store = "data" }):find('node.store: "data": the store is "memory" or { path = "data" }', 1, true))
    assert.truthy(refusal({ store = 5 }):find('node.store: expected "memory" or { path = "data" }, got 5', 1, true))
    assert.truthy(refusal({ store = { sync = "never" } }):find('node.store.sync: expected "commit", "relaxed", got "never"', 1, true))
    assert.truthy(refusal({ store = { max = 4096 } }):find('node.store.max: 4096 is less than "1M"', 1, true))
    assert.truthy(refusal({ store = { paht = "x" } }):find('node.store.paht: unknown key; did you mean "path"?', 1, true))
  end)

  it("have no log levels for agents yet", function()
    assert.equal("UNSUPPORTED: node.log.agents: not yet in this version", refusal { log = { agents = {} } })
  end)

  it("open doors outside loopback only when told that this is insecure", function()
    assert.matches('node%.listen%[1%]: "tcp://0%.0%.0%.0:7071" is outside loopback; that needs insecure = true$',
      refusal { listen = { "tcp://0.0.0.0:7071" } })
    assert.is_table(moonpost.node { listen = { "tcp://0.0.0.0:7071" }, insecure = true })
    assert.is_table(moonpost.node { listen = { "tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "unix:///x" } })
  end)

  it("refuse faults in production", function()
    local fault = moonpost.fault.drop { pattern = "X" }
    assert.matches("node%.hooks%[1%]: is a fault, and production = true$",
      refusal { hooks = { fault }, production = true })
    assert.is_table(moonpost.node { hooks = { fault } })
  end)
end)
