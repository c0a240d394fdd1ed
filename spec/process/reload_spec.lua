local node = require "spec.support.node"

local AGENT = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "price@local",
  on = { message = function(ctx) return %s .. " in " .. ctx.generation end },
}]]
local BROKEN = 'return require("moonpost").agent {\n  address = '

local function write(folder, name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local function agent(words)
  return AGENT:format(('"%s"'):format(words))
end

describe("moonpost reload", function()
  local folder, running

  local function says(...) return node.says(folder, ...) end

  before_each(function()
    folder = node.folder {
      ["node.lua"] = 'return require("moonpost").node { name = "shop", store = "memory" }',
      ["agents/price.lua"] = agent "one",
    }
    running = node.start({ "run" }, folder, "listening unix:")
  end)
  after_each(function()
    running:stop()
    node.remove(folder)
  end)

  it("loads what has changed, and says of the rest that it has not", function()
    says({ "reload" }, "price@local generation 1: its files have not changed", 0)
    write(folder, "agents/price.lua", agent "two")
    says({ "reload" }, "price@local generation 1 -> 2, in ", 0)
    says({ "reload", "price@local" }, "price@local generation 2 -> 3, in ", 0)
    says({ "send", "price@local", "{}", "--await", "handled" }, 'result="two in 3"', 0)
    says({ "status" }, "GEN  STATE\nprice@local        0       0         0     0    3  up", 0)
  end)

  it("shows file and line of what it refuses, also afterwards, and ends with 1", function()
    write(folder, "agents/price.lua", BROKEN)
    local why = "agents/price.lua:2: unexpected symbol near '<eof>'"
    says({ "reload", "--dry" }, "price@local REFUSED, generation 1 keeps running\n  " .. why, 1)
    says({ "reload" }, "price@local REFUSED, generation 1 keeps running\n  " .. why, 1)
    says({ "send", "price@local", "{}", "--await", "handled" }, 'result="one in 1"', 0)
    says({ "status" }, "generation 1 keeps running:\n  " .. why, 0)
    says({ "generations" }, "reload of price@local refused 0 s ago:\n  " .. why, 0)
  end)

  it("checks without a change, and names the nearest agent", function()
    says({ "reload", "--dry" }, "price@local would be reloaded; nothing was changed", 0)
    says({ "reload", "prize@local" }, 'no agent "prize@local" here; did you mean "price@local"?; an agent whose file is new '
      .. "is loaded by moonpost reload without an address", 4)
    says({ "reload", "--to", "1" }, "UNSUPPORTED: --to: not yet", 2)
    says({ "reload", "--reschedule" }, "UNSUPPORTED: --reschedule: not yet", 2)
    says({ "reload", "--json", "price@local" }, '"before":1,', 0)
  end)

  it("keeps an agent whose file is gone, and says how it is taken away", function()
    os.remove(folder .. "/agents/price.lua")
    says({ "reload" }, "price@local REFUSED, generation 1 keeps running\n  agents/price.lua is gone; to take the agent away, "
      .. "start the node again without that file: its messages stay in the store and wait\n", 1)
    says({ "send", "price@local", "{}", "--await", "handled" }, 'result="one in 1"', 0)
  end)

  -- Was: the question was sent again while the node was busy with it, and done again.
  it("is done once, also when loading takes seconds", function()
    write(folder, "agents/price.lua", "while true do end")
    says({ "reload" }, "ran for more than 2000 ms without waiting", 1)
    write(folder, "agents/price.lua", agent "two")
    says({ "reload" }, "generation 1 -> 2", 0) -- behind all that was asked before
    running:wait_for "generation 1 -> 2"
    assert.equal(1, select(2, table.concat(running.said, "\n"):gsub("REFUSED", "")))
  end)

  it("leaves generations that can be listed", function()
    says({ "generations" }, "AGENT        GENERATION  STATE    HASH", 0)
    says({ "generations", "price@local", "--json" }, '"address":"price@local"', 0)
    says({ "generations", "nobody@local" }, 'no agent "nobody@local" here', 4)
  end)

  it("is what SIGHUP does, by way of the supervisor, too", function()
    running:signal "HUP"
    running:wait_for "reload (SIGHUP): no file of an agent has changed"
    write(folder, "agents/price.lua", agent "two")
    running:signal "HUP"
    running:wait_for "reload price@local generation 1 -> 2"
    write(folder, "agents/price.lua", BROKEN)
    running:signal "HUP"
    running:wait_for "reload price@local REFUSED, generation 2 keeps running: agents/price.lua:2: unexpected symbol"
    says({ "send", "price@local", "{}", "--await", "handled" }, 'result="two in 2"', 0)
  end)

  it("says that settings wait for the next start", function()
    write(folder, "node.lua", 'return require("moonpost").node { name = "shop", store = "memory" } -- new')
    running:signal "HUP"
    running:wait_for "node.lua has changed; settings and hooks are read at the next start"
  end)
end)

describe("moonpost run --watch", function()
  local folder, running, generation

  local function sh(text)
    assert.equal(0, os.execute(("cd '%s' && %s"):format(folder, text)))
  end

  -- The next generation comes, and says these words.
  local function follows(words)
    running:wait_for(("reload price@local generation %d -> %d"):format(generation, generation + 1))
    generation = generation + 1
    local output = node.run({ "send", "price@local", "{}", "--await", "handled" }, folder)
    assert.truthy(output:find(('result="%s in %d"'):format(words, generation), 1, true), output)
  end

  local function prepare(words)
    write(folder, "new", agent(words))
  end

  setup(function()
    folder = node.folder {
      ["agents/price.lua"] = agent "one",
      ["agents/other.lua"] = 'return require("moonpost").agent { address = "other@local" }',
    }
    running = node.start({ "run", "--watch", "--store", "memory" }, folder, "listening unix:")
    generation = 1
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
  end)

  it("sees a file that is written in place", function()
    prepare "in place"
    sh "cat new > agents/price.lua"
    follows "in place"
  end)

  it("sees a new file renamed over it, again and again", function()
    for _, words in ipairs { "renamed", "renamed again" } do
      prepare(words)
      sh "cp new agents/.price.lua.tmp && mv agents/.price.lua.tmp agents/price.lua"
      follows(words)
    end
  end)

  it("sees it renamed away and written anew, as vim does", function()
    prepare "vim"
    sh "touch agents/4913 && rm agents/4913 && mv agents/price.lua agents/price.lua~ && cp new agents/price.lua && rm agents/price.lua~"
    follows "vim"
  end)

  it("sees it removed and made anew, as git does", function()
    prepare "git"
    sh "rm agents/price.lua && cp new agents/price.lua"
    follows "git"
  end)

  it("sees the whole folder replaced", function()
    prepare "folder"
    sh "cp -r agents agents2 && cp new agents2/price.lua && mv agents agents3 && mv agents2 agents && rm -r agents3"
    follows "folder"
    prepare "in the new folder"
    sh "cat new > agents/price.lua"
    follows "in the new folder"
  end)

  it("sees a link behind a link change, as in a ConfigMap", function()
    prepare "linked"
    sh "mkdir agents/..1 && mv new agents/..1/price.lua && ln -s ..1 agents/..data && ln -sf ..data/price.lua agents/price.lua"
    follows "linked"
    prepare "swapped"
    sh "mkdir agents/..2 && mv new agents/..2/price.lua && ln -s ..2 agents/..tmp && mv -T agents/..tmp agents/..data"
    follows "swapped"
  end)

  it("sees a write to what a link leads to elsewhere", function()
    prepare "elsewhere"
    sh "mkdir real && cp new real/price.lua && ln -sf ../real/price.lua agents/price.lua"
    follows "elsewhere"
    prepare "there"
    sh "cat new > real/price.lua"
    follows "there"
  end)

  it("sees modules, also when they come after what requires them", function()
    write(folder, "new", 'local words = require "deep.words"\n' .. AGENT:format "words")
    sh "rm agents/price.lua && cp new agents/price.lua"
    running:wait_for "agents/price.lua:1: module 'deep.words' not found"
    sh "mkdir -p lua/deep && echo 'return \"deep\"' > new && mv new lua/deep/words.lua"
    follows "deep"
    sh "echo 'return \"deeper\"' > new && mv new lua/deep/words.lua"
    follows "deeper"
  end)

  it("says once what it refuses, whatever else is saved", function()
    sh "echo oops > new && mv new agents/other.lua"
    running:wait_for "reload other@local REFUSED"
    sh "echo 'return \"back\"' > new && mv new lua/deep/words.lua"
    follows "back"
    local said = table.concat(running.said, "\n")
    assert.equal(1, select(2, said:gsub("reload other@local REFUSED", "")))
  end)

  it("sees a new agent", function()
    write(folder, "new", 'return require("moonpost").agent { address = "another@local" }')
    sh "mv new agents/another.lua"
    running:wait_for "agent another@local  generation 1  from agents/another.lua"
  end)
end)

local COUNTING = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "bench@local",
  concurrency = 1024,
  on = { message = function(ctx, msg) ctx:send("tally@local", msg.body:sub(1, 12) .. ctx.generation) end },
  methods = { report = function(ctx) return ctx:call("tally@local", {}, { method = "report" }) end },
} -- ]]

