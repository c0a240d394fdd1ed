--- The same ledger for Moonpost and its peers: a producer with 64 messages under way notes what the server confirms, the
--- server is killed without warning and started again, the producer sends again what was not confirmed, and everything
--- that is there is read. Run by `make crash PEERS=1`, which writes docs/comparison.md.
local draw = require "proof.draw"
local posix = require "proof.posix"
local talk = require "proof.peers.talk"

local WINDOW, BODY, UP_WITHIN, KILLS = 64, ("."):rep(112), 10, 10
local PAPER = "docs/comparison.md"

local SYSTEMS = {
  require "proof.peers.moonpost"("\"none\"", "none"), require "proof.peers.moonpost"("{ ttl = \"24h\" }", "by id"),
  require "proof.peers.beanstalkd", require "proof.peers.redis" "always", require "proof.peers.redis" "everysec",
  require "proof.peers.nats",
}

local peers = {}

-- ---- servers ----

local function path_of(program)
  local pipe = assert(io.popen("command -v " .. program))
  local path = pipe:read "*l"
  pipe:close()
  return path
end

local function free_port(random)
  while true do
    local port = 20000 + random:upto(10000)
    local fd = posix.listen(port)
    if fd then
      posix.close(fd)
      return port
    end
  end
end

-- How it is started, and where it listens then.
local function prepare(system, folder, random, executable)
  if system.prepare then return system.prepare(folder, executable) end
  local port = free_port(random)
  return { args = { system.path, unpack(system.words(folder, port)) }, cwd = folder, output = folder .. "/log" }, port
end

local function start(server)
  server.pid = posix.start(server.options)
end

local function connect(server)
  local deadline = posix.now() + UP_WITHIN
  while posix.now() < deadline do
    local connection = talk.connect(server.where)
    if connection and server.system.greet(connection) then return connection end
    if connection then connection:close() end
    posix.poll({}, 0.01)
  end
  error(("%s does not come up; see %s/log"):format(server.system.name, server.folder), 0)
end

-- ---- a producer ----

