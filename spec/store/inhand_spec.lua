local c = require "spec.support.c"
local disk = require "spec.support.disk"
local ffi, store = c.ffi, c.store

local OURS, OTHERS = ("a"):rep(16), ("b"):rep(16)

describe("the page of what is in hand", function()
  local folder, file

  -- As the next process does: what it finds. Closing is not needed for what was written to be there.
  local function open(epoch, store_id)
    local found, failure = ffi.new "struct inhand", ffi.new "char[512]"
    file = store.inhand_open(folder, store_id or OURS, epoch, found, failure, 512)
    assert(file ~= nil, ffi.string(failure))
    return { tonumber(found.running), tonumber(found.count) }
  end

  local function write(running, count)
    local page = store.inhand_begin(file)
    page.running, page.count = running, count
    store.inhand_close(file)
  end

  before_each(function() folder = disk.folder() end)
  after_each(function()
    store.inhand_close(file)
    disk.remove(folder)
  end)

  it("is empty at first", function()
    assert.same({ 0, 0 }, open(1))
  end)

  it("says to the next start what was at work", function()
    open(1)
    write(17, 3)
    assert.same({ 17, 3 }, open(2))
  end)

  it("says it until a start takes it over, so that one that fails takes nothing away", function()
    open(1)
    write(17, 3)
    open(2)
    store.inhand_close(file)
    assert.same({ 17, 3 }, open(3))
    store.inhand_begin(file)
    store.inhand_close(file)
    assert.same({ 0, 0 }, open(4))
  end)

  it("is not believed by another store, nor by one that was put back", function()
    open(5)
    write(17, 3)
    assert.same({ 0, 0 }, open(6, OTHERS))
    store.inhand_close(file)
    assert.same({ 0, 0 }, open(5))
  end)

  it("is not believed when it is damaged, or of another boot", function()
    open(1)
    write(17, 3)
    for _, at in ipairs { 0, 20 } do
      local bytes = assert(io.open(folder .. "/inhand", "r+b"))
      bytes:seek("set", at)
      bytes:write "?"
      bytes:close()
      assert.same({ 0, 0 }, open(2))
      write(17, 3)
    end
    open(3)
  end)

  it("says why it cannot be had", function()
    local found, failure = ffi.new "struct inhand", ffi.new "char[512]"
    assert.is_true(store.inhand_open(folder .. "/none", OURS, 1, found, failure, 512) == nil)
    assert.equal(folder .. "/none/inhand: No such file or directory", ffi.string(failure))
    file = nil
  end)
end)
