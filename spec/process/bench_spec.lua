local node = require "spec.support.node"

local function count_lines(command)
  local pipe = assert(io.popen(command .. " | wc -l"))
  local count = pipe:read("*n")
  pipe:close()
  return count
end

describe("moonpost bench", function()
  local temp, env
  before_each(function()
    temp = node.folder {}
    env = { TMPDIR = temp }
  end)
  after_each(function() node.remove(temp) end)

  local function bench(...)
    return node.run({ "bench", ... }, temp, env)
  end

  local function says(text, code, ...)
    local output, got = bench(...)
    assert.truthy(output:find(text, 1, true), output)
    assert.equal(code, got)
  end

  it("prints a table of what it measured and leaves nothing behind", function()
    local output, code = bench("--count", "300", "--window", "50", "--size", "64")
    assert.truthy(output:find("300 messages of 64 bytes, 50 in flight\n", 1, true), output)
    assert.truthy(output:find("profile +await +messages/s +p50 +p90 +p99 +max +fsyncs +node CPU"), output)
    assert.truthy(output:find("\nat%-least%-once  stored +[%d,]+ "), output)
    assert.equal(0, code)
    assert.equal(0, count_lines(("find %s -mindepth 1"):format(temp)))
  end)

  it("finds that nothing was lost or handled twice, in each profile", function()
    local output, code = bench("--count", "2000", "--compare-profiles", "--verify", "--json")
    for profile in ("at-most-once at-least-once exactly-once"):gmatch("%S+") do
      assert.truthy(output:find(('"profile":"%s"'):format(profile), 1, true), output)
    end
    local _, good = output:gsub('"duplicated":0,.-"lost":0,', "")
    assert.equal(3, good)
    assert.equal(0, code)
  end)

  it("goes by way of a sentinel and waits until messages are handled", function()
    local output, code = bench("--count", "200", "--via-sentinel", "--await", "handled", "--json")
    assert.truthy(output:find('"await":"handled"', 1, true), output)
    assert.truthy(output:find('"via_sentinel":true', 1, true), output)
    assert.equal(0, code)
  end)

  it("sends keys in turn, of which one may be parked while the others are handled", function()
    local output, code = bench("--count", "2000", "--keys", "10", "--parked", "--verify", "--json")
    assert.truthy(output:find('"duplicated":0,.-"lost":0,'), output)
    assert.equal(0, code)
    says("--parked needs --keys", 2, "--parked")
  end)

  it("says what a wrong option can be", function()
    says('--count: "many" is not a whole number from 1 to 10000000', 2, "--count", "many")
    says('--size: "4" is not a whole number from 12', 2, "--size", "4")
    says('--profile: "twice" is none of at-most-once, at-least-once, exactly-once', 2, "--profile", "twice")
    says('--await: "sent" is not stored or handled, which is what at-least-once has', 2, "--await", "sent")
    says("leave out --profile and --await", 2, "--compare-profiles", "--await", "handled")
    says('"fast" is one argument too many', 2, "fast")
  end)

  it("ends with 1 and the node's own words when the node cannot start", function()
    says("the node ended: moonpost run: cannot use the folder /dev/null/x: Not a directory", 1, "--store", "/dev/null/x")
  end)

  it("counts how often the node asks the disk to be safe", function()
    local folder = node.folder { syncs = ("\0"):rep(8), ["sync_spec.lua"] = [[
      local ffi = require "ffi"
      ffi.cdef "int fsync(int file); int fdatasync(int file);"
      it("syncs", function() ffi.C.fsync(-1) ffi.C.fdatasync(-1) end)]] }
    node.run({ "test", "sync_spec.lua" }, folder, { MOONPOST_BENCH_SYNCS = "syncs" })
    local file = assert(io.open(folder .. "/syncs", "rb"))
    local bytes = file:read("*a")
    file:close()
    node.remove(folder)
    assert.equal("\2\0\0\0\0\0\0\0", bytes)
  end)

  it("leaves no process and no file behind when it is interrupted", function()
    local running = node.start({ "bench", "--count", "10000000" }, temp, "sending", { TMPDIR = temp, MOONPOST_LOG = "info" })
    running:stop("INT")
    assert.equal(0, count_lines(("find %s -mindepth 1"):format(temp)))
    assert.equal(0, count_lines(("ls -l /proc/[0-9]*/cwd 2>/dev/null | grep '%s'"):format(temp)))
  end)
end)
