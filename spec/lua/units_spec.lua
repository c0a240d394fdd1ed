local units = require "moonpost.units"

describe("a duration", function()
  it("is a number of seconds as it is", function()
    assert.equal(2.5, units.duration(2.5))
    assert.equal(math.huge, units.duration(math.huge))
  end)

  it("is one number and one unit", function()
    assert.equal(0.25, units.duration("250ms"))
    assert.equal(5, units.duration("5s"))
    assert.equal(120, units.duration("2m"))
    assert.equal(86400, units.duration("24h"))
    assert.equal(604800, units.duration("7d"))
    assert.equal(5400, units.duration("1.5h"))
  end)

  for _, bad in ipairs { "5", "5x", "s", "", "1h30m", "-5s", " 5s", "5 s" } do
    it(('is not "%s"'):format(bad), function()
      local _, reason = units.duration(bad)
      assert.equal(('"%s" is not a duration; write seconds, or "250ms", "5s", "2m", "24h", "7d"'):format(bad), reason)
    end)
  end

  it("is not negative, and not NaN", function()
    assert.equal("-1 is negative", select(2, units.duration(-1)))
    assert.matches("is not a duration", select(2, units.duration(0 / 0)))
  end)

  it("of a timeout is above 0", function()
    assert.equal('"0s" is no time at all', select(2, units.timeout("0s")))
  end)

  it("of a delay is not for ever", function()
    assert.equal("for ever is too long", select(2, units.finite_duration(math.huge)))
  end)
end)

describe("a moment", function()
  it("is a number of epoch seconds as it is", function()
    assert.equal(1767225600.5, units.moment(1767225600.5))
  end)

  it("is ISO 8601 with an offset", function()
    assert.equal(0, units.moment("1970-01-01T00:00:00Z"))
    assert.equal(1767225600, units.moment("2026-01-01T00:00:00Z"))
    assert.equal(1767225600, units.moment("2026-01-01T02:00+02:00"))
    assert.equal(1767225600, units.moment("2025-12-31T18:30:00-0530"))
    assert.equal(1709164800.25, units.moment("2024-02-29T00:00:00.25Z"))
    assert.equal(951868800, units.moment("2000-03-01T00:00:00Z"))
  end)

  it("needs an offset", function()
    assert.equal('"2026-01-01T00:00:00" has no offset; end it with "Z" or "+02:00"',
      select(2, units.moment("2026-01-01T00:00:00")))
  end)

  it("exists in the calendar", function()
    for _, text in ipairs {
      "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
      "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+2",
    } do
      assert.equal(('"%s" is no date and time of the calendar'):format(text), select(2, units.moment(text)))
    end
  end)

  it("is not any other text", function()
    assert.equal('"tomorrow" is not a moment; write epoch seconds, or "2026-01-31T09:00:00Z"',
      select(2, units.moment("tomorrow")))
  end)
end)

describe("a duration or moment", function()
  it("counts from now", function()
    assert.equal(600, units.remaining("10m", 1767225600))
    assert.equal(60, units.remaining("2026-01-01T00:01:00Z", 1767225600))
    assert.equal(60, units.remaining(60, 1767225600))
    assert.equal(60, units.remaining(1767225660, 1767225600))
  end)

  it("is over at 0", function()
    assert.equal(0, units.remaining("2025-01-01T00:00:00Z", 1767225600))
  end)

  it("may be for ever", function()
    assert.equal(math.huge, units.remaining(math.huge, 1767225600))
  end)

  it("says what it can be", function()
    assert.equal('"later" is neither a duration ("10m") nor a moment ("2026-01-31T09:00:00Z")',
      select(2, units.remaining("later", 0)))
  end)
end)

describe("a size", function()
  it("is bytes, or a number with K, M or G", function()
    assert.equal(100, units.size(100))
    assert.equal(100, units.size("100"))
    assert.equal(65536, units.size("64K"))
    assert.equal(268435456, units.size("256M"))
    assert.equal(1073741824, units.size("1G"))
  end)

  it("is nothing else", function()
    assert.equal('"64KB" is not a size; write bytes, or "64K", "256M", "1G"', select(2, units.size("64KB")))
    assert.equal('1.5 is not a size; write bytes, or "64K", "256M", "1G"', select(2, units.size(1.5)))
  end)
end)

-- A size had been infinite when its number was, and not exact from 2^53 on.
describe("a size and a rate", function()
  it("are no numbers beyond all counting", function()
    assert.equal(2 ^ 53 - 2 ^ 30, units.size("8388607G"))
    assert.matches("is not a size", select(2, units.size("8388608G")))
    assert.matches("is not a size", select(2, units.size(("9"):rep(400))))
    assert.matches("is not a rate", select(2, units.rate(("9"):rep(400) .. "/s")))
  end)
end)

describe("a rate", function()
  it("is a number for each second, minute, hour or day", function()
    assert.equal(10, units.rate("10/s"))
    assert.equal(2, units.rate("120/m"))
    assert.equal(1, units.rate("3600/h"))
    assert.equal(1 / 86400, units.rate("1/d"))
  end)

  it("is nothing else", function()
    assert.equal('"100" is not a rate; write "10/s", "100/m", "1000/h" or "1/d"', select(2, units.rate("100")))
    assert.matches("is not a rate", select(2, units.rate("0/s")))
  end)
end)
