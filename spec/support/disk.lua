--- Stores for specs: folders, changes and what is there, in Lua's terms.
local c = require "spec.support.c"
local core, ffi, span, text = c.core, c.ffi, c.span, c.text

local disk = {}

--- A new empty folder.
---@return string
function disk.folder()
  local pipe = assert(io.popen("mktemp -d /tmp/moonpost-spec-XXXXXX"))
  local path = pipe:read("*l")
  pipe:close()
  return path
end

--- Remove a folder that disk.folder made.
function disk.remove(path)
  assert(path:find("^/tmp/moonpost%-spec%-"), path)
  os.execute("rm -rf '" .. path .. "'")
end

--- Open a store on disk.
---@param folder string
---@param options { max: integer|nil, relaxed: boolean|nil, read_only: boolean|nil }|nil
---@return ffi.cdata*|nil
---@return string|nil reason
function disk.open(folder, options)
  options = options or {}
  local given = ffi.new("struct store_lmdb_options", {
    folder = folder,
    max_bytes = options.max or 0,
    relaxed = options.relaxed or false,
    read_only = options.read_only or false,
  })
  local failure = ffi.new "char[512]"
  local store = c.store.store_lmdb_open(given, failure)
  if store == nil then return nil, ffi.string(failure) end
  return store
end

--- Commit changes: { key, head, value }, { key } deletes, { "key", nothing = true } is an annulled put.
---@return string status
function disk.commit(store, ...)
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
  local status = store.engine.commit(store, batch.ops, batch.op_count)
  core.batch_free(batch)
  return c.status(status)
end

--- The value of a key; nil and a status without one. Of a damaged one both.
function disk.get(store, key)
  local value = ffi.new "struct block *[1]"
  local status = c.status(store.engine.get(store, span(key), value))
  if status == "OK" then return c.take(value[0]) end
  return c.take(value[0]), status
end

--- The values of keys, in their order; false without one.
function disk.get_many(store, keys)
  local records, values = ffi.new("struct store_record[?]", #keys), {}
  local spans = {}
  for n, key in ipairs(keys) do
    spans[n] = span(key)
    records[n - 1].key = spans[n]
  end
  assert(c.status(store.engine.get_many(store, records, #keys)) == "OK")
  for n = 1, #keys do values[n] = c.take(records[n - 1].value) or false end
  return values
end

--- Keys and values of a page as { "key=value", ... } (damaged: "key!"), and whether there is more.
function disk.scan(store, prefix, from)
  local page = ffi.new "struct store_page"
  assert(c.status(store.engine.scan(store, span(prefix), span(from or prefix), page)) == "OK")
  local found = {}
  for n = 0, tonumber(page.count) - 1 do
    local record = page.records[n]
    local value = "=" .. ffi.string(record.value.bytes, record.value.size)
    found[n + 1] = text(record.key) .. (record.damaged and "!" or value)
  end
  local more = page.more
  core.store_page_release(page)
  return found, more
end

--- What the store says of itself, as numbers.
function disk.stat(store)
  local stat, taken = ffi.new "struct store_stat", {}
  store.engine.stat(store, stat)
  for name in ("records bytes commits map_bytes file_bytes used_pages free_pages page_bytes"):gmatch "%S+" do
    taken[name] = tonumber(stat[name])
  end
  return taken
end

--- What its last failed call failed of.
function disk.error(store)
  return ffi.string(store.engine.error(store))
end

return disk
