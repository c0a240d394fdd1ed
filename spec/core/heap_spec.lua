local c = require "spec.support.c"
local core, ffi = c.core, c.ffi

describe("the heap of deadlines", function()
  local heap

  before_each(function() heap = ffi.new "struct heap" end)
  after_each(function() core.heap_deinit(heap) end)

  local function deadlines(times)
    local all = ffi.new("struct deadline[?]", #times)
    for n, at in ipairs(times) do core.heap_set(heap, all[n - 1], at) end
    return all
  end

  -- Take out the earliest until none is left; their positions in `all`, from 1.
  local function drain(all)
    local order = {}
    local first = core.heap_first(heap)
    while first ~= nil do
      order[#order + 1] = tonumber(first - all) + 1
      core.heap_clear(heap, first)
      first = core.heap_first(heap)
    end
    return order
  end

  it("has no first when it is empty", function()
    assert.is_true(core.heap_first(heap) == nil)
  end)

  it("gives the earliest first", function()
    assert.are.same({ 3, 1, 4, 2 }, drain(deadlines { 20, 40, 10, 30 }))
  end)

  it("gives equal ones in the order in which they were set", function()
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, drain(deadlines { 5, 5, 5, 5, 5, 5, 5, 5 }))
  end)

  it("counts a deadline that is set again as set last", function()
    local all = deadlines { 5, 5, 5 }
    core.heap_set(heap, all[0], 5)
    assert.are.same({ 2, 3, 1 }, drain(all))
  end)

  it("moves a deadline both ways", function()
    local all = deadlines { 10, 20, 30 }
    core.heap_set(heap, all[0], 40)
    core.heap_set(heap, all[2], 5)
    assert.are.same({ 3, 2, 1 }, drain(all))
  end)

  it("lets one be taken out twice", function()
    local all = deadlines { 10, 20 }
    core.heap_clear(heap, all[0])
    core.heap_clear(heap, all[0])
    assert.are.same({ 2 }, drain(all))
  end)

  it("stays in order through thousands of changes", function()
    math.randomseed(3)
    local count = 500
    local all, times = ffi.new("struct deadline[?]", count), {}
    for _ = 1, 10000 do
      local n = math.random(1, count)
      if math.random(1, 3) == 1 then
        core.heap_clear(heap, all[n - 1])
        times[n] = nil
      else
        times[n] = math.random(1, 1000)
        core.heap_set(heap, all[n - 1], times[n])
      end
    end
    local left = 0
    for _ in pairs(times) do left = left + 1 end
    local order, last = drain(all), 0
    assert.are.equal(left, #order)
    for _, n in ipairs(order) do
      assert.is_true(times[n] >= last)
      last = times[n]
    end
  end)
end)
