local moonpost = require "moonpost"
local node = require "spec.support.node"

local FILES = {
  ["node.lua"] = [[return require("moonpost").node { store = { path = "data" } }]],
  ["agents/patient.lua"] = [[
local moonpost = require "moonpost"
return moonpost.agent {
  address = "patient@local",
  on = { message = function() return moonpost.defer("later", { delay = "1h" }) end },
}]],
}

describe("moonpost store", function()
  local folder, running

  local function start(words)
    running = node.start(words or { "run" }, folder, "listening unix:")
    return table.concat(running.said, "\n")
  end

  local function stop()
    running:stop()
    running = nil
  end

  -- A node that has had these messages, and still runs.
  local function filled(...)
    start()
    for _, body in ipairs { ... } do node.run({ "send", "patient@local", body }, folder) end
  end

  local function says(text, code, ...) return node.says(folder, { "store", ... }, text, code) end

  local function replace(old, new)
    local path = folder .. "/data/data.mdb"
    local file = assert(io.open(path, "rb"))
    local bytes = file:read("*a")
    file:close()
    local at = 1
    while true do
      local first, last = bytes:find(old, at, true)
      if not first then break end
      bytes, at = bytes:sub(1, first - 1) .. new .. bytes:sub(last + 1), last + 1
    end
    file = assert(io.open(path, "wb"))
    file:write(bytes)
    file:close()
  end

  before_each(function() folder = node.folder(FILES) end)
  after_each(function()
    if running then stop() end
    node.remove(folder)
  end)

  it("stat tells what is in it and who has it", function()
    filled("one", "two")
    local output = says("store data  format 1  LMDB 0.9", 0, "stat")
    assert.truthy(output:find("held by  process " .. running.pid, 1, true), output)
    stop()
    local found = moonpost.json.decode(says("{", 0, "stat", "--json"))
    assert.equal(0, found.holder)
    assert.equal(4096, found.page)
    assert.is_true(found.records >= 5)
  end)

  it("check reads everything, also beside a running node", function()
    filled("one", "two")
    says("(2 messages, 0 dead letters, ", 0, "check")
    says("nothing is wrong", 0, "check")
  end)

  it("check names what is damaged, and the node goes on with the rest", function()
    filled("one", "the second", "three")
    stop()
    replace("the second", "THE second")
    local output = says("message 2 does not match its checksum", 1, "check")
    assert.truthy(output:find("1 thing is wrong", 1, true), output)
    local said = start()
    assert.truthy(said:find("messages 2  dead 0", 1, true), said)
    assert.truthy(said:find("1 record of the store data is damaged and set aside; look with: moonpost store check", 1, true),
      said)
  end)

  it("compact writes it anew, when nobody has it", function()
    filled("one", "two")
    says(("another process (pid %s) uses the folder data"):format(running.pid), 1, "compact")
    stop()
    says("data: 1.0 MB before, ", 0, "compact")
    says("(2 messages, ", 0, "check")
    assert.truthy(start():find("messages 2  dead 0", 1, true))
  end)

  it("backup copies it, and a node runs from the copy", function()
    filled("one", "two")
    says("data is copied to copy", 0, "backup", "copy")
    says("copy has a store already; name a new folder, such as copy-2", 1, "backup", "copy")
    stop()
    assert.truthy(start({ "run", "--store", "copy" }):find("store copy  sync commit  messages 2", 1, true))
  end)

  it("says what it needs", function()
    says("there is no store in data; name its folder with --store", 1, "stat")
    says("where to? moonpost store backup FOLDER", 2, "backup")
    says('"chek" is none of stat, check, compact, backup', 2, "chek")
    says('"x" is one argument too many', 2, "stat", "x")
  end)
end)
