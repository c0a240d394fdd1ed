local c = require "spec.support.c"
local core, ffi, span = c.core, c.ffi, c.span

local NAMES = {}

describe("a lane", function()
  local lane

  setup(function()
    for _, name in ipairs { "UNKNOWN", "ACCEPTED", "STORED", "HANDLED", "DEAD", "EXPIRED" } do
      NAMES[tonumber(ffi.C["LANE_" .. name])] = name
    end
  end)
  before_each(function() lane = core.lane_new(span "origin", 7, span "a@x", 1) end)
  after_each(function() core.lane_free(lane) end)

  local function set(number, name) core.lane_set(lane, number, ffi.C["LANE_" .. name]) end
  local function level(number) return NAMES[tonumber(core.lane_level(lane, number))] end

  it("knows its origin and destination", function()
    assert.are.equal("origin", c.text(core.lane_origin(lane)))
    assert.are.equal("a@x", c.text(core.lane_destination(lane)))
  end)

  it("does not know a number that it has not seen", function()
    assert.are.equal("UNKNOWN", level(1))
    assert.are.equal("UNKNOWN", level(1000000))
  end)

  it("knows how far each number got, gaps included", function()
    set(1, "STORED")
    set(5, "ACCEPTED")
    assert.are.same({ "STORED", "UNKNOWN", "ACCEPTED", "UNKNOWN" }, { level(1), level(4), level(5), level(6) })
  end)

  it("never lets a level go back", function()
    set(1, "HANDLED")
    set(1, "ACCEPTED")
    set(1, "STORED")
    assert.are.equal("HANDLED", level(1))
  end)

  it("counts numbers below base as closed", function()
    core.lane_advance(lane, 10)
    assert.are.equal("HANDLED", level(9))
    assert.are.equal("UNKNOWN", level(10))
  end)

  it("keeps what is above base when that moves", function()
    for number = 1, 10 do set(number, "STORED") end
    set(7, "DEAD")
    core.lane_advance(lane, 6)
    assert.are.same({ "HANDLED", "STORED", "DEAD", "STORED", "UNKNOWN" }, { level(5), level(6), level(7), level(10), level(11) })
  end)

  it("does not move base back", function()
    core.lane_advance(lane, 10)
    core.lane_advance(lane, 3)
    assert.are.equal("10", (tostring(lane.base):gsub("ULL", "")))
  end)

  it("forgets the levels of numbers that its ring uses again", function()
    for number = 1, 64 do set(number, "HANDLED") end
    core.lane_advance(lane, 65)
    for number = 65, 128 do assert.are.equal("UNKNOWN", level(number)) end
    set(128, "STORED")
    assert.are.equal("UNKNOWN", level(127))
    assert.are.equal("STORED", level(128))
  end)

  it("keeps neighbours of one level as one run, however many they are", function()
    for number = 1, 10000 do set(number, "HANDLED") end
    assert.are.equal(1, tonumber(lane.run_count))
    set(5000, "DEAD")
    assert.are.equal(3, tonumber(lane.run_count))
  end)

  it("costs no more for a number far ahead than for the next one", function()
    set(1, "STORED")
    core.lane_set(lane, 0xfffffffffffffff0ULL, ffi.C.LANE_STORED)
    assert.are.equal(3, tonumber(lane.run_count))
    assert.are.same({ "STORED", "UNKNOWN" }, { level(1), level(2) })
  end)

  it("has no room for another number when its runs are too many", function()
    for number = 1, 65532, 2 do set(number, "STORED") end
    assert.is_true(core.lane_has_room(lane))
    for number = 65533, 65541, 2 do set(number, "STORED") end
    assert.is_false(core.lane_has_room(lane))
  end)

  it("says the same as a plain table, whatever happens to it", function()
    math.randomseed(11)
    local plain, base = {}, 1
    for _ = 1, 20000 do
      local number, name = base + math.random(0, 60), math.random(1, 5)
      if math.random(10) == 1 then
        base = base + math.random(0, 20)
        core.lane_advance(lane, base)
      else
        core.lane_set(lane, number, name)
        if number >= base then plain[number] = math.max(plain[number] or 0, name) end
      end
      assert.are.equal(number < base and 3 or plain[number] or 0, tonumber(core.lane_level(lane, number)))
    end
    local open = 0
    for number, name in pairs(plain) do if number >= base and (name == 1 or name == 2) then open = open + 1 end end
    assert.are.equal(open, tonumber(lane.open))
  end)

  it("is closed when every number that it has accepted has come to an end", function()
    assert.is_true(core.lane_is_closed(lane))
    set(1, "ACCEPTED")
    set(2, "HANDLED")
    set(3, "DEAD")
    set(4, "EXPIRED")
    assert.is_false(core.lane_is_closed(lane))
    set(1, "HANDLED")
    assert.is_true(core.lane_is_closed(lane))
  end)

  it("survives a base from another world", function()
    set(3, "STORED")
    core.lane_advance(lane, 0xffffffffffffffffULL)
    assert.are.equal("HANDLED", level(3))
    assert.is_true(core.lane_is_closed(lane))
  end)
end)
