--- A client of the node that a command speaks to.
local client = require "moonpost.client"
local shell = require "moonpost.shell"

local USAGE, UNREACHED, REFUSED = 2, 3, 4

local NO_NODE = [[no node at %s: %s
start one with: moonpost run
or name another with --node or MOONPOST_NODE]]

local NO_ADDRESS = [[--node: %s
expected the path of a node's socket (data/moonpost.sock), the folder of its project, or tcp://HOST:PORT%s]]

-- HOST:PORT lacks only its scheme.
local function expected(named, why)
  local bare = named and named:find("^[^/:]+:%d+$")
  return NO_ADDRESS:format(why, bare and ('; did you mean "tcp://%s"?'):format(named) or "")
end

--- Connect.
---@param named string|nil the flag --node; else MOONPOST_NODE, else data/moonpost.sock
---@return moonpost.Client|nil
---@return string|nil reason
---@return integer|nil exit code
return function(named)
  local address, wrong = shell.node(named)
  if not address then return nil, expected(named or shell.variable "NODE", wrong), USAGE end
  local link, why, code = client.open { link = address, profile = shell.variable "PROFILE" }
  if link then return link end
  if code == "UNREACHABLE" or code == nil then return nil, NO_NODE:format(address, why), UNREACHED end
  return nil, ("%s: %s"):format(code, why), REFUSED
end
