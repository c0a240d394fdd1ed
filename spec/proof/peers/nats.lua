--- nats-server: a JetStream stream of one replica in files, and messages that name their id.
local nats = { name = "NATS JetStream", program = "nats-server", package = "nats-server",
  setting = "file, R1, default flush, Nats-Msg-Id" }

local CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\n'
local STREAM = '{"name":"PROOF","subjects":["proof"],"storage":"file","num_replicas":1}'
local CONSUMER = '{"stream_name":"PROOF","config":{"deliver_subject":"found","ack_policy":"none","deliver_policy":"all"}}'

function nats.words(folder, port)
  return { "-a", "127.0.0.1", "-p", tostring(port), "-js", "-sd", folder }
end

-- The next message of a subject that begins so: its subject and payload.
local function message(connection, begins)
  while true do
    local line = connection:line()
    if line == "PING" then connection:say "PONG\r\n" end
    local kind, subject = line:match "^(H?MSG) (%S+)"
    if kind then
      local head, size = line:match "(%d+) (%d+)$"
      size = tonumber(size or line:match "(%d+)$")
      local bytes = connection:bytes(size)
      if subject:find(begins, 1, true) == 1 then
        return subject, kind == "HMSG" and bytes:sub(tonumber(head) + 1) or bytes
      end
    end
  end
end

local function ask(connection, subject, text)
  connection:say(("PUB %s asked.1 %d\r\n%s\r\n"):format(subject, #text, text))
  local _, answer = message(connection, "asked.")
  return answer
end

function nats.greet(connection)
  connection:say(CONNECT .. "SUB asked.* 1\r\nSUB ack.* 2\r\nSUB found 3\r\n")
  return pcall(function()
    local said = ask(connection, "$JS.API.STREAM.CREATE.PROOF", STREAM)
    assert(not said:find('"error"', 1, true) or said:find("already", 1, true), said)
  end)
end

function nats.put(id, body)
  local head = ("NATS/1.0\r\nNats-Msg-Id: %s\r\n\r\n"):format(id)
  local text = id .. " " .. body
  return ("HPUB proof ack.%s %d %d\r\n%s%s\r\n"):format(id, #head, #head + #text, head, text)
end

function nats.answers(connection, confirmed)
  while true do
    local line, after = connection.input:match "^([^\r]*)\r\n()"
    if not line then return end
    local id, size = line:match "^MSG ack%.(%S+) %S+ +(%d+)$"
    local behind = after
    if id then
      behind = after + tonumber(size) + 2
      if #connection.input < behind - 1 then return end
      local said = connection.input:sub(after, behind - 3)
      if not said:find('"error"', 1, true) then confirmed(id) else error(said, 0) end
    elseif line == "PING" then
      connection:say "PONG\r\n"
    end
    connection.input = connection.input:sub(behind)
  end
end

function nats.read(connection, found)
  local count = tonumber(ask(connection, "$JS.API.STREAM.INFO.PROOF", ""):match '"messages":(%d+)')
  if count == 0 then return end
  connection:say(("PUB $JS.API.CONSUMER.CREATE.PROOF created.1 %d\r\n%s\r\n"):format(#CONSUMER, CONSUMER))
  for _ = 1, count do
    local _, text = message(connection, "proof") -- it keeps its subject
    found(text:match "^(%S+) ")
  end
end

return nats
