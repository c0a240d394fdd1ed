-- One of two towns. Each keeps the accounts of its own people; the second one is linked to the first.
local moonpost = require "moonpost"

local town = os.getenv "BANK_TOWN" or "east"

return moonpost.node {
  name = town,
  listen = town == "east" and { os.getenv "BANK_LINK" or "tcp://127.0.0.1:7073" } or {},
  links = town == "west" and {
    { to = os.getenv "BANK_LINK" or "tcp://127.0.0.1:7073", first = "20ms", factor = 1.5, cap = "200ms" },
  } or {},
  store = { path = "data-" .. town },
  agents = { "agents/accounts.lua" },
}
