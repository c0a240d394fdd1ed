-- What the fuzzers found, and what they reach, is played again without them. Each file of a corpus is an input; its
-- name says what had gone wrong, if anything had.
local node = require "spec.support.node"
local shell = require "spec.support.shell"

local FUZZERS = { "frame", "recover", "engine", "json", "words" }

local function driver(name)
  return (node.executable():gsub("bin/[^/]*$", "fuzz/" .. name))
end

describe("the corpus of the fuzzer", function()
  for _, name in ipairs(FUZZERS) do
    it(name .. " does no harm", function()
      local there = shell.must("find spec/fuzz/corpus/" .. name .. " -type f | wc -l", ".")
      local output, code = shell.run(("%s spec/fuzz/corpus/%s"):format(shell.quoted(driver(name)), name), ".")
      assert.equal(0, code, output:sub(-2000))
      assert.equal(tonumber(there), tonumber(output:match "(%d+) played\n$"))
      assert.is_true(tonumber(there) > 0)
    end)
  end
end)
