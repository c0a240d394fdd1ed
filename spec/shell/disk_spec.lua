local c = require "spec.support.c"
local disk = require "spec.support.disk"
local core, ffi, span = c.core, c.ffi, c.span

-- What the shell and libuv are, the executable has.
pcall(ffi.cdef, [[
struct disk;
struct disk_calls {
  void *user;
  void (*committed)(void *user, struct batch *batch, const struct store_room *room);
  void (*loaded)(void *user, struct load *load);
  void (*failed)(void *user, const char *reason);
};
struct disk *disk_new(void *loop, struct store *store, const struct disk_calls *calls);
void disk_commit(struct disk *disk, struct batch *batch);
void disk_load(struct disk *disk, struct load *load);
void disk_close(struct disk *disk, void (*closed)(void *user), void *user);
size_t uv_loop_size(void);
int uv_loop_init(void *loop);
int uv_loop_close(void *loop);
int uv_run(void *loop, int mode);
]])

local shell = ffi.C
local ONCE = 1

describe("the store thread", function()
  local folder, store, loop, thread, callbacks, told

  local function callback(kind, call)
    callbacks[#callbacks + 1] = ffi.cast(kind, call)
    return callbacks[#callbacks]
  end

  local function tell(...) told[#told + 1] = table.concat({ ... }, " ") end

  -- Wait for so many answers.
  local function wait_for(count)
    while #told < count do shell.uv_run(loop, ONCE) end
    return told
  end

  local function open(options)
    store = assert(disk.open(folder, options))
    loop = ffi.new("char[?]", shell.uv_loop_size())
    assert(shell.uv_loop_init(loop) == 0)
    callbacks, told = {}, {}
    local calls = ffi.new "struct disk_calls"
    calls.committed = callback("void (*)(void *, struct batch *, const struct store_room *)", function(_, batch, room)
      tell("committed", tonumber(batch.number), room.full and "full" or nil)
      core.batch_free(batch)
    end)
    calls.loaded = callback("void (*)(void *, struct load *)", function(_, load)
      local values = {}
      for n = 0, tonumber(load.count) - 1 do
        values[n + 1] = load.items[n].value ~= nil and ffi.string(load.items[n].value.bytes, load.items[n].value.size)
          or "nothing"
      end
      tell("loaded", unpack(values))
      core.load_free(load)
    end)
    calls.failed = callback("void (*)(void *, const char *)", function(_, reason) tell("failed", ffi.string(reason)) end)
    thread = shell.disk_new(loop, store, calls)
  end

  local function close()
    local closed = false
    shell.disk_close(thread, callback("void (*)(void *)", function() closed = true end), nil)
    while not closed do shell.uv_run(loop, ONCE) end
    assert(shell.uv_loop_close(loop) == 0)
    store.engine.close(store)
    for _, each in ipairs(callbacks) do each:free() end
  end

  local function key(sequence) return "m" .. ("\0"):rep(7) .. string.char(sequence) end

  local function commit(number, ...)
    local batch = core.batch_new()
    batch.number = number
    for _, change in ipairs { ... } do
      local block = core.block_copy(span(change[2]))
      core.batch_put(batch, span(change[1]), span "", block)
      core.block_release(block)
    end
    shell.disk_commit(thread, batch)
    return batch
  end

  local function load(...)
    local page = core.load_new(nil)
    for index, sequence in ipairs { ... } do
      page.items[index - 1].sequence = sequence
      ffi.copy(page.items[index - 1].key, key(sequence), 9)
      page.count = index
    end
    shell.disk_load(thread, page)
    return page
  end

  before_each(function() folder = disk.folder() end)
  after_each(function() disk.remove(folder) end)

  it("gives a batch back when it is durable", function()
    open()
    commit(1, { key(1), "one" })
    assert.same({ "committed 1" }, wait_for(1))
    close()
    local again = disk.open(folder)
    assert.equal("one", disk.get(again, key(1)))
    again.engine.close(again)
  end)

  it("reads what every batch before the page has put", function()
    open()
    for n = 1, 50 do
      commit(n, { key(n), "value " .. n })
      load(n, 99, 1)
      wait_for(2 * n)
    end
    assert.equal("loaded value 50 nothing value 1", told[100])
    close()
  end)

  it("does what is queued before it ends", function()
    open()
    commit(1, { key(1), "one" })
    load(1)
    load(2)
    close()
    assert.same({ "committed 1", "loaded one", "loaded nothing" }, told)
  end)

  it("says that what is left is for settling", function()
    open { max = 1024 ^ 2 }
    commit(1, { key(1), ("x"):rep(850000) })
    assert.same({ "committed 1 full" }, wait_for(1))
    close()
  end)

  it("says once that a commit failed, and does nothing more", function()
    open { max = 1024 ^ 2 }
    local batch = commit(1, { key(1), ("x"):rep(2000000) })
    local page = load(1)
    local reason = wait_for(1)[1]
    assert.truthy(reason:find("^failed the store .* is full: it has all 1 MiB of store.max"), reason)
    close()
    assert.equal(1, #told)
    core.batch_free(batch)
    core.load_free(page)
  end)
end)
