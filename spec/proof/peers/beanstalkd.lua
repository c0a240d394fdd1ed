--- beanstalkd with a binary log that is flushed before each answer.
local beanstalkd = { name = "beanstalkd", program = "beanstalkd", package = "beanstalkd", setting = "-b, -f0" }

function beanstalkd.words(folder, port)
  return { "-l", "127.0.0.1", "-p", tostring(port), "-b", folder, "-f0" }
end

function beanstalkd.greet() return true end

function beanstalkd.put(id, body) return ("put 1 0 60 %d\r\n%s\r\n"):format(#body + #id + 1, id .. " " .. body) end

--- Takes whole answers from the connection's input; calls `confirmed` with nil: the oldest that was put.
function beanstalkd.answers(connection, confirmed)
  local at = 1
  for line, after in connection.input:gmatch "([^\r\n]*)\r\n()" do
    if line:find "^INSERTED" then confirmed(nil) else error(line, 0) end
    at = after
  end
  connection.input = connection.input:sub(at)
end

--- Calls `found` with each id that is there.
function beanstalkd.read(connection, found)
  while true do
    connection:say "reserve-with-timeout 0\r\n"
    local id, size = connection:line():match "^RESERVED (%d+) (%d+)"
    if not id then return end
    found(connection:bytes(tonumber(size)):match "^(%S+) ")
    connection:say(("delete %s\r\n"):format(id))
    connection:line()
  end
end

return beanstalkd
