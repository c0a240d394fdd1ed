local moonpost = require "moonpost"
local node = require "spec.support.node"
local worlds = require "moonpost.test.class"

local function read(file)
  local opened = assert(io.open(file))
  local text = opened:read("*a")
  opened:close()
  return text
end

local types = read "lua/moonpost/meta/moonpost.lua" .. read "lua/moonpost/meta/test.lua"

-- The fields of a class of the types, without their question marks.
local function fields_of(class)
  local names = {}
  local block = types:match("%-%-%-@class moonpost%." .. class .. "\n(.-)\n\n")
  for name in block:gmatch("%-%-%-@field ([%w_]+)") do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function declared(name)
  return types:find("\nfunction " .. name .. "(", 1, true) ~= nil
end

local function upvalue(call, wanted)
  for index = 1, 60 do
    local name, value = debug.getupvalue(call, index)
    if name == wanted then return value end
  end
end

-- What a constructor takes in this version.
local function taken_by(call)
  local names = {}
  for field, reader in pairs(upvalue(call, "FIELDS")) do
    if not reader.not_yet and not reader.hidden then names[#names + 1] = field end
  end
  table.sort(names)
  return names
end

describe("the types that editors show", function()
  it("have every function and every value of the library", function()
    for name, value in pairs(moonpost) do
      if type(value) == "function" then
        assert.is_true(declared("moonpost." .. name), "moonpost." .. name)
      elseif type(value) == "table" then
        for inner in pairs(value) do assert.is_true(declared(("moonpost.%s.%s"):format(name, inner)), name .. "." .. inner) end
      else
        assert.truthy(types:find("---@field " .. name .. " ", 1, true), name)
      end
    end
  end)

  it("have every verb of a client, a policy and a world", function()
    for name in pairs(worlds.methods) do assert.is_true(declared("world:" .. name), "world:" .. name) end
    for name in pairs(getmetatable(moonpost.retry_policy {}).__index) do
      assert.is_true(declared("policy:" .. name), "policy:" .. name)
    end
  end)

  it("name no class that they do not declare", function()
    for class in types:gmatch("moonpost%.(%u%w+)") do
      local there = types:find("---@class moonpost." .. class .. "\n", 1, true)
        or types:find("---@alias moonpost." .. class .. " ", 1, true)
      assert.truthy(there, class)
    end
  end)

  it("have every option of a send", function()
    assert.same({ "at", "await", "delay", "expires", "headers", "id", "immediate", "key", "method", "on_done", "profile", "retry",
      "timeout" },
      fields_of "SendOptions")
  end)

  it("have the fields that constructors take, and no others", function()
    assert.same(taken_by(moonpost.agent), fields_of "AgentFields")
    assert.same(taken_by(moonpost.node), fields_of "NodeFields")
    assert.same(taken_by(moonpost.hook), fields_of "HookFields")
    assert.same(taken_by(moonpost.client), fields_of "ClientFields")
  end)
end)

describe("the reference", function()
  it("is what the types say; otherwise run: make reference", function()
    local made = node.run({ "exec", "scripts/build/reference.lua" }, ".")
    assert.is_true(made == read "docs/reference.md", "docs/reference.md is old; run: make reference")
  end)
end)
