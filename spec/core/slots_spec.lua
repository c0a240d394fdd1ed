local c = require "spec.support.c"
local core, ffi = c.core, c.ffi

describe("a handle", function()
  local slots

  before_each(function() slots = ffi.new "struct slots" end)
  after_each(function() core.slots_deinit(slots) end)

  local function item(number) return ffi.cast("void *", number) end

  local function get(handle)
    local found = core.slots_get(slots, handle)
    return found ~= nil and tonumber(ffi.cast("uintptr_t", found)) or nil
  end

  it("leads to its item", function()
    local one, two = core.slots_add(slots, item(1)), core.slots_add(slots, item(2))
    assert.are.same({ 1, 2 }, { get(one), get(two) })
  end)

  it("is never 0, and 0 leads nowhere", function()
    assert.is_true(core.slots_add(slots, item(1)) ~= 0)
    assert.is_nil(get(0))
  end)

  it("is stale once it was removed, also when its place is used again", function()
    local one = core.slots_add(slots, item(1))
    core.slots_remove(slots, one)
    assert.is_nil(get(one))
    local two = core.slots_add(slots, item(2))
    assert.is_nil(get(one))
    assert.are.equal(2, get(two))
  end)

  it("can be removed twice without harm to its successor", function()
    local one = core.slots_add(slots, item(1))
    core.slots_remove(slots, one)
    local two = core.slots_add(slots, item(2))
    core.slots_remove(slots, one)
    assert.are.equal(2, get(two))
  end)

  it("of somebody else's making leads nowhere", function()
    core.slots_add(slots, item(1))
    assert.is_nil(get(0xffffffffffffffffULL))
    core.slots_remove(slots, 0xffffffffffffffffULL)
  end)

  it("uses places again, so that thousands of short lives need few", function()
    for n = 1, 10000 do core.slots_remove(slots, core.slots_add(slots, item(n))) end
    assert.is_true(tonumber(slots.count) <= 1)
  end)
end)
