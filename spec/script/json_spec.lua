local moonpost = require "moonpost"

local json = moonpost.json

-- Jansson reads a text that has a code point in digits anywhere: the same text read the other way.
local function read_slowly(text)
  local pair, reason = json.decode("[" .. text .. ', "\\u0041"]')
  if pair then return pair[1] end
  return nil, reason
end

local GOOD = {
  ['{"name":"Ada","n":[1,2,{"deep":true}]}'] = { name = "Ada", n = { 1, 2, { deep = true } } },
  [' [ 1 , -2.5 , 1e3 , 0 ] '] = { 1, -2.5, 1000, 0 },
  ['"a\\n\\"b\\\\\\/\\t"'] = 'a\n"b\\/\t',
  ['"\\u00fc and \195\188"'] = "ü and ü",
  ["[9007199254740992]"] = { 2 ^ 53 },
  ['{"a":null,"b":1}'] = { b = 1 },
  ["[null]"] = { moonpost.null },
  ["{}"] = {},
  ["false"] = false,
}

local BAD = {
  "", "[1,]", '{"a":1,}', "01", "1.", ".5", "-", "+1", "nul", "[1", '{"a"}', '"open', '"\\q"', '"a\tb"', '"\195"',
  '"\237\160\128"', '{"a":1,"a":2}', '{"a":null,"a":2}', "1e400", "9007199254740993", "[1] 2", "NaN",
}

describe("a JSON text", function()
  for text, value in pairs(GOOD) do
    it("is read as what it says: " .. text, function()
      assert.same(value, (json.decode(text)))
      assert.same(value, (read_slowly(text)))
    end)
  end

  for _, text in ipairs(BAD) do
    it("is refused with a reason: " .. text, function()
      local value, reason, code = json.decode(text)
      assert.is_nil(value)
      assert.is_string(reason)
      assert.equal("BAD_JSON", code)
    end)
  end

  it("keeps lists apart from maps", function()
    assert.equal('{"list":[],"map":{}}', json.encode((json.decode '{"list":[],"map":{}}')))
  end)

  it("has whole numbers in full and others as short as they can be", function()
    assert.equal("[0,-1,9007199254740992,-9007199254740992,0.1,-2.5]",
      json.encode { 0, -1, 2 ^ 53, -2 ^ 53, 0.1, -2.5 })
  end)

  it("is refused when its tables are nested too deeply", function()
    assert.truthy((json.decode(("["):rep(64) .. ("]"):rep(64))))
    local _, reason = json.decode(("["):rep(65) .. ("]"):rep(65))
    assert.equal("tables nested too deeply", reason)
  end)
end)
