local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[return require("moonpost").node { store = { path = "data" } }]],
  ["agents/echo.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "echo@local", on = { message = function(_, msg)
  if #msg.body > 1000 then return moonpost.defer("too much for now", { delay = "1h" }) end
  return msg.body
end } }]],
}

describe("a supervised node", function()
  local folder, running

  local function start(words, before)
    running = node.start(words or { "run" }, folder, "listening unix:", nil, before)
  end

  -- The process of the node itself.
  local function child()
    local pipe = assert(io.popen("cat /proc/" .. running.pid .. "/task/" .. running.pid .. "/children"))
    local pid = pipe:read("*l"):match("%d+")
    pipe:close()
    return pid
  end

  local function kill(signal, pid) os.execute(("kill -%s %s"):format(signal, pid)) end

  before_each(function() folder = node.folder(FILES) end)
  after_each(function()
    if running then running:stop() end
    running = nil
    node.remove(folder)
  end)

  it("is started again when it crashes, and answers again", function()
    start()
    kill("ABRT", child())
    running:wait_for("the node was ended by signal 6 (Aborted); it is started again (1 of 5 times within 60 s)")
    running:wait_for("listening unix:")
    local output = node.run({ "send", "echo@local", "hello", "--await", "handled" }, folder)
    assert.truthy(output:find('result="hello"', 1, true), output)
  end)

  it("is given up after five new starts", function()
    start()
    for n = 1, 5 do
      kill("KILL", child())
      running:wait_for(("started again (%d of 5"):format(n))
      running:wait_for("listening unix:")
    end
    kill("KILL", child())
    local said = running:finish()
    running = nil
    assert.truthy(said:find("it was started again 5 times within 60 s, so this is the end", 1, true), said)
  end)

  it("is not started again when somebody stops it", function()
    start()
    local said = running:stop("TERM")
    running = nil
    assert.truthy(said:find("stopping", 1, true), said)
    assert.is_nil(said:find("started again", 1, true))
  end)

  it("dies with its supervisor", function()
    start()
    local said = running:stop("KILL")
    running = nil
    assert.is_nil(said:find("stopping", 1, true))
    start() -- its folder is free
  end)

  it("names the supervisor as the process to stop", function()
    start()
    local output = node.run({ "run" }, folder)
    assert.truthy(output:find(("another process (pid %s)"):format(running.pid), 1, true), output)
  end)

  it("hands on the exit code of a node that could not start", function()
    local output, code = node.run({ "run", "missing.lua" }, folder)
    assert.equal(1, code)
    assert.is_nil(output:find("supervisor", 1, true))
    assert.equal(2, (select(2, node.run({ "run", "--sotre", "x" }, folder))))
  end)

  it("is alone with --no-respawn", function()
    start { "run", "--no-respawn" }
    local said = running:stop("ABRT")
    running = nil
    assert.is_nil(said:find("started again", 1, true))
  end)

  it("starts again when its store failed, and confirms nothing of what failed", function()
    start(nil, "trap '' XFSZ && ulimit -f 1800")
    local body = assert(io.open(folder .. "/body", "w"))
    body:write(("x"):rep(1000000))
    body:close()
    node.run({ "send", "echo@local", "@" .. folder .. "/body", "--timeout", "1s" }, folder)
    running:wait_for("the store failed: no room left on the file system of data")
    running:wait_for("the node ended with exit code 74; it is started again (1 of 5")
  end)
end)
