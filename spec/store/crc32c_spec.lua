local c = require "spec.support.c"
local bit = require "bit"

-- RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
local function ascending(first, step)
  local bytes = {}
  for n = 0, 31 do bytes[n + 1] = string.char(first + step * n) end
  return table.concat(bytes)
end

local VECTORS = {
  { "", "00000000" },
  { "123456789", "e3069283" },
  { ("\0"):rep(32), "8a9136aa" },
  { ("\255"):rep(32), "62a8ab43" },
  { ascending(0, 1), "46dd794e" },
  { ascending(31, -1), "113fdb5c" },
}

for _, how in ipairs { "crc32c", "crc32c_table" } do
  describe(how, function()
    local sum = c.store[how]

    it("gives the published sums", function()
      for _, vector in ipairs(VECTORS) do
        assert.equal(vector[2], bit.tohex(sum(0, vector[1], #vector[1])))
      end
    end)

    it("goes on from the sum of what came before", function()
      for cut = 0, 9 do
        local head, rest = ("123456789"):sub(1, cut), ("123456789"):sub(cut + 1)
        assert.equal("e3069283", bit.tohex(sum(sum(0, head, #head), rest, #rest)))
      end
    end)
  end)
end
