local fake = require "spec.support.fake_runtime"
local raised = require "spec.support.raised"
local strict = require "moonpost.strict"

-- Runs a text as a script of a kind.
local function script(kind, text)
  return setfenv(assert(loadstring(text, "@agents/mail.lua")), strict.environment(kind))()
end

local function says(kind, text)
  return raised(script, kind, text)
end

describe("the globals of a script", function()
  it("are refused when nobody declared them, with the nearest name", function()
    assert.equal('agents/mail.lua:2: undeclared global "prnt"; did you mean "print"?', says("agent", "\nprnt('x')"))
    assert.equal('agents/mail.lua:1: undeclared global "count"', says("agent", "return count"))
  end)

  it("say how the library is required", function()
    assert.equal('agents/mail.lua:1: undeclared global "moonpost"; write local moonpost = require "moonpost"',
      says("agent", "return moonpost.agent {}"))
  end)

  it("cannot be set", function()
    assert.equal('agents/mail.lua:1: undeclared global "count": write local', says("agent", "count = 1"))
    assert.equal('agents/mail.lua:1: undeclared global "handle": write local', says("agent", "function handle() end"))
  end)

  it("are themselves _G", function()
    assert.is_true(script("agent", "return _G._G == _G and _G.print == print"))
  end)

  it("have no way out of the environment", function()
    for _, name in ipairs { "ffi", "jit", "getfenv", "setfenv", "newproxy", "package", "module" } do
      assert.equal(('agents/mail.lua:1: global "%s": not in scripts'):format(name), says("agent", "return " .. name))
    end
    assert.is_nil(script("agent", "return string.dump"))
    assert.matches("cannot change a protected metatable", says("agent", "setmetatable(_G, nil)"))
  end)

  it("are one set for each kind of script", function()
    assert.equal(strict.environment "agent", strict.environment "agent")
    assert.are_not.equal(strict.environment "agent", strict.environment "program")
  end)

  it("have libraries of their own", function()
    script("agent", "string.mine = 1; table.mine = 1; math.mine = 1")
    assert.is_nil(rawget(string, "mine") or rawget(table, "mine") or rawget(math, "mine"))
  end)
end)

describe("code that a script loads", function()
  it("runs in its environment", function()
    assert.equal('[string "return count"]:1: undeclared global "count"', says("agent", "return loadstring('return count')()"))
    assert.equal(3, script("agent", "return load('return 1 + 2')()"))
  end)

  it("is text", function()
    assert.is_nil((script("agent", "return load('x', 'x', 'b')")))
    assert.is_nil((setfenv(function(code) return loadstring(code) end, strict.environment "agent")(string.dump(says))))
  end)

  it("may have an environment of its own", function()
    assert.equal(5, script("agent", "return load('return x', 'x', 't', { x = 5 })()"))
  end)
end)

describe("the clock and chance of a script", function()
  before_each(function() fake.reset() end)

  it("are the node's own", function()
    assert.equal(1767225600, script("agent", "return os.time()"))
    assert.equal("2026-01-01", script("agent", "return os.date('!%Y-%m-%d')"))
    assert.equal(100, script("program", "return os.clock()"))
    assert.equal("the node's HOME", script("agent", "return os.getenv('HOME')"))
    fake.randoms = { 0.25, 0, 0.999, 0.5 }
    assert.equal(0.25, script("agent", "return math.random()"))
    assert.equal(1, script("agent", "return math.random(6)"))
    assert.equal(6, script("agent", "return math.random(6)"))
    assert.equal(15, script("agent", "return math.random(10, 20)"))
  end)

  it("still do arithmetic with dates", function()
    assert.equal(os.time { year = 2026, month = 1, day = 2 }, script("agent", "return os.time { year = 2026, month = 1, day = 2 }"))
    assert.equal("1970-01-02", script("agent", "return os.date('!%Y-%m-%d', 86400)"))
  end)

  it("refuse an empty interval", function()
    assert.equal("agents/mail.lua:1: math.random: the interval is empty", says("agent", "local x = math.random(2, 1)"))
  end)
end)