local TALLY = [[
local moonpost = require "moonpost"
local seen, handled, twice, generations, many = {}, 0, 0, {}, 0
return moonpost.agent {
  address = "tally@local",
  concurrency = 1024,
  on = {
    message = function(_, msg)
      local number, generation = msg.body:sub(1, 12), msg.body:sub(13)
      if seen[number] then twice = twice + 1 else seen[number], handled = true, handled + 1 end
      if not generations[generation] then generations[generation], many = true, many + 1 end
    end,
  },
  methods = {
    report = function()
      return { handled = handled, twice = twice, generations = many,
        usage = { cpu_s = 0, written = 0, syncs = 0, peak = 0 } }
    end,
  },
}]]

local AGAIN = [[
local moonpost = require "moonpost"
local client = assert(moonpost.client())
for _ = 1, tonumber(arg[1]) do
  local answer = assert(client:call("$node", { address = "bench@local" }, { method = "reload" }))
  assert(answer.items[1].result == "reloaded")
end
local report = assert(client:call("bench@local", "", { method = "report" }))
print(("handled %d twice %d by %d"):format(report.handled, report.twice, report.generations))]]

describe("a node that is busy", function()
  local COUNT = 40000
  local folder, running

  before_each(function()
    folder = node.folder { ["agents/counting.lua"] = COUNTING, ["agents/tally.lua"] = TALLY, ["again.lua"] = AGAIN }
    running = node.start({ "run", "--no-respawn", "--store", "memory" }, folder, "listening unix:",
      { ASAN_OPTIONS = "quarantine_size_mb=0" }) -- else freed memory stays a while
  end)
  after_each(function()
    running:stop()
    node.remove(folder)
  end)

  local function again(times)
    local output, code = node.run({ "exec", "again.lua", tostring(times) }, folder)
    assert.equal(0, code, output)
    return output
  end

  local function memory()
    local file = assert(io.open(("/proc/%s/status"):format(running.pid)))
    local text = file:read "*a"
    file:close()
    return tonumber(text:match "VmRSS:%s*(%d+)")
  end

  local function start_load()
    os.execute(("cd '%s' && { '%s' bench client '%s' > out 2>&1; touch ended; } &"):format(folder, node.executable(),
      ('{"link":"unix:data/moonpost.sock","count":%d,"window":200,"size":64,"profile":"at-least-once","await":"handled",'
        .. '"keys":0}')
        :format(COUNT)))
  end

  local function exists(name)
    local file = io.open(folder .. "/" .. name)
    return file and file:close()
  end

  it("loses nothing and handles nothing twice through tens of reloads", function()
    local reloads = 0
    start_load()
    while not exists "ended" do
      reloads = reloads + 1
      write(folder, "agents/counting.lua", COUNTING .. reloads)
      running:signal "HUP"
      running:wait_for(("reload bench@local generation %d -> %d"):format(reloads, reloads + 1))
    end
    local by = tonumber(again(0):match(("handled %d twice 0 by (%%d+)"):format(COUNT)))
    assert.truthy(by and by >= 10, ("%s generations, %d reloads"):format(tostring(by), reloads))
  end)

  it("has no more memory after hundreds of them", function()
    again(100)
    local before = memory()
    again(300)
    assert.truthy(memory() < before * 1.1, ("%d KiB before, %d KiB after"):format(before, memory()))
  end)
end)
