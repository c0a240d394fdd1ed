local c = require "spec.support.c"
local disk = require "spec.support.disk"
local ffi = c.ffi

pcall(ffi.cdef, [[
typedef struct spec_env spec_env;
typedef struct spec_txn spec_txn;
struct spec_val { size_t size; const char *bytes; };
struct spec_limit { uint64_t now, most; };
int mdb_env_create(spec_env **env);
int mdb_env_open(spec_env *env, const char *path, unsigned flags, unsigned mode);
void mdb_env_close(spec_env *env);
int mdb_txn_begin(spec_env *env, spec_txn *parent, unsigned flags, spec_txn **txn);
int mdb_dbi_open(spec_txn *txn, const char *name, unsigned flags, unsigned *dbi);
int mdb_put(spec_txn *txn, unsigned dbi, struct spec_val *key, struct spec_val *data, unsigned flags);
int mdb_txn_commit(spec_txn *txn);
int prlimit(int process, int what, const struct spec_limit *new, struct spec_limit *old);
void *signal(int number, void *handler);
int open(const char *path, int flags, int mode);
int close(int file);
int getpid(void);
]])

local MIB = 1024 ^ 2

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

-- A sentence with the folder's name taken out of it.
local plain
function plain(text, folder)
  local first, last = text:find(folder, 1, true)
  return first and text:sub(1, first - 1) .. "FOLDER" .. plain(text:sub(last + 1), folder) or text
end