describe("what an agent cannot do", function()
  local cases = {
    { "os.exit()", "os.exit: not in an agent: return or raise an outcome; a node ends from outside" },
    { "os.execute('ls')", "os.execute: not in an agent: it would hold up the node; send a message to a program (moonpost exec)" },
    { "io.popen('ls')", "io.popen: not in an agent: it would hold up the node; send a message to a program (moonpost exec)" },
    { "io.read()", "io.read: not in an agent: a node has no terminal; take it from the message, from a file (io.open) or from os.getenv" },
    { "math.randomseed(1)", "math.randomseed: not in an agent: math.random is the node's own; in specs MOONPOST_SEED sets its seed" },
    { "debug.sethook()", "debug.sethook: not in an agent: the node's guard uses the hook; see `budget`" },
  }
  for _, case in ipairs(cases) do
    it("says what to use: " .. case[1], function()
      assert.equal("agents/mail.lua:1: " .. case[2], says("agent", case[1]))
    end)
  end

  it("cannot be done by hooks, policies and settings either", function()
    assert.matches("os%.exit: not in a hook: ", says("hook", "os.exit()"))
    assert.matches("os%.exit: not in a policy: ", says("policy", "os.exit()"))
    assert.matches("os%.exit: not in settings: ", says("settings", "os.exit()"))
  end)

  it("can be done by programs and specs", function()
    assert.equal(os.exit, script("program", "return os.exit"))
    assert.equal(io.read, script("spec", "return io.read"))
  end)

  it("leaves the collector to the node", function()
    assert.equal("number", type(script("agent", "return collectgarbage('count')")))
    assert.equal('agents/mail.lua:1: collectgarbage: only "count"; the node collects by itself', says("agent", "collectgarbage()"))
  end)
end)

describe("print", function()
  it("logs at info in an agent", function()
    finally(fake.reset)
    script("agent", "print('a', 1, nil)")
    assert.same({ { level = "info", text = "a\t1\tnil" } }, fake.logs)
  end)

  it("prints in programs and specs", function()
    assert.equal(print, script("program", "return print"))
    assert.equal(print, script("spec", "return print"))
  end)
end)

describe("require in a script", function()
  before_each(function() fake.folder = "spec/support/project" end)
  after_each(function() fake.reset() end)

  it("finds modules in lua/ and at the project's root", function()
    assert.equal("the root", script("agent", "return require 'top'"))
    assert.same({ name = "deep" }, script("agent", "return require 'deep'"))
  end)

  it("answers the same module twice, and another to another kind of script", function()
    assert.equal(1, script("agent", "return require('counter').add()"))
    assert.equal(2, script("agent", "return require('counter').add()"))
    assert.equal(1, script("hook", "return require('counter').add()"))
  end)

  it("runs modules in the script's environment", function()
    assert.matches('^spec/support/project/lua/careless%.lua:1: undeclared global "missing_global"$',
      says("agent", "require 'careless'"))
  end)

  it("names a circle", function()
    assert.matches('lua/circle%.lua:1: require "circle": it requires itself$', says("agent", "require 'circle'"))
  end)

  it("lists where it looked", function()
    local text = says("agent", "require 'nowhere.at_all'")
    local first = "\n\tno file 'spec/support/project/lua/nowhere/at_all.lua'"
    assert.equal(1, text:find("agents/mail.lua:1: module 'nowhere.at_all' not found:" .. first, 1, true))
  end)

  it("answers the library, and the environment's own standard libraries", function()
    assert.equal(require "moonpost", script("agent", "return require 'moonpost'"))
    assert.is_true(script("agent", "return require 'os' == os and require('string') == string"))
  end)

  it("keeps the library's inside to itself", function()
    assert.equal('agents/mail.lua:1: require "moonpost.runtime": a private module; use require "moonpost"',
      says("agent", "require 'moonpost.runtime'"))
    assert.equal('agents/mail.lua:1: require "ffi": not in scripts', says("agent", "require 'ffi'"))
    assert.equal('agents/mail.lua:1: require "moonpost.test": only in specs', says("agent", "require 'moonpost.test'"))
  end)

  it("does not have moonpost.webhook yet", function()
    assert.matches("UNSUPPORTED: moonpost%.webhook: not yet in this version", says("agent", "require 'moonpost.webhook'"))
  end)
end)
