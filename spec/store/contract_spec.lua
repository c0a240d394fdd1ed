local c = require "spec.support.c"
local disk = require "spec.support.disk"
local core, ffi = c.core, c.ffi

-- Every engine passes the same contract; a new one is a line here.
local ENGINES = {
  memory = function() return core.store_memory_open() end,
  lmdb = function(folder) return disk.open(folder) end,
  relaxed = function(folder) return disk.open(folder, { relaxed = true }) end,
}

for name, open in pairs(ENGINES) do
  describe(("the %s store"):format(name), function()
    local store, engine, folder

    before_each(function()
      folder = disk.folder()
      store = open(folder)
      engine = store.engine
    end)
    after_each(function()
      engine.close(store)
      disk.remove(folder)
    end)

    local function commit(...) return disk.commit(store, ...) end
    local function get(key) return disk.get(store, key) end
    local function scan(prefix, from) return disk.scan(store, prefix, from) end

    it("has nothing at first", function()
      local value, status = get "a"
      assert.is_nil(value)
      assert.are.equal("NOT_FOUND", status)
      assert.are.same({}, (scan ""))
    end)

    it("gives a value as it was put, head and block together", function()
      assert.are.equal("OK", commit({ "a", "head", "body" }, { "b", "only" }, { "c", "", "block" }))
      assert.are.same({ "headbody", "only", "block" }, { get "a", get "b", get "c" })
    end)

    it("keeps bytes of any kind, and values of no bytes", function()
      commit({ "\0k\255", "\0\1", "\255\0" }, { "empty", "" })
      assert.are.equal("\0\1\255\0", get "\0k\255")
      assert.are.equal("", get "empty")
    end)

    it("keeps a value after the batch that brought it is gone", function()
      commit { "a", "head", ("x"):rep(100000) }
      collectgarbage()
      assert.are.equal(100004, #get "a")
    end)

    it("replaces a value", function()
      commit { "a", "old" }
      commit { "a", "new" }
      assert.are.equal("new", get "a")
      assert.are.same({ "a=new" }, (scan ""))
    end)

    it("deletes, also what is not there", function()
      commit({ "a", "1" }, { "b", "2" })
      assert.are.equal("OK", commit({ "a" }, { "nobody" }))
      assert.are.same({ "b=2" }, (scan ""))
    end)

    it("lets the later change of a batch win", function()
      commit({ "a", "1" }, { "a", "2" }, { "b", "1" }, { "b" }, { "c" }, { "c", "3" })
      assert.are.same({ "a=2", "c=3" }, (scan ""))
    end)

    it("takes no part of a put that was taken back", function()
      commit({ "a", nothing = true }, { "b", "1" })
      assert.are.same({ "b=1" }, (scan ""))
    end)

    it("leaves an older value alone when a put of its key was taken back", function()
      commit { "a", "old" }
      commit { "a", nothing = true }
      assert.are.equal("old", get "a")
    end)

    it("takes an empty batch", function()
      assert.are.equal("OK", commit())
    end)

    it("scans in the order of bytes", function()
      commit({ "b", "" }, { "a\255", "" }, { "a", "" }, { "a\0", "" }, { "B", "" }, { "\128", "" })
      assert.are.same({ "B=", "a=", "a\0=", "a\255=", "b=", "\128=" }, (scan ""))
    end)

    it("scans keys with a prefix only", function()
      commit({ "l1", "" }, { "m1", "" }, { "m2", "" }, { "n1", "" })
      assert.are.same({ "m1=", "m2=" }, (scan "m"))
    end)

    it("scans from a key on, which need not be there", function()
      commit({ "m1", "" }, { "m3", "" }, { "m5", "" }, { "n", "" })
      assert.are.same({ "m3=", "m5=" }, (scan("m", "m3")))
      assert.are.same({ "m5=" }, (scan("m", "m4")))
      assert.are.same({}, (scan("m", "m6")))
    end)

    it("scans by pages that say whether there is more", function()
      local changes = {}
      for n = 1, 600 do changes[n] = { ("m%04d"):format(n), tostring(n) } end
      commit(unpack(changes))
      local seen, from, pages = {}, "m", 0
      repeat
        local found, more = scan("m", from)
        for _, record in ipairs(found) do seen[#seen + 1] = record end
        from = found[#found]:match "^[^=]*" .. "\0"
        pages = pages + 1
      until not more
      assert.are.equal(3, pages)
      assert.are.equal(600, #seen)
      assert.are.same({ "m0001=1", "m0600=600" }, { seen[1], seen[600] })
    end)

    it("does not say that there is more when only other prefixes are left", function()
      local changes = {}
      for n = 1, 256 do changes[n] = { ("m%04d"):format(n), "" } end
      changes[257] = { "n", "" }
      commit(unpack(changes))
      local found, more = scan "m"
      assert.are.equal(256, #found)
      assert.is_false(more)
    end)

    it("ends a page early when its values are large", function()
      local changes = {}
      for n = 1, 9 do changes[n] = { "m" .. n, "", ("x"):rep(1024 ^ 2) } end
      commit(unpack(changes))
      local found, more = scan "m"
      assert.are.same({ 4, true }, { #found, more })
      found, more = scan("m", "m9")
      assert.are.same({ 1, false }, { #found, more })
    end)

    it("gives the values of many keys, and none for those that are not there", function()
      commit({ "a", "1" }, { "b", "2", "3" }, { "d", "" })
      assert.are.same({ "23", false, "1", "" }, disk.get_many(store, { "b", "c", "a", "d" }))
      assert.are.same({}, disk.get_many(store, {}))
    end)

    it("counts records and commits", function()
      commit({ "ab", "12", "345" }, { "c", "1" })
      commit { "c", "123" }
      local stat = disk.stat(store)
      assert.are.same({ 2, 2 }, { stat.records, stat.commits })
      commit({ "ab" }, { "c" })
      assert.are.equal(0, disk.stat(store).records)
    end)

    if name == "memory" then
      it("counts bytes as they come and go", function()
        commit({ "ab", "12", "345" }, { "c", "1" })
        commit { "c", "123" }
        assert.are.equal(11, disk.stat(store).bytes)
        commit({ "ab" }, { "c" })
        assert.are.equal(0, disk.stat(store).bytes)
      end)
    end

    it("has room, and nothing to complain about", function()
      commit { "a", "1" }
      engine.tend(store)
      assert.is_false(engine.room(store).full)
      assert.are.equal("", ffi.string(engine.error(store)))
    end)

    it("agrees with a plain table through thousands of changes", function()
      math.randomseed(11)
      local model = {}
      for _ = 1, 400 do
        local changes = {}
        for n = 1, math.random(1, 10) do
          local key = "k" .. math.random(1, 200)
          local value = math.random(1, 3) > 1 and tostring(math.random(1, 1e6)) or nil
          changes[n], model[key] = { key, value }, value
        end
        commit(unpack(changes))
      end
      local keys = {}
      for key in pairs(model) do keys[#keys + 1] = key end
      table.sort(keys)
      for n, key in ipairs(keys) do keys[n] = key .. "=" .. model[key] end
      assert.are.same(keys, (scan "k"))
    end)
  end)
end
