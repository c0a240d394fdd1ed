--- A relay between two sockets, as a process of its own: killing it cuts all its links, in the middle of a frame
--- when it comes to that, and stopping it is a network that has gone quiet.
local posix = require "proof.posix"

local relay = {}

local function close_pair(pairs_of, side)
  posix.close(side.fd)
  posix.close(side.other.fd)
  pairs_of[side], pairs_of[side.other] = nil, nil
end

local function join(sides, near, target)
  local far = posix.connect(target)
  if not far then
    posix.close(near)
    return
  end
  local a, b = { fd = near, left = "" }, { fd = far, left = "" }
  a.other, b.other = b, a
  sides[a], sides[b] = true, true
end

-- `left` is what this side has still to be sent.
local function flush(sides, side)
  local sent = posix.send(side.fd, side.left)
  if not sent then return close_pair(sides, side) end
  side.left = side.left:sub(sent + 1)
end

local function take(sides, side)
  local bytes = posix.receive(side.fd)
  if not bytes then return close_pair(sides, side) end
  side.other.left = side.other.left .. bytes
  flush(sides, side.other)
end

local function files_of(door, sides)
  local files, order = { { door, posix.READ } }, { false }
  for side in pairs(sides) do
    local wants = (side.other.left == "" and posix.READ or 0) + (side.left ~= "" and posix.WRITE or 0)
    files[#files + 1], order[#order + 1] = { side.fd, wants }, side
  end
  return files, order
end

local function turn(door, target, sides)
  local files, order = files_of(door, sides)
  for index in pairs(posix.poll(files, 60)) do
    local side = order[index]
    if not side then
      local near = posix.accept(door)
      if near then join(sides, near, target) end
    else
      if sides[side] and side.left ~= "" then flush(sides, side) end
      if sides[side] and side.other.left == "" then take(sides, side) end
    end
  end
end

--- Start one; answers its process id. It takes connections at once.
function relay.start(at, target)
  local door = assert(posix.listen(at), at)
  local pid = posix.fork(door, function()
    local sides = {}
    while true do turn(door, target, sides) end
  end)
  posix.close(door)
  return pid
end

return relay
