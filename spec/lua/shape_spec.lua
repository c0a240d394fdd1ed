require "spec.support.fake_runtime"
local shape = require "moonpost.shape"

local function reason_of(fields, given)
  local taken, reason, code = shape.read(fields, given)
  assert.is_nil(taken)
  return reason, code
end

describe("a shape", function()
  local fields = {
    size = { read = shape.whole(1, 10), default = 3 },
    name = { read = shape.string(5), required = true },
    inner = { read = shape.table { depth = { read = shape.number(0, 1) } } },
    later = { not_yet = true },
    never = { refused = "only on Sundays" },
    secret = { read = shape.boolean, hidden = true },
  }

  it("answers a new table with its defaults", function()
    local given = { name = "a" }
    local taken = shape.read(fields, given)
    assert.same({ name = "a", size = 3 }, taken)
    assert.are_not.equal(given, taken)
  end)

  it("refuses an unknown key and names the nearest", function()
    assert.equal('.nmae: unknown key; did you mean "name"?', (reason_of(fields, { nmae = "a" })))
  end)

  it("names the unknown key alone when nothing is near", function()
    assert.equal(".colour: unknown key", (reason_of(fields, { colour = 1 })))
    assert.equal("[1]: unknown key", (reason_of(fields, { "a" })))
    assert.equal('["a b"]: unknown key', (reason_of(fields, { ["a b"] = 1 })))
  end)

  it("does not suggest hidden and refused names", function()
    assert.equal(".secre: unknown key", (reason_of(fields, { name = "a", secre = true })))
    assert.equal(".nevr: unknown key", (reason_of(fields, { name = "a", nevr = true })))
  end)

  it("names what is missing", function()
    assert.equal(".name: required", (reason_of(fields, {})))
  end)

  it("gives the path of what is wrong deeper down", function()
    assert.equal(".inner.depth: expected a number from 0 to 1, got 2", (reason_of(fields, { name = "a", inner = { depth = 2 } })))
    assert.equal('.inner.dept: unknown key; did you mean "depth"?', (reason_of(fields, { name = "a", inner = { dept = 2 } })))
  end)

  it("refuses what is not there yet with a code", function()
    local reason, code = reason_of(fields, { name = "a", later = 1 })
    assert.equal(".later: not yet in this version", reason)
    assert.equal("UNSUPPORTED", code)
  end)

  it("says why a field cannot be used here", function()
    assert.equal(".never: only on Sundays", (reason_of(fields, { name = "a", never = 1 })))
  end)

  it("keeps false", function()
    assert.is_false(shape.read(fields, { name = "a", secret = false }).secret)
  end)

  it("wants a table", function()
    assert.equal('expected a table, got "a"', (reason_of(fields, "a")))
  end)
end)

describe("a reader", function()
  local function says(read, value)
    return select(2, read(value))
  end

  it("of strings wants some bytes, not too many, and no control characters", function()
    assert.equal("expected a string, got 1", says(shape.string(5), 1))
    assert.equal("is empty", says(shape.string(5), ""))
    assert.equal("has 6 bytes; at most 5", says(shape.string(5), "abcdef"))
    assert.equal('"a\\010b" has control characters', says(shape.string(5), "a\nb"))
  end)

  it("of whole numbers names its bounds", function()
    assert.equal("expected a whole number from 1 to 1024, got 0", says(shape.whole(1, 1024), 0))
    assert.equal("expected a whole number from 1 to 1024, got 1.5", says(shape.whole(1, 1024), 1.5))
    assert.equal("expected a whole number from 1 on, got 0", says(shape.whole(1, math.huge), 0))
    assert.equal(math.huge, shape.whole(1, math.huge)(math.huge))
  end)

  it("of functions and booleans says what it got", function()
    assert.equal("expected a function, got a table", says(shape.func, {}))
    assert.equal('expected a boolean, got "yes"', says(shape.boolean, "yes"))
  end)

  it("of words names all, and the nearest", function()
    local read = shape.choice { text = true, json = true, binary = false }
    assert.equal("json", read("json"))
    assert.equal('expected "json", "text", got "jsno"; did you mean "json"?', says(read, "jsno"))
    assert.equal('expected "json", "text", got 7', says(read, 7))
  end)

  it("of words refuses those that are not there yet", function()
    local _, reason, code = shape.choice { binary = false } "binary"
    assert.equal('"binary": not yet in this version', reason)
    assert.equal("UNSUPPORTED", code)
  end)

  it("of lists names the item", function()
    local read = shape.list(shape.whole(1, 9), 2)
    assert.same({ 1, 2 }, read { 1, 2 })
    assert.equal("[2]: expected a whole number from 1 to 9, got 0", says(read, { 1, 0 }))
    assert.equal("has 3 items; at most 2", says(read, { 1, 2, 3 }))
    assert.equal('expected a list, got a table with the key "to"', says(read, { to = 1 }))
    assert.equal('expected a list, got "a"', says(read, "a"))
  end)
end)
