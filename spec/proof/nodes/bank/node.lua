-- One of two nodes with accounts; the western one is linked to the eastern one.
local moonpost = require "moonpost"

local town, link = os.getenv "BANK_TOWN", os.getenv "BANK_LINK"

return moonpost.node {
  name = town,
  listen = town == "east" and { link } or {},
  links = town == "west" and { { to = link, first = "20ms", factor = 1.5, cap = "200ms" } } or {},
  agents = { "accounts.lua" },
}
