--- What `moonpost doctor` finds in a machine, a data folder, settings and a running node.
local files = require "moonpost.cli.files"
local machine = require "moonpost.machine"
local moonpost = require "moonpost"
local nearest = require "moonpost.nearest"
local shell = require "moonpost.shell"
local store = require "moonpost.store"
local variables = require "moonpost.cli.variables"
local words = require "moonpost.cli.words"

local symptoms = {}

local MIB = 1024 ^ 2
local FREE_LEAST = 64 * MIB
local FREE_SHARE, STORE_SHARE, MAILBOX_SHARE = 0.05, 0.7, 0.8
local FILES_LEAST = 1024
local CLOCK_SLACK = 60 -- seconds
local STUCK_AFTER = 2 -- seconds

---@class moonpost.cli.Patient what is looked at
---@field project moonpost.cli.Project
---@field folder string its data folder
---@field address string of the node
---@field status table|nil what the running node says; nil: none was reached
---@field code string|nil then why

---@class moonpost.cli.Symptom
---@field rule string
---@field level "problem"|"note"
---@field what string
---@field why string
---@field fix string

local Symptoms = {}
Symptoms.__index = Symptoms

function Symptoms:add(rule, what, why, fix)
  self.list[#self.list + 1] = { rule = rule, level = "problem", what = what, why = why, fix = fix }
end

function Symptoms:note(rule, what, why, fix)
  self.list[#self.list + 1] = { rule = rule, level = "note", what = what, why = why, fix = fix }
end

-- ---- is there a node? ----

local function deleted_folder(self)
  local process = machine.orphan(self.folder)
  if not process then return false end
  self:add("folder-deleted", ("process %d works in %s, which was deleted under it"):format(process, self.folder),
    "it goes on and confirms messages, and all of it is gone when it ends; no command reaches it",
    ("kill %d, then start it again: moonpost run"):format(process))
  return true
end

local function no_answer(self, holder)
  self:add("store-locked", ("process %d has %s and does not answer at %s"):format(holder, self.folder, self.address),
    "nobody else can use the store; it may be starting, stopped by a debugger, or hang",
    ("look what it does; to end it: kill %d"):format(holder))
end

local function dead_socket(self, socket)
  self:add("dead-socket", socket .. " is left of a node that is gone",
    "programs find it and are refused; the node before was killed, or the machine went down",
    "start the node again, which removes it: moonpost run")
end

local function presence(self)
  if self.status or deleted_folder(self) then return end
  local socket, holder = self.address:match("^unix:(.*)$"), machine.holder(self.folder)
  if holder > 0 then return no_answer(self, holder) end
  if socket and machine.is_socket(socket) and select(3, machine.probe(self.address)) == "REFUSED" then
    return dead_socket(self, socket)
  end
  self:note("no-node", "no node runs at " .. self.address, "send and the commands about a node need one",
    "moonpost run")
end

local function old_node(self)
  local node = self.status and self.status.node
  if node and node.version ~= moonpost.VERSION then
    self:note("old-node", ("the node is moonpost %s, this command %s"):format(node.version, moonpost.VERSION),
      "it was started before moonpost was installed anew", "start it again when it suits")
  end
end

-- ---- its folder ----

local function can_write(self, existing)
  local ok, reason = machine.can_write(existing)
  if ok then return end
  self:add("no-permission", "cannot write: " .. reason, "a node keeps its store, lock and socket there",
    "let this user write there, or name another folder: moonpost run --store FOLDER")
end

local function file_system(self, existing)
  local facts = machine.file_system(existing)
  if not facts then return end
  if facts.memory then
    self:add("store-in-memory", ("%s is on %s, which is memory"):format(self.folder, facts.kind),
      "what is confirmed as stored is gone when the machine goes down", "keep the store on a disk: --store FOLDER")
  elseif facts.network then
    self:add("store-on-network", ("%s is on %s, a network file system"):format(self.folder, facts.kind),
      "memory maps and locks are not safe there: two nodes may have one store, and commits may be undone",
      "keep the store on a local disk: --store FOLDER")
  end
  local free, all = facts.free, facts.size
  if all > 0 and (free < FREE_LEAST or free / all < FREE_SHARE) then
    self:add("disk-nearly-full", ("%s of %s free where %s is"):format(words.size(free), words.size(all), self.folder),
      "a full disk makes the node refuse what is new (STORE_FULL), or ends it", "make room there")
  end
end

local function clock(self)
  local written = machine.modified(self.folder .. "/data.mdb") or 0
  local ahead = written - moonpost.now()
  if ahead < CLOCK_SLACK then return end
  self:add("clock-went-back", ("the store was written %s in the future: the clock was set back"):format(
    words.duration(ahead)), "moments (at, expires, dedup windows over a restart) are counted by this clock",
    "look at the time service: timedatectl")
end

local function store_bound(self)
  local found, most = store.stat(self.folder), self.project.values.store_max
  if not found or not most or most == 0 or found.used / most < STORE_SHARE then return end
  self:add("store-nearly-full", ("the store holds %s of %s"):format(words.size(found.used), words.size(most)),
    "from four fifths of store.max on nothing new is accepted (STORE_FULL)",
    "raise max in node.lua: store = { max = ... }, or look what waits: moonpost status")
end

local function folder(self)
  local existing = self.folder
  while not shell.kind(existing) and existing:find("/") do existing = existing:match("^(.*)/") end
  if not shell.kind(existing) then existing = "." end
  can_write(self, existing)
  file_system(self, existing)
  if shell.kind(self.folder .. "/data.mdb") then
    clock(self)
    store_bound(self)
  end
end

-- ---- the machine ----

local function has_module(name)
  for _, loader in ipairs(package.loaders) do
    if type(loader(name)) == "function" then return true end
  end
  return false
end

local function has_program(name)
  for place in (os.getenv "PATH" or ""):gmatch("[^:]+") do
    if shell.kind(place .. "/" .. name) == "file" then return true end
  end
  return false
end

local function limits(self)
  local open = machine.open_files()
  if open < FILES_LEAST then
    self:add("few-open-files", ("a process may have %d files open"):format(open),
      "each link and each program that is connected is one; when there are no more, connections are refused",
      "ulimit -n 65536 before the start, or LimitNOFILE= in the unit")
  end
end

local function tools(self)
  if not has_module "busted.runner" then
    self:note("no-busted", "busted is not here", "moonpost test needs it",
      "sudo apt install lua-busted, or luarocks install busted")
  end
  if not has_program "luarocks" then
    self:note("no-luarocks", "luarocks is not here", "it installs libraries for agents", "sudo apt install luarocks")
  end
end

-- ---- settings ----

local function settings(self)
  local project = self.project
  if project.reason then
    self:add("settings", project.reason, "a node does not start with these settings", "moonpost check")
  end
  local said = project.settings
  if said and said.watchdog == "inf" then
    self:add("watchdog-off", "the watchdog is off (watchdog = math.huge)",
      "a handler that nothing can stop holds up the whole node for ever", 'leave watchdog out, or set it: "10s"')
  end
end

local function unknown_variables(self)
  for _, text in ipairs(variables.unknown()) do
    self:add("unknown-variable", text, "what it was to change is as if it were not set",
      "unset it, or correct its name")
  end
end

local function rescued(self)
  for _, path in ipairs(shell.list(self.folder .. ".rescued-*")) do
    self:add("rescued-store", ("%s has what a node held when its data folder was deleted"):format(path),
      "nobody handles what is in it",
      ("to go on with it: stop the node, rm -r %s, mv %s %s; else rm -r %s"):format(self.folder, path, self.folder,
        path))
  end
end

local function no_retries(self)
  local values = self.project.values
  if values.profile ~= "at-most-once" then return end
  local origin = self.project.origins.PROFILE or self.project.settings_file or "settings"
  self:add("no-retries", ("messages are sent at most once (%s)"):format(origin),
    "nothing is sent again and nothing is kept: a message that is lost on its way stays lost",
    "unset MOONPOST_PROFILE, or set send = { profile = \"at-least-once\" } in node.lua")
end

local function durability(self)
  local kept = self.status and self.status.node.store
  local relaxed = kept and kept.sync == "relaxed" or (not kept and self.project.values.sync == "relaxed")
  local memory = kept and kept.kind == "memory" or (not kept and self.project.values.store == "memory")
  if memory then
    self:note("store-is-memory", "the store is memory", "nothing survives the process", 'store = { path = "data" }')
  elseif relaxed then
    self:add("relaxed", 'sync is "relaxed"', "a power cut may undo the last commits, although they were confirmed",
      'set store = { sync = "commit" }, unless that is meant')
  end
end

-- ---- links ----

local PROBED = {
  BAD_ADDRESS = { "it is no address", 'write "tcp://HOST:PORT" or "unix:///PATH" in node.lua' },
  REFUSED = { "nobody listens there", "start that node, or mend the address in node.lua" },
  MISSING = { "there is no such host or socket", "mend the address in node.lua" },
  SILENT = { "nobody answers there", "look at firewalls between, and whether that machine is up" },
  IO = { "it cannot be reached", "look at the network" },
}

local function link_down(self, address, dials)
  local ok, reason, code = machine.probe(address, self.project.root)
  local tried = dials and dials > 1 and (" for %s"):format(words.of(dials, "dial")) or ""
  if ok and not dials then return end
  local found = ok and { "somebody listens there, but is no node that takes this link",
    "look at that node's log and version" } or PROBED[code]
  self:add("link-down", ("the link to %s is not up%s: %s%s"):format(address, tried, found[1],
    code == "IO" and " (" .. reason .. ")" or ""), "a client that sends there hangs: messages for that side wait here",
    found[2])
end

local function links(self)
  for _, link in ipairs(self.status and self.status.links or {}) do
    if link.address and link.state ~= "up" then link_down(self, link.address, link.dials) end
  end
  for _, link in ipairs(not self.status and self.project.settings and self.project.settings.links or {}) do
    link_down(self, link.to)
  end
end

-- ---- mailboxes and outboxes ----

local function served_addresses(status)
  local served = {}
  for _, mailbox in ipairs(status.mailboxes) do served[mailbox.address] = mailbox.served or nil end
  for _, link in ipairs(status.links) do
    for _, address in ipairs(link.addresses or {}) do served[address] = true end
  end
  return served
end

-- What is deferred was refused before; what waits may be on its way.
local function is_stuck(outbox)
  local age = outbox.oldest_at and moonpost.now() - outbox.oldest_at or 0
  return outbox.deferred > 0 or (outbox.waiting > 0 and age >= STUCK_AFTER)
end

--- "1 message waits", "3 messages wait".
local function waiting(count, noun, where)
  return ("%s %s wait%s"):format(words.of(count, noun), where, count == 1 and "s" or "")
end

local function no_route(self, outbox, served)
  if served[outbox.address] or not is_stuck(outbox) then return end
  self:add("no-route", waiting(outbox.waiting + outbox.deferred, "message", "for " .. outbox.address)
    .. ": nobody serves this address",
    "whoever sends to it hangs until its deadline" .. nearest.hint(outbox.address, served),
    "run an agent with this address here, or link to the node that has one: links = { \"tcp://HOST:PORT\" }")
end

local function blocked(self, outbox, served)
  if not served[outbox.address] or outbox.deferred == 0 then return end
  self:add("blocked-senders", waiting(outbox.deferred, "message", "for " .. outbox.address) .. " to be sent again",
    "its owner does not answer, or refuses them because its mailbox or store is full",
    "look at the owner: moonpost status --node ADDR")
end

local function unserved(self, mailbox)
  if mailbox.served or mailbox.waiting + mailbox.deferred == 0 then return end
  self:add("no-agent", waiting(mailbox.waiting + mailbox.deferred, "message", "in the mailbox of " .. mailbox.address)
    .. ", which no agent here has",
    "they were stored for an agent that is not loaded any more",
    "load it again: its file belongs into agents/, then moonpost reload")
end

local function full(self, mailbox)
  local said = self.project.settings and self.project.settings.mailbox
  if not said then return end
  local count = mailbox.waiting + mailbox.leased + mailbox.deferred
  local share = math.max(count / said.max, mailbox.bytes / said.max_bytes)
  if share < MAILBOX_SHARE then return end
  self:add("mailbox-nearly-full", ("the mailbox of %s is at %d %% of its bound (%s, %s)"):format(mailbox.address,
    share * 100, words.of(count, "message"), words.size(mailbox.bytes)),
    "at its bound senders are refused (BUSY) and wait", "raise concurrency of the agent, or mailbox = { max = ... }")
end

local function draining(self, mailbox)
  if not mailbox.draining then return end
  self:add("draining", ("%s is drained, for %s"):format(mailbox.address, words.age(mailbox.draining_at)),
    "it takes nothing new; what comes waits at its senders (STOPPING)", "moonpost queue resume " .. mailbox.address)
end

local function paused(self, mailbox)
  if not mailbox.paused then return end
  self:add("paused", ("%s is paused since %s, %s waiting"):format(mailbox.address,
    mailbox.paused_at and words.age(mailbox.paused_at) or "a while", words.count(mailbox.waiting)),
    "nothing is delivered to it; senders that wait for handled hang", "moonpost queue resume " .. mailbox.address)
end

local function dead(self, queue)
  if queue.dead == 0 then return end
  self:add("dead-letters", waiting(queue.dead, "dead letter", "of " .. queue.address),
    "nobody tries them again by themselves", ("moonpost dlq ls --agent %s, then requeue"):format(queue.address))
end

-- Only where messages come over links can a receipt be lost.
local function duplicates(self, mailbox)
  if mailbox.served and not mailbox.dedup and mailbox.profile ~= "at-most-once" and self.linked then
    self:note("duplicates", ("%s has no dedup policy"):format(mailbox.address),
      "a message whose receipt was lost is sent again, and its handler runs again",
      'dedup = { ttl = "24h" } in its file, unless its handler can run twice')
  end
end

local function queues(self)
  local status = self.status
  if not status then return end
  self.linked = false
  for _, link in ipairs(status.links) do self.linked = self.linked or link.role ~= "client" end
  local served = served_addresses(status)
  for _, outbox in ipairs(status.outboxes) do
    no_route(self, outbox, served)
    blocked(self, outbox, served)
    dead(self, outbox)
  end
  for _, mailbox in ipairs(status.mailboxes) do
    for _, look in ipairs { unserved, full, paused, draining, dead, duplicates } do look(self, mailbox) end
  end
end

local function node(self)
  local status = self.status
  if not status then return end
  if status.node.store.full then
    self:add("store-full", "the store is full", "nothing new is accepted (STORE_FULL)",
      "make room on its disk, or raise store.max; what is handled frees pages")
  end
  for _, refused in ipairs(status.refused) do
    self:add("reload-refused", ("the reload of %s was refused %s ago: %s"):format(refused.address,
      words.age(refused.at), refused.reason:match("^[^\n]*")), "the version before it keeps running",
      "mend the file, then moonpost reload")
  end
  if status.counts.damaged > 0 then
    self:add("damaged", words.of(status.counts.damaged, "record") .. " of the store is damaged",
      "what was in them is not delivered", "moonpost store check, and look at the disk")
  end
end

local LOOKS = {
  presence, old_node, unknown_variables, rescued, settings, no_retries, durability, folder, limits, node, links, queues,
  tools,
}

--- Look at all of it.
---@param patient moonpost.cli.Patient
---@return moonpost.cli.Symptom[] problems first
---@return integer problems
function symptoms.find(patient)
  local self = setmetatable({ list = {} }, { __index = function(_, key) return Symptoms[key] or patient[key] end })
  for _, look in ipairs(LOOKS) do look(self) end
  local sorted, problems = {}, 0
  for _, level in ipairs { "problem", "note" } do
    for _, symptom in ipairs(self.list) do
      if symptom.level == level then sorted[#sorted + 1] = symptom end
    end
    problems = problems == 0 and #sorted or problems
  end
  if problems > 0 and sorted[1].level == "note" then problems = 0 end
  return sorted, problems
end

--- The data folder of a project, seen from here.
---@param project moonpost.cli.Project
---@return string
function symptoms.folder_of(project)
  return files.at(project.root, project.values.folder or "data")
end

return symptoms
