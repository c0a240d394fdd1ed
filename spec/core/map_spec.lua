local c = require "spec.support.c"
local core, ffi, span = c.core, c.ffi, c.span

describe("the map of bytes", function()
  local map, spans

  before_each(function()
    map, spans = ffi.new "struct map", {}
    map.seed = 42
  end)
  after_each(function() core.map_deinit(map) end)

  -- Keys are borrowed: the spec keeps them.
  local function add(key, value)
    spans[key] = span(key)
    core.map_add(map, spans[key], ffi.cast("void *", value))
  end

  local function find(key)
    local value = core.map_find(map, span(key))
    return value ~= nil and tonumber(ffi.cast("uintptr_t", value)) or nil
  end

  local function remove(key)
    local value = core.map_remove(map, span(key))
    return value ~= nil and tonumber(ffi.cast("uintptr_t", value)) or nil
  end

  it("finds nothing when it is empty", function()
    assert.is_nil(find "a")
    assert.is_nil(remove "a")
  end)

  it("finds what was added", function()
    add("a", 1)
    add("b", 2)
    assert.are.same({ 1, 2 }, { find "a", find "b" })
    assert.is_nil(find "ab")
  end)

  it("tells keys apart that differ in a zero byte or in their length", function()
    add("a", 1)
    add("a\0", 2)
    add("", 3)
    assert.are.same({ 1, 2, 3 }, { find "a", find "a\0", find "" })
  end)

  it("answers what it removes, and finds it no more", function()
    add("a", 1)
    assert.are.equal(1, remove "a")
    assert.is_nil(find "a")
    assert.are.equal(0, tonumber(map.count))
  end)

  it("is right through thousands of changes", function()
    math.randomseed(5)
    local model, count = {}, 0
    for step = 1, 20000 do
      local key = "key " .. math.random(1, 600)
      if model[key] then
        assert.are.equal(model[key], remove(key))
        model[key], count = nil, count - 1
      else
        assert.is_nil(find(key))
        add(key, step)
        model[key], count = step, count + 1
      end
    end
    assert.are.equal(count, tonumber(map.count))
    for key, value in pairs(model) do assert.are.equal(value, find(key)) end
  end)
end)
