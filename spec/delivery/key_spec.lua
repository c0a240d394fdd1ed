local delivery = require "spec.support.delivery"

-- The keys that the handlers of these bodies see.
local function keys(bodies, key, options)
  local world, seen = delivery.chain(), {}
  delivery.agent(world, function(ctx) seen[#seen + 1] = ctx.key or "none" end, { key = key })
  for _, body in ipairs(bodies) do delivery.send(world, body, options) end
  world:settle()
  return seen
end

describe("the key of a message", function()
  it("is the sender's when the agent has no word in it", function()
    assert.same({ "k" }, keys({ { user = "ada" } }, nil, { key = "k" }))
  end)

  it("is what the agent's key function makes of the message", function()
    assert.same({ "ada", "bob" },
      keys({ { user = "ada" }, { user = "bob" } }, function(msg) return msg.body.user end, { key = "k" }))
  end)

  it("is the sender's when that function fails, or says what is no key", function()
    assert.same({ "k" }, keys({ "x" }, function() error "broken" end, { key = "k" }))
    assert.same({ "k" }, keys({ "x" }, function() return 5 end, { key = "k" }))
  end)
end)
