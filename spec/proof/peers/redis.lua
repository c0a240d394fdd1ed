--- Redis streams with an append-only file. Answers a system for a setting of appendfsync.
local function bulk(text) return ("$%d\r\n%s\r\n"):format(#text, text) end

local function command(...)
  local parts = { ("*%d\r\n"):format(select("#", ...)) }
  for _, word in ipairs { ... } do parts[#parts + 1] = bulk(word) end
  return table.concat(parts)
end

-- An answer of any kind, as Lua has it.
local function answer(connection)
  local line = connection:line()
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "$" then return tonumber(rest) >= 0 and connection:bytes(tonumber(rest)) or nil end
  if kind == "-" then error(rest, 0) end
  if kind ~= "*" then return rest end
  local list = {}
  for n = 1, tonumber(rest) do list[n] = answer(connection) end
  return list
end

return function(fsync)
  local redis = { name = "Redis streams", program = "redis-server", package = "redis-server",
    setting = "appendonly yes, appendfsync " .. fsync }

  function redis.words(folder, port)
    return { "--bind", "127.0.0.1", "--port", tostring(port), "--dir", folder, "--save", "", "--appendonly", "yes",
      "--appendfsync", fsync }
  end

  function redis.greet(connection)
    connection:say(command "PING")
    return pcall(answer, connection) -- not yet while it loads
  end

  function redis.put(id, body) return command("XADD", "proof", "*", "id", id, "body", body) end

  function redis.answers(connection, confirmed)
    local at = 1
    for size, text, after in connection.input:gmatch "%$(%d+)\r\n([^\r]*)\r\n()" do
      assert(tonumber(size) == #text)
      confirmed(nil)
      at = after
    end
    if connection.input:sub(at, at) == "-" then error(connection.input, 0) end
    connection.input = connection.input:sub(at)
  end

  function redis.read(connection, found)
    local from = "-"
    repeat
      connection:say(command("XRANGE", "proof", from, "+", "COUNT", "500"))
      local page = answer(connection)
      for _, entry in ipairs(page) do
        found(entry[2][2])
        from = "(" .. entry[1]
      end
    until #page == 0
  end

  return redis
end
