local nearest = require "moonpost.nearest"

local function names(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

describe("the nearest name", function()
  it("is found for a letter left out", function()
    assert.equal("attempts", nearest.find("atempts", names "attempts first factor"))
  end)

  it("is found for two letters swapped", function()
    assert.equal("agent", nearest.find("agnet", names "agent node hook"))
  end)

  it("is found when only the case differs", function()
    assert.equal("timeout", nearest.find("timeOut", names "timeout budget"))
  end)

  it("is found for a word cut short, or with something behind it", function()
    assert.equal("timeout", nearest.find("time", names "timeout budget"))
    assert.equal("warn", nearest.find("warning", names "warn error"))
  end)

  it("is nil when nothing is near", function()
    assert.is_nil(nearest.find("colour", names "address timeout"))
  end)

  it("is nil for a single letter", function()
    assert.is_nil(nearest.find("x", names "y z"))
  end)

  it("is the first in the alphabet of two equally near", function()
    assert.equal("bat", nearest.find("hat", names "cat bat"))
  end)

  it("is nil for a very long word", function()
    assert.is_nil(nearest.find(("a"):rep(1000), names "aaa"))
  end)

  it("makes the end of a sentence", function()
    assert.equal('; did you mean "attempts"?', nearest.hint("atempts", names "attempts"))
    assert.equal("", nearest.hint("colour", names "attempts"))
  end)
end)