local function put(load, connection, id)
  load.open[id] = true
  load.order[#load.order + 1] = id
  connection:say(load.system.put(id, BODY))
end

local function confirm(load, id)
  if id == nil then
    load.oldest = load.oldest + 1
    id = load.order[load.oldest]
  end
  if not load.open[id] then return end
  load.open[id], load.confirmed[id] = nil, true
  load.under_way, load.count = load.under_way - 1, load.count + 1
end

local function fill(load, connection)
  while load.under_way < WINDOW do
    load.last, load.under_way = load.last + 1, load.under_way + 1
    put(load, connection, "m" .. load.last)
  end
end

-- It ends with as many under way as may be.
local function produce(load, connection, seconds)
  local till = posix.now() + seconds
  while posix.now() < till do
    fill(load, connection)
    connection:turn(0.01)
    load.system.answers(connection, function(id) confirm(load, id) end)
  end
  fill(load, connection)
  connection:turn(0)
end

-- As a producer does that keeps what is not confirmed.
local function produce_again(load, connection)
  local again = {}
  for number = 1, load.last do
    if load.open["m" .. number] then again[#again + 1] = "m" .. number end
  end
  load.order, load.oldest = {}, 0
  for _, id in ipairs(again) do put(load, connection, id) end
  local deadline = posix.now() + UP_WITHIN
  while load.under_way > 0 do
    assert(connection:turn(0.1) and posix.now() < deadline, "what was sent again is not confirmed")
    load.system.answers(connection, function(id) confirm(load, id) end)
  end
  return #again
end

-- ---- one kill ----

local function count(load, found)
  local lost, twice = {}, 0
  for id in pairs(load.confirmed) do
    if not found[id] then lost[#lost + 1] = id end
  end
  for _, times in pairs(found) do
    if times > 1 then twice = twice + 1 end
  end
  table.sort(lost)
  return lost, twice
end

local function one_kill(system, random, executable)
  local folder = posix.temporary_folder()
  local options, where = prepare(system, folder, random, executable)
  local server = { system = system, folder = folder, options = options, where = where }
  local load = { system = system, open = {}, order = {}, oldest = 0, confirmed = {}, count = 0, last = 0, under_way = 0 }
  start(server)
  local connection = connect(server)
  produce(load, connection, 0.1 + random:upto(300) / 1000)
  posix.poll({}, random:upto(4) / 1000 - 0.001)
  posix.signal(server.pid, "KILL")
  posix.reap(server.pid)
  connection:close()
  local confirmed = load.count
  start(server)
  connection = connect(server)
  local again, found = produce_again(load, connection), {}
  system.read(connection, function(id) found[id] = (found[id] or 0) + 1 end, executable)
  connection:close()
  posix.signal(server.pid, "KILL")
  posix.reap(server.pid)
  os.execute(("rm -rf '%s'"):format(folder))
  local lost, twice = count(load, found)
  return { confirmed = confirmed, again = again, lost = lost, twice = twice }
end

-- ---- the table ----

local function version_of(system)
  if not system.path then return "" end
  local pipe = assert(io.popen(("'%s' -v 2>&1 || '%s' --version 2>&1"):format(system.path, system.path)))
  local version = pipe:read "*a":match "v?=?(%d+%.%d+[%.%d]*)"
  pipe:close()
  return version and " " .. version or ""
end

local NAMED = 20

local function name_lost(system, lost)
  for index = 1, math.min(#lost, NAMED) do print(("%s: %s was confirmed and is lost"):format(system.name, lost[index])) end
  if #lost > NAMED then print(("%s: and %d more of this kill"):format(system.name, #lost - NAMED)) end
end

local function measure(system, options)
  local row = { system = system, confirmed = 0, again = 0, lost = 0, worst = 0, twice = 0, kills = options.kills }
  for number = 1, options.kills do
    local one = one_kill(system, draw.new(options.seed + number - 1), options.executable)
    row.confirmed, row.again = row.confirmed + one.confirmed, row.again + one.again
    row.lost, row.twice = row.lost + #one.lost, row.twice + one.twice
    row.worst = math.max(row.worst, #one.lost)
    name_lost(system, one.lost)
  end
  return row
end

local HEAD = {
  "| system | setting | kills | confirmed before | sent again | lost | most in one kill | there twice |",
  "| --- | --- | --: | --: | --: | --: | --: | --: |",
}

local function line_of(row)
  return ("| %s%s | %s | %d | %d | %d | %d | %d | %d |"):format(row.system.name, version_of(row.system),
    row.system.setting, row.kills, row.confirmed, row.again, row.lost, row.worst, row.twice)
end

local PAPER_HEAD = [[
# Killed without warning: Moonpost and its peers

Written by `make crash PEERS=1`, in figures of one run. A producer has %d messages of about 128 bytes under way and notes
what the server confirms; after 0.1 to 0.4 s the server gets SIGKILL and is started again on the same files; the producer
sends again what was not confirmed; then everything that is there is read. *Lost* was confirmed and is not there. *There
twice* came of sending again: whoever reads must know it from its id.

]]

local PAPER_END = [[

A kill is the easy half: what a process has written survives it, flushed or not. It shows whether a server writes before it
answers, and whether it can read its files again. What was not flushed is lost when the power fails, and of these
settings only Moonpost's `sync = "commit"`, beanstalkd's `-f0` and Redis' `always` flush before they answer.

Redis with `everysec` may lose in a kill too, so its row differs from run to run: while one flush is under way it puts off
the next write, for up to two seconds, and answers all the same. A slow or busy disk shows it.

Confirmed messages are not a measure of speed here: the producer is a small program in Lua, and most of a short run is its
start. Moonpost's handlers wait until all is over, so that its messages are in the mailbox as the others' are in theirs.
]]

local function write_paper(lines)
  os.execute "mkdir -p docs"
  posix.write_file(PAPER, PAPER_HEAD:format(WINDOW) .. table.concat(lines, "\n") .. "\n" .. PAPER_END)
  print("written to " .. PAPER)
end

local function is_there(system)
  if not system.program then return true end
  system.path = path_of(system.program)
  if not system.path then
    print(("%s is left out: there is no %s (Debian package %s)"):format(system.name, system.program, system.package))
  end
  return system.path ~= nil
end

--- Answers 1 when Moonpost lost something.
---@return integer exit code
function peers.run(options)
  posix.die_when_interrupted()
  options.kills = tonumber(os.getenv "ITER") or KILLS
  print(("seed %d"):format(options.seed))
  local lines, code = { unpack(HEAD) }, 0
  for _, system in ipairs(SYSTEMS) do
    if is_there(system) then
      local row = measure(system, options)
      lines[#lines + 1] = line_of(row)
      print(lines[#lines])
      if row.lost > 0 and not system.program then code = 1 end
    end
  end
  write_paper(lines)
  return code
end

return peers
