-- Whole processes: what one run says, another says, too.
local function said(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("a process of worlds", function()
  it("has the same trace for the same seeds as another process", function()
    local command = "build/sim spec/sim/random.lua --seeds 20 --from 100"
    local first = said(command)
    assert.truthy(first:find("^20 worlds, %d+ deliveries, every promise kept; last trace %x+\n$"), first)
    assert.equal(first, said(command))
  end)

  it("walks through tables in the same order as another, whatever their keys are", function()
    local file = os.tmpname()
    local out = assert(io.open(file, "w"))
    out:write [[
      local keys, order = {}, {}
      for n = 1, 30 do keys["key " .. n * 7919] = true end
      for n = 1, 30 do keys[n % 2 == 0 and {} or function() return n end] = n end
      for key, value in pairs(keys) do order[#order + 1] = type(key) == "string" and key or value end
      for _, value in ipairs(order) do print(value) end
    ]]
    out:close()
    local first = said("build/sim " .. file)
    assert.truthy(first:find "key 7919")
    assert.equal(first, said("build/sim " .. file))
    os.remove(file)
  end)
end)
