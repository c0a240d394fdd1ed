local node = require "spec.support.node"
local shell = require "spec.support.shell"

local function example(...)
  return node.run({ "example", ... }, ".")
end

-- The lines of "file:number  text" and "write  text" that explain prints, and the scenario's folder.
local function promises(name)
  local found, text = {}, example("explain", name)
  for file, number, line, instead in text:gmatch("\n  (%S+):(%d+)  ([^\n]+)\n[^\n]+\n +write  ([^\n]+)") do
    found[#found + 1] = { file = file, number = tonumber(number), line = line, instead = instead }
  end
  return found, text
end

local function replace_line(path, promise)
  local lines, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    local from, to = line:find(promise.line, 1, true)
    if number == promise.number then line = line:sub(1, from - 1) .. promise.instead .. line:sub(to + 1) end
    lines[number] = line
  end
  local file = assert(io.open(path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

local SCENARIOS = {
  ["lost-ack"] = { promises = 2, virtual = true },
  ["lost-ack-dedup"] = { promises = 1, virtual = true },
  crash = { promises = 2, runs = true },
  reconnect = { promises = 2, runs = true, virtual = true },
  reload = { promises = 2, runs = true, virtual = true },
  ["exactly-once"] = { promises = 1, runs = true },
  counter = { promises = 1, runs = true },
}

describe("a scenario", function()
  local folder
  before_each(function() folder = node.folder() end)
  after_each(function() node.remove(folder) end)

  for name, expected in pairs(SCENARIOS) do
    if expected.runs then
      it(("holds what it claims, with real processes: %s"):format(name), function()
        local output, code = example("run", name)
        assert.equal(0, code, output)
        assert.truthy(output:find("PASS (%d+)/%1 checks\n$"), output)
      end)
    end

    it(("holds what it claims in virtual time, or says why it cannot: %s"):format(name), function()
      local output, code = example("run", name, "--virtual")
      if expected.virtual then
        assert.equal(0, code, output)
        assert.truthy(output:find("PASS (%d+)/%1 checks\n"), output)
      else
        assert.equal(1, code, output)
        assert.truthy(output:find("UNSUPPORTED in virtual time: ", 1, true), output)
      end
    end)

    it(("explains which lines keep its promise, and fails when one is broken: %s"):format(name), function()
      local found, text = promises(name)
      assert.equal(expected.promises, #found, text)
      for index, promise in ipairs(found) do
        local copy = ("%s/%d/%s"):format(folder, index, name)
        shell.must(("mkdir %d"):format(index), folder)
        assert.equal(0, select(2, example("copy", name, copy)))
        replace_line(copy .. "/" .. promise.file, promise)
        local output, code = example("run", copy, expected.virtual and "--virtual" or nil)
        assert.equal(1, code, promise.instead .. "\n" .. output)
        assert.truthy(output:find("FAIL", 1, true), output)
      end
    end)

    it(("has a README with its last line: %s"):format(name), function()
      local readme = shell.must(("cat examples/%s/README.md"):format(name), ".")
      local output = example("run", name, expected.virtual and "--virtual" or nil)
      local function shape(text) return text:match("\n *(summary +|.- checks)\n"):gsub("%d+", "N"):gsub(" +", " ") end
      assert.equal(shape(output), shape(readme))
    end)
  end

  it("chooses another moment with another seed", function()
    local one, other = example("run", "crash"), example("run", "crash", "--seed", "4")
    assert.truthy(one:find("PASS 6/6", 1, true), one)
    assert.truthy(other:find("PASS 6/6", 1, true), other)
    assert.are_not.equal(one:match("job (%d+) is a long one"), other:match("job (%d+) is a long one"))
  end)

  it("is refused when a cue speaks of somebody who is not there", function()
    local file = folder .. "/mine/scenario.lua"
    assert.equal(0, select(2, example("copy", "crash", folder .. "/mine")))
    local text = shell.must("cat " .. file, ".")
    for wrong, reason in pairs {
      ['kill = "worker"'] = { 'kill = "client"', 'cues[1]: "client" is no node here' },
      ['process = "worker"'] = { 'process = "wroker"', '"wroker" is no process here; did you mean "worker"?' },
    } do
      local opened = assert(io.open(file, "w"))
      opened:write((text:gsub(wrong, reason[1])))
      opened:close()
      local output, code = example("run", folder .. "/mine")
      assert.equal(2, code)
      assert.truthy(output:find(reason[2], 1, true), output)
    end
  end)

  it("kills in each run against nodes that were started", function()
    assert.equal(0, select(2, example("copy", "crash", folder .. "/mine")))
    assert.equal(0, select(2, example("start", folder .. "/mine")))
    for _ = 1, 2 do
      local output, code = example("run", folder .. "/mine")
      assert.equal(0, code, output)
      assert.truthy(output:find("killed 1 ", 1, true), output)
    end
    assert.equal(0, select(2, example("stop", folder .. "/mine")))
  end)

  it("can be copied, with what it is built on, and runs there by make", function()
    assert.equal(0, select(2, example("copy", "lost-ack-dedup", folder .. "/mine")))
    assert.equal("lost-ack\nmine\n", shell.must("ls", folder))
    local make = ("make -C mine run-virtual MOONPOST=%s"):format(node.executable())
    assert.truthy(shell.must(make, folder):find("PASS 5/5 checks", 1, true))
    local output, code = example("copy", "lost-ack-dedup", folder .. "/mine")
    assert.equal(1, code)
    assert.truthy(output:find("/mine is here already; name another folder", 1, true), output)
  end)
end)
