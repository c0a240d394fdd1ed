local c = require "spec.support.c"
local core, ffi, span, text = c.core, c.ffi, c.span, c.text

-- Every engine passes the same contract; a new one is a line here.
local ENGINES = {
  memory = function() return core.store_memory_open() end,
}

for name, open in pairs(ENGINES) do
  describe(("the %s store"):format(name), function()
    local store, engine

    before_each(function()
      store = open()
      engine = store.engine
    end)
    after_each(function() engine.close(store) end)

    -- Changes: { key, head, value }, { key } deletes, { "key", nothing = true } is an annulled put.
    local function commit(...)
      local batch = core.batch_new()
      for _, change in ipairs { ... } do
        if change.nothing then
          core.batch_annul(batch, core.batch_put(batch, span(change[1]), span "head", nil))
        elseif change[2] then
          local value = change[3] and core.block_copy(span(change[3])) or nil
          core.batch_put(batch, span(change[1]), span(change[2]), value)
          if value then core.block_release(value) end
        else
          core.batch_delete(batch, span(change[1]))
        end
      end
      local status = engine.commit(store, batch.ops, batch.op_count)
      core.batch_free(batch)
      return c.status(status)
    end

    local function get(key)
      local value = ffi.new "struct block *[1]"
      local status = c.status(engine.get(store, span(key), value))
      if status ~= "OK" then return nil, status end
      return c.take(value[0])
    end

    -- Keys and values of a scan as { "key=value", ... }, and whether there is more.
    local function scan(prefix, from)
      local page = ffi.new "struct store_page"
      assert.are.equal("OK", c.status(engine.scan(store, span(prefix), span(from or prefix), page)))
      local found = {}
      for n = 0, tonumber(page.count) - 1 do
        local record = page.records[n]
        found[n + 1] = text(record.key) .. "=" .. ffi.string(record.value.bytes, record.value.size)
      end
      local more = page.more
      core.store_page_release(page)
      return found, more
    end

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

    it("counts records and bytes as they come and go", function()
      local stat = ffi.new "struct store_stat"
      commit({ "ab", "12", "345" }, { "c", "1" })
      commit { "c", "123" }
      engine.stat(store, stat)
      assert.are.same({ 2, 11, 2 }, { tonumber(stat.records), tonumber(stat.bytes), tonumber(stat.commits) })
      commit({ "ab" }, { "c" })
      engine.stat(store, stat)
      assert.are.same({ 0, 0 }, { tonumber(stat.records), tonumber(stat.bytes) })
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
