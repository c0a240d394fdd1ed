--- A client of the node that a command speaks to.
local client = require "moonpost.client"
local shell = require "moonpost.shell"

local UNREACHED, REFUSED = 3, 4

local NO_NODE = [[no node at %s: %s
start one with: moonpost run
or name another with --node or MOONPOST_NODE]]

--- Connect.
---@param named string|nil the flag --node; else MOONPOST_NODE, else data/moonpost.sock
---@return moonpost.Client|nil
---@return string|nil reason
---@return integer|nil exit code
return function(named)
  local address = shell.node(named)
  local link, why, code = client.open { link = address, profile = os.getenv("MOONPOST_PROFILE") }
  if link then return link end
  if code == "UNREACHABLE" or code == nil then return nil, NO_NODE:format(address, why), UNREACHED end
  return nil, ("%s: %s"):format(code, why), REFUSED
end
