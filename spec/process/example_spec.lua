local node = require "spec.support.node"

-- Copies of the scenarios whose client sends again after 50 ms, so that their checks of times fail.
local function hasty_examples()
  local folder = node.folder {}
  os.execute(("cp -r examples/* %s"):format(folder))
  os.execute(([[sed -i 's/first = "1s"/first = "50ms"/' %s/lost-ack/client/client.lua]]):format(folder))
  return folder
end

-- Transcripts without what differs from run to run.
local function masked(output)
  return (output:gsub("…%w%w%w%w", "REF"):gsub("127%.0%.0%.1:%d+", "PORT"):gsub("| +%d+%.%d+ s  ", "| ")
    :gsub("in %d+ ms of real time\n", ""))
end

local function count_lines(command)
  local pipe = assert(io.popen(command .. " | wc -l"))
  local count = pipe:read("*n")
  pipe:close()
  return count
end

-- Processes that work in a folder, and what is in the folder.
local function traces(folder)
  return {
    processes = count_lines(("ls -l /proc/[0-9]*/cwd 2>/dev/null | grep '%s'"):format(folder)),
    files = count_lines(("find %s -mindepth 1"):format(folder)),
  }
end

describe("moonpost example with real processes", function()
  local examples, temp, env, stop
  before_each(function()
    examples, temp = hasty_examples(), node.folder {}
    env = { MOONPOST_EXAMPLES = examples, TMPDIR = temp }
    stop = node.at_end({ "example", "stop", "lost-ack" }, ".", env)
  end)
  after_each(function()
    stop()
    node.remove(examples)
    node.remove(temp)
  end)

  local function example(...)
    return node.run({ "example", ... }, ".", env)
  end

  it("lists the scenarios with what they show and how long they take", function()
    local output, code = example "ls"
    assert.equal(0, code)
    assert.truthy(output:find("  lost-ack        ACKs get lost, the client resends, the agent sees duplicates     4 s\n", 1, true))
    assert.truthy(output:find("  lost-ack-dedup  ", 1, true))
  end)

  it("shows the agent of a scenario", function()
    assert.truthy(example("show", "lost-ack"):find('address = "message@demo"', 1, true))
  end)

  it("runs lost-ack in three processes, with the transcript of its virtual run", function()
    env.MOONPOST_EXAMPLES = "examples"
    local output, code = example("run", "lost-ack")
    assert.equal(0, code, output)
    assert.truthy(output:find("handled 3  duplicates 2  acks lost 2  dead 0   PASS 5/5 checks\n", 1, true), output)
    assert.equal(masked(example("run", "lost-ack", "--virtual")), masked(output))
    assert.same({ processes = 0, files = 0 }, traces(temp))
  end)

  it("names each check that does not hold, and ends with 1", function()
    local output, code = example("run", "lost-ack")
    assert.equal(1, code)
    assert.truthy(output:find("FAIL 4/5 checks\n", 1, true), output)
    assert.truthy(output:find('failed   | the client sends again after 1 s and after 2 s more: expected "1, 2", got "0, 0"\n', 1, true))
  end)

  it("says which process did not come up, and why", function()
    os.execute(("echo 'return 4' > %s/lost-ack/agent/agents/message.lua"):format(examples))
    local output, code = example("run", "lost-ack")
    assert.equal(1, code)
    assert.truthy(output:find("agents/message.lua: a number is not an agent", 1, true), output)
    assert.truthy(output:find("lost-ack: agent ended (exit code 1) before it was ready", 1, true), output)
    assert.same({ processes = 0, files = 0 }, traces(temp))
  end)

  for _, signal in ipairs { "INT", "TERM", "HUP" } do
    it("leaves no process and no folder behind when SIG" .. signal .. " comes", function()
      env.MOONPOST_EXAMPLES = "examples"
      local running = node.start({ "example", "run", "lost-ack" }, ".", "received #1", env)
      assert.is_true(traces(temp).processes >= 3)
      running:stop(signal)
      assert.same({ processes = 0, files = 0 }, traces(temp))
    end)
  end

  it("keeps the nodes running from start to stop, for any number of runs", function()
    os.execute(([[sed -i 's/"1, 2"/"0, 0"/' %s/lost-ack/scenario.lua]]):format(examples))
    local output, code = example("start", "lost-ack")
    assert.equal(0, code, output)
    assert.truthy(output:find("agent    | attached message@demo", 1, true), output)
    assert.truthy(example("run", "lost-ack"):find("received #3 ", 1, true))
    output = example("run", "lost-ack")
    assert.truthy(output:find("received #6 ", 1, true), output)
    assert.truthy(output:find("sent 1  transmissions 3  handled 3  duplicates 2  acks lost 2  dead 0   PASS 5/5 checks", 1, true), output)
    assert.truthy(example("logs", "lost-ack"):find("received #6 ", 1, true))
    output, code = example("stop", "lost-ack")
    assert.same({ "lost-ack is stopped\n", 0 }, { output, code })
    assert.same({ processes = 0, files = 0 }, traces(temp))
  end)

  -- Was: what a spec had started went on for ever when the specs were interrupted.
  it("is stopped when specs that have started it are killed", function()
    local inner = node.folder { ["inner_spec.lua"] = ([[
      local node = require "spec.support.node"
      it("starts", function()
        local env = { MOONPOST_EXAMPLES = %q, TMPDIR = %q }
        node.at_end({ "example", "stop", "lost-ack" }, ".", env)
        print(node.run({ "example", "start", "lost-ack" }, ".", env))
        os.execute "kill -9 $PPID"
      end)]]):format(examples, temp) }
    local running = node.start({ "test", inner .. "/inner_spec.lua" }, ".", "attached message@demo")
    running:finish()
    node.remove(inner)
    assert.same({ processes = 0, files = 0 }, traces(temp))
  end)

  it("says how a folder is named that is here", function()
    local project = node.folder { ["mine/scenario.lua"] = "return 1" }
    node.says(project, { "example", "run", "mine" },
      '"mine" is the name of none; did you mean the folder: "./mine"?', 2)
    node.remove(project)
  end)

  it("takes the folder that one is in for a scenario", function()
    local output = node.says(examples .. "/lost-ack", { "example", "show", "." }, 'address = "message@demo"', 0)
    assert.truthy(output:find(examples .. "/lost-ack/", 1, true), output)
    node.says(examples, { "example", "show", "lost-ack/" }, 'address = "message@demo"', 0)
    node.says(temp, { "example", "run", "." }, "there is no scenario.lua", 2)
  end)

  it("suggests the name that was meant", function()
    local output, code = example("run", "lost-akc")
    assert.equal(2, code)
    assert.truthy(output:find('"lost-akc" is no scenario; did you mean "lost-ack"?', 1, true), output)
  end)
end)