local function write_file(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- Write a record as LMDB would, past the store.
local function put_raw(folder, key, value)
  local env, txn, dbi = ffi.new "spec_env *[1]", ffi.new "spec_txn *[1]", ffi.new "unsigned[1]"
  assert(c.store.mdb_env_create(env) == 0)
  assert(c.store.mdb_env_open(env[0], folder, 0, 384) == 0)
  assert(c.store.mdb_txn_begin(env[0], nil, 0, txn) == 0)
  assert(c.store.mdb_dbi_open(txn[0], nil, 0, dbi) == 0)
  local name, data = ffi.new("struct spec_val", { #key, key }), ffi.new("struct spec_val", { #value, value })
  assert(c.store.mdb_put(txn[0], dbi[0], name, data, 0) == 0)
  assert(c.store.mdb_txn_commit(txn[0]) == 0)
  c.store.mdb_env_close(env[0])
end

local function big_endian(number)
  return string.char(math.floor(number / 2 ^ 24) % 256, math.floor(number / 2 ^ 16) % 256,
    math.floor(number / 2 ^ 8) % 256, number % 256)
end

describe("a store on disk", function()
  local folder, store

  local function open(options)
    local reason
    store, reason = disk.open(folder, options)
    return store, reason
  end

  local function close()
    if store then store.engine.close(store) end
    store = nil
  end

  local function reopen(options)
    close()
    return open(options)
  end

  before_each(function() folder = disk.folder() end)
  after_each(function()
    close()
    disk.remove(folder)
  end)

  it("keeps its records when it is closed and opened again", function()
    open()
    disk.commit(store, { "a", "1" }, { "b", "2", ("x"):rep(100000) })
    disk.commit(store, { "a" }, { "c", "" })
    reopen()
    assert.are.same({ "c=" }, (disk.scan(store, "c")))
    assert.are.equal(100001, #disk.get(store, "b"))
    assert.are.equal(2, disk.stat(store).records)
  end)

  -- Was: a store that was only written to never learned where its map is, and held a fifth of the file in memory.
  it("gives the pages that it has seen back to the system", function()
    local function resident()
      local found, kib = false, 0
      for line in io.lines "/proc/self/smaps" do
        if line:match "^%x+%-%x+ " then found = line:find(folder .. "/data.mdb", 1, true) ~= nil end
        if found then kib = kib + tonumber(line:match "^Rss:%s+(%d+)" or 0) end
      end
      return kib
    end
    open()
    local most, before, given_back = 0, 0, false
    for batch = 1, 45 do
      local changes = {}
      for n = 1, 200 do changes[n] = { ("k%05d"):format(batch * 200 + n), ("x"):rep(1000) } end
      disk.commit(store, unpack(changes))
      store.engine.tend(store)
      local now = resident()
      given_back = given_back or now < before / 2
      most, before = math.max(most, now), now
    end
    assert.is_true(given_back, most .. " KiB")
  end)

  it("is there for its user only", function()
    open()
    local pipe = io.popen("stat -c %a '" .. folder .. "/data.mdb'")
    assert.are.equal("600", pipe:read "*l")
    pipe:close()
  end)

  it("says that it is durable, and whether a power cut may undo its last commits", function()
    open()
    assert.is_true(store.engine.durable)
    assert.is_false(store.engine.relaxed)
    reopen { relaxed = true }
    assert.is_true(store.engine.relaxed)
  end)

  describe("with a flipped bit", function()
    local function flip(text)
      close()
      local bytes = read_file(folder .. "/data.mdb")
      local at, count = 1, 0
      while true do
        local first = bytes:find(text, at, true)
        if not first then break end
        local byte = string.char(bytes:byte(first) % 2 == 0 and bytes:byte(first) + 1 or bytes:byte(first) - 1)
        bytes = bytes:sub(1, first - 1) .. byte .. bytes:sub(first + 1)
        at, count = first + 1, count + 1
      end
      assert(count > 0, "the text is not in the file")
      write_file(folder .. "/data.mdb", bytes)
      open()
    end

    before_each(function()
      open()
      disk.commit(store, { "a", "one" }, { "b", "the value of b" }, { "c", "three" })
    end)

    it("says that the record is damaged, and gives what is there", function()
      flip "the value of b"
      local value, status = disk.get(store, "b")
      assert.are.same({ "uhe value of b", "DAMAGED" }, { value, status })
    end)

    it("gives all the other records", function()
      flip "the value of b"
      assert.are.same({ "a=one", "b!", "c=three" }, (disk.scan(store, "")))
      assert.are.same({ "one", "three" }, disk.get_many(store, { "a", "c" }))
    end)

    it("sees a key that has become another", function()
      disk.commit(store, { "long key", "its value" })
      flip "long key"
      assert.are.same({ "mong key!" }, (disk.scan(store, "mong")))
    end)

    it("takes a new value over the damaged one, and deletes it", function()
      flip "the value of b"
      disk.commit(store, { "b", "anew" })
      assert.are.equal("anew", disk.get(store, "b"))
      disk.commit(store, { "b" })
      assert.are.same({ "a=one", "c=three" }, (disk.scan(store, "")))
    end)
  end)

  describe("that cannot be opened", function()
    local function refusal(options)
      local opened, reason = reopen(options)
      assert.is_nil(opened)
      return plain(reason, folder)
    end

    it("names both formats when a newer version wrote it", function()
      local key, number = "\0moonpost", big_endian(2)
      local sum = tonumber(c.store.crc32c(0, key .. number, #key + 4))
      open()
      close()
      put_raw(folder, key, big_endian(sum) .. number)
      assert.are.equal("the store FOLDER has format 2 and this version knows formats up to 1; run the newer " ..
        "moonpost that wrote it, or name another folder with --store", refusal())
    end)

    it("does not trust a damaged format", function()
      put_raw(folder, "\0moonpost", big_endian(0) .. big_endian(1))
      assert.are.equal("the format record of the store FOLDER is damaged; restore a backup", refusal())
    end)

    it("begins anew where the power went while it was made, and never has its name before it is whole", function()
      write_file(folder .. "/new.mdb", ("half a page"):rep(100))
      write_file(folder .. "/data.mdb", "")
      open()
      assert.are.equal("OK", disk.commit(store, { "key", "value" }))
      close()
      assert.is_nil(io.open(folder .. "/new.mdb"))
      open()
      assert.are.equal("value", disk.get(store, "key"))
    end)

    it("does not write into a data.mdb of somebody else", function()
      put_raw(folder, "theirs", "value")
      assert.truthy(refusal():find("FOLDER/data.mdb is no store of Moonpost", 1, true))
      write_file(folder .. "/data.mdb", ("no store"):rep(2000))
      assert.truthy(refusal():find("FOLDER/data.mdb is no store of Moonpost", 1, true))
    end)

    it("says when there is none to look at", function()
      assert.are.equal("there is no store in FOLDER; name its folder with --store", refusal { read_only = true })
    end)
  end)

  it("can be looked at while another has it open", function()
    open()
    disk.commit(store, { "a", "1" })
    local other = assert(disk.open(folder, { read_only = true }))
    disk.commit(store, { "b", "2" })
    assert.are.same({ "a=1", "b=2" }, (disk.scan(other, "")))
    other.engine.close(other)
  end)

  it("fills its pages when keys come in order, also after it was opened again", function()
    open()
    local body = ("x"):rep(1190)
    for n = 1, 150 do
      if n == 75 then reopen() end
      disk.commit(store, { ("m%06d"):format(n), body }, { ("a%06d"):format(n) })
    end
    assert.is_true(disk.stat(store).used_pages < 150 / 3 + 10)
    disk.commit(store, { "m000150" }, { "m000000", "before all" }, { "m000149" }, { "m000149x", "last" })
    assert.are.same({ "m000148=" .. body, "m000149x=last" }, (disk.scan(store, "m", "m000148")))
  end)

  it("grows before it is full, and when one batch is more than there is", function()
    open()
    local before = disk.stat(store).map_bytes
    local body = ("x"):rep(MIB)
    for n = 1, 40 do
      disk.commit(store, { "m" .. n, body })
      store.engine.tend(store)
    end
    local between = disk.stat(store)
    assert.are.equal(2 * before, between.map_bytes)
    assert.is_true(between.file_bytes > 40 * MIB)
    local changes = {}
    for n = 1, 150 do changes[n] = { "n" .. n, body } end
    assert.are.equal("OK", disk.commit(store, unpack(changes)))
    assert.is_true(disk.stat(store).map_bytes > between.map_bytes)
    reopen()
    assert.are.equal(190, disk.stat(store).records)
  end)

  describe("that gets full", function()
    local function fill()
      local count = 0
      repeat
        count = count + 1
        assert.are.equal("OK", disk.commit(store, { ("m%06d"):format(count), ("x"):rep(1000) }))
        store.engine.tend(store)
      until store.engine.room(store).full or count == 5000
      return count
    end

    it("says so at four fifths of max, and can be emptied one by one", function()
      open { max = 2 * MIB }
      local count = fill()
      assert.is_true(count > 800 and count < 1700, count)
      local stat = disk.stat(store)
      assert.is_true(stat.used_pages * stat.page_bytes >= 1.6 * MIB)
      for n = 1, count do
        assert.are.equal("OK", disk.commit(store, { ("m%06d"):format(n) }))
        store.engine.tend(store)
      end
      assert.is_false(store.engine.room(store).full)
      assert.are.equal(0, disk.stat(store).records)
      assert.is_true(disk.stat(store).map_bytes <= 2 * MIB)
    end)

    it("names max when somebody goes on", function()
      open { max = MIB }
      local status
      repeat
        status = disk.commit(store, { ("n%06d"):format(math.random(1e6)), ("x"):rep(1000) })
      until status ~= "OK"
      assert.are.equal("FULL", status)
      assert.are.equal("the store FOLDER is full: it has all 1 MiB of store.max; raise max, or remove dead letters",
        plain(disk.error(store), folder))
    end)

    it("takes a file system without room for one that is full, and loses nothing", function()
      local XFSZ, FSIZE = 25, 1
      local was, limit = ffi.new "struct spec_limit", ffi.new("struct spec_limit", { 2 * MIB, 0 })
      local handler = ffi.C.signal(XFSZ, ffi.cast("void *", 1))
      ffi.C.prlimit(0, FSIZE, nil, was)
      limit.most = was.most
      open()
      ffi.C.prlimit(0, FSIZE, limit, nil)
      local count = fill()
      local status
      repeat
        status = disk.commit(store, { ("n%06d"):format(math.random(1e6)), ("x"):rep(1000) })
        if status == "OK" then count = count + 1 end
      until status ~= "OK"
      local reason = disk.error(store)
      ffi.C.prlimit(0, FSIZE, was, nil)
      ffi.C.signal(XFSZ, handler)
      assert.are.equal("FULL", status)
      assert.are.equal("no room left on the file system of FOLDER; make room there and start again",
        plain(reason, folder))
      reopen()
      assert.are.equal(count, disk.stat(store).records)
    end)
  end)

  it("is copied without its free pages, and the copy is a store", function()
    open()
    for n = 1, 50 do disk.commit(store, { "m" .. n, ("x"):rep(100000) }) end
    for n = 1, 49 do disk.commit(store, { "m" .. n }) end
    local copy = disk.folder()
    local file = ffi.C.open(copy .. "/data.mdb", 65, 384)
    assert.are.equal("OK", c.status(c.store.store_lmdb_copy(store, file)))
    ffi.C.close(file)
    assert.is_true(#read_file(copy .. "/data.mdb") < 200000)
    local other = assert(disk.open(copy))
    assert.are.equal(100000, #disk.get(other, "m50"))
    other.engine.close(other)
    disk.remove(copy)
  end)
end)

describe("the folder of a store", function()
  local folder

  before_each(function() folder = disk.folder() end)
  after_each(function() disk.remove(folder) end)

  local function lock(path, holder)
    local failure = ffi.new "char[512]"
    local file = c.store.folder_lock(path, holder, failure, 512)
    if file < 0 then return nil, plain(ffi.string(failure), folder) end
    return file
  end

  it("is made when it is not there", function()
    local file = assert(lock(folder .. "/data", 1))
    assert.are.equal(1, tonumber(c.store.folder_holder(folder .. "/data")))
    ffi.C.close(file)
  end)

  it("belongs to one at a time, and says to whom", function()
    local me = ffi.C.getpid()
    local file = assert(lock(folder, me))
    local second, reason = lock(folder, 7)
    assert.is_nil(second)
    assert.are.equal(("another process (pid %d) uses the folder FOLDER; stop it first, or use another folder"):format(me),
      reason)
    ffi.C.close(file)
    assert.are.equal(0, tonumber(c.store.folder_holder(folder)))
    file = assert(lock(folder, me))
    ffi.C.close(file)
  end)

  it("says what is in its way", function()
    write_file(folder .. "/file", "")
    local _, reason = lock(folder .. "/file", 1)
    assert.are.equal("cannot use the folder FOLDER/file: Not a directory", reason)
    _, reason = lock(folder .. "/no/data", 1)
    assert.are.equal("cannot use the folder FOLDER/no/data: No such file or directory", reason)
  end)
end)
