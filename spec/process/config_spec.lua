local json = require "moonpost".json
local node = require "spec.support.node"

local SETTINGS = [[
local moonpost = require "moonpost"
return moonpost.node {
  links = { { to = "tcp://127.0.0.1:7071", first = "250ms" } },
  -- grace = "1s",
  grace = "2m",
  send = {
    attempts = 3,
  },
  mailbox = { max_bytes = "2G" },
}
]]

describe("moonpost config", function()
  local folder

  before_each(function() folder = node.folder { ["node.lua"] = SETTINGS } end)
  after_each(function() node.remove(folder) end)

  --- Rows of --explain: key to value and origin.
  local function explain(words, variables)
    local output, code = node.run({ "config", "--explain", unpack(words or {}) }, folder, variables)
    assert.equal(0, code, output)
    local rows = {}
    for key, value, origin in output:gmatch("(%S+)  +(.-)  +(%S+)\n") do rows[key] = value .. " " .. origin end
    return rows
  end

  it("says each value as people write it, and where it comes from", function()
    local rows = explain()
    assert.equal("2m node.lua:5", rows.grace)
    assert.equal("3 node.lua:7", rows["send.attempts"])
    assert.equal("1s default", rows["send.first"])
    assert.equal("250ms node.lua:3", rows["links[1].first"])
    assert.equal("2 default", rows["links[1].factor"])
    assert.equal("2G node.lua:9", rows["mailbox.max_bytes"])
    assert.equal("10000000 default", rows["mailbox.max"])
    assert.equal("8G default", rows["store.max"])
  end)

  it("puts the environment over the file, and flags over the environment", function()
    local rows = explain({ "--sync", "relaxed", "--listen", "unix:x.sock", "--profile", "exactly-once" }, { MOONPOST_SEND_ATTEMPTS = "9",
      MOONPOST_LINK_CAP = "90s", MOONPOST_SYNC = "commit", MOONPOST_SEND_DEADLINE = "1h", MOONPOST_NODE = "elsewhere" })
    assert.equal("9 MOONPOST_SEND_ATTEMPTS", rows["send.attempts"])
    assert.equal("1h MOONPOST_SEND_DEADLINE", rows["send.deadline"])
    assert.equal("90s MOONPOST_LINK_CAP", rows["links[1].cap"])
    assert.equal("exactly-once --profile", rows["send.profile"])
    assert.equal("relaxed --sync", rows["store.sync"])
    assert.equal("unix:x.sock --listen", rows.listen)
    assert.equal("elsewhere MOONPOST_NODE", rows.node)
  end)

  it("reads any variable from a file", function()
    for name, text in pairs { name = "orders\n", node = "else\n" } do
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
      file:close()
    end
    local rows = explain({}, { MOONPOST_NAME_FILE = "name", MOONPOST_NODE_FILE = "node" })
    assert.equal("orders MOONPOST_NAME_FILE", rows.name)
    assert.equal("else MOONPOST_NODE", rows.node)
    local output, code = node.run({ "status" }, folder, { MOONPOST_NODE_FILE = "node" })
    assert.equal(3, code)
    assert.truthy(output:find("no node at unix:else", 1, true), output)
  end)

  it("shows the defaults where there are no settings", function()
    os.remove(folder .. "/node.lua")
    local rows = explain()
    assert.equal("data default", rows["store.path"])
    assert.equal("5 default", rows["handle.attempts"])
  end)

  it("has the values as data", function()
    local output = node.run({ "config", "--json" }, folder)
    local by_key = {}
    for line in output:gmatch("[^\n]+") do
      local row = assert(json.decode(line))
      by_key[row.key] = row
    end
    assert.same({ key = "grace", value = 120, text = "2m", origin = "node.lua:5" }, by_key.grace)
    assert.same({ key = "listen", value = {}, text = "none", origin = "default" }, by_key.listen)
  end)

  it("fails with the fault when settings do not load, and for wrong values", function()
    local file = assert(io.open(folder .. "/node.lua", "w"))
    file:write 'return require("moonpost").node { grase = 1 }'
    file:close()
    local output, code = node.run({ "config" }, folder)
    assert.equal(1, code)
    assert.truthy(output:find('did you mean "grace"?', 1, true), output)
    os.remove(folder .. "/node.lua")
    output, code = node.run({ "config", "--sync", "never" }, folder)
    assert.equal(2, code)
    assert.truthy(output:find("it can be commit or relaxed", 1, true), output)
  end)
end)

describe("moonpost policy show", function()
  local folder

  setup(function()
    folder = node.folder {
      ["policies/patient.lua"] = 'return { attempts = math.huge, first = "1s", factor = 2, cap = "1h", deadline = "24h" }',
      ["policies/quick.lua"] = 'return { attempts = 3, delays = { "100ms", "400ms" }, jitter = 0.5, cap = "500ms" }',
      ["policies/decide.lua"] = [[return function(failure)
        if failure.attempt > 2 then return nil, "two are enough" end
        return failure.attempt * 5
      end]],
      ["policies/seen.lua"] = 'return { ttl = "1h" }',
      ["node.lua"] = 'return require("moonpost").node { send = { attempts = 2, first = "3s" } }',
    }
  end)
  teardown(function() node.remove(folder) end)

  local function show(name, ...)
    return node.run({ "policy", "show", name, ... }, folder)
  end

  it("says the shortest, the typical and the longest wait of each attempt, and their sums", function()
    local output, code = show "quick"
    assert.equal(0, code)
    assert.equal([[
quick  (policies/quick.lua)
ATTEMPT  SHORTEST  TYPICAL  LONGEST  AFTER THE FIRST
      1       0 s      0 s      0 s              0 s
      2     50 ms   100 ms   150 ms           100 ms
      3    200 ms   400 ms   500 ms           500 ms
 in all    250 ms   500 ms   650 ms
gives up after 3 attempts
]], output)
  end)

  it("fits a screen for a policy that goes on, and says when it ends", function()
    local output = show "patient"
    assert.is_true(select(2, output:gsub("\n", "")) <= 24)
    assert.truthy(output:find("and so on; gives up at its deadline, 1 d after the first attempt", 1, true), output)
  end)

  it("asks a function", function()
    local output = show "decide"
    assert.truthy(output:find("      3    10.0 s   10.0 s   10.0 s           15.0 s\n", 1, true), output)
    assert.truthy(output:find("gives up: two are enough", 1, true), output)
  end)

  it("takes a file, or the role of the settings", function()
    assert.truthy(show("policies/quick.lua"):find("gives up after 3 attempts", 1, true))
    local answer = assert(json.decode((show("send", "--json"))))
    assert.equal(1, #answer.attempts)
    assert.near(2.7, answer.attempts[1].shortest, 1e-9)
    assert.near(3.3, answer.attempts[1].longest, 1e-9)
    assert.equal("gives up after 2 attempts", answer.ends)
    assert.equal(1, (json.decode((show("handle", "--json")))).attempts[1].typical)
  end)

  it("names the nearest when there is none, and what is no retry policy", function()
    local output, code = show "patent"
    assert.equal(1, code)
    assert.truthy(output:find('there is no policy "patent"; did you mean "patient"?', 1, true), output)
    assert.truthy(show("seen"):find("is a dedup policy", 1, true))
  end)

  it("lists the names", function()
    assert.equal("decide  policies/decide.lua\npatient  policies/patient.lua\nquick  policies/quick.lua\n"
      .. "seen  policies/seen.lua\n", (node.run({ "policy", "ls" }, folder)))
  end)
end)
