--- The core and the store for specs: headers go through the C preprocessor into ffi.cdef, code comes
--- from libcore.so and libstore.so of the build that runs the specs.
local ffi = require "ffi"

local c = { ffi = ffi }

local HEADERS = {
  "core/retry.h", "core/heap.h", "core/map.h", "core/slots.h", "core/lane.h", "core/frame.h", "core/queue.h",
  "core/seen.h", "core/engine.h", "store/store.h", "store/store_lmdb.h", "store/folder.h", "store/crc32c.h",
  "store/check.h", "store/inhand.h", "core/record.h",
}

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- A header with those of ours that it includes; what the system's declare, ffi knows by itself.
local function with_includes(name, seen, out)
  if seen[name] then return end
  seen[name] = true
  for line in read("runtime/" .. name):gmatch "[^\n]*\n" do
    local own = line:match '^#include "([^"]+)"'
    if own then
      with_includes(own, seen, out)
    elseif not line:match "^#include" then
      out[#out + 1] = line
    end
  end
end

local function preprocessed()
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  local out, seen = {}, {}
  for _, header in ipairs(HEADERS) do with_includes(header, seen, out) end
  file:write(table.concat(out))
  file:close()
  local cc = assert(io.popen("cc -E -P -xc " .. name))
  local text = cc:read "*a"
  cc:close()
  os.remove(name)
  return (text:gsub("static inline [^{]*%b{}", ""))
end

-- Beside the executable that runs this, so that a sanitized one gets sanitized code.
local function library(name)
  if not pcall(function() return ffi.C.readlink end) then
    ffi.cdef "long readlink(const char *path, char *buffer, size_t size);"
  end
  local buffer = ffi.new "char[4096]"
  local size = ffi.C.readlink("/proc/self/exe", buffer, 4096)
  local folder = ffi.string(buffer, size):match "^(.*)/bin/[^/]*$"
  local path = folder and folder .. "/" .. name
  local there = path and io.open(path)
  if not there then return "build/release/" .. name end
  there:close()
  return path
end

-- Specs share one Lua state, but not their modules: declare once.
if not pcall(ffi.sizeof, "struct store_page") then ffi.cdef(preprocessed()) end
c.core = ffi.load(library("libcore.so"))

--- The same with the store on disk.
c.store = ffi.load(library("libstore.so"))

local texts = setmetatable({}, { __mode = "k" })

--- A span of the text, which lives as long as the span.
function c.span(text)
  local span = ffi.new("struct span", { text, #text })
  texts[span] = text
  return span
end

--- The text of a span.
function c.text(span)
  return span.size > 0 and ffi.string(span.bytes, span.size) or ""
end

--- The bytes of a block, which is released.
function c.take(block)
  if block == nil then return nil end
  local text = ffi.string(block.bytes, block.size)
  c.core.block_release(block)
  return text
end

--- The name of an enum status.
function c.status(number)
  for _, name in ipairs { "OK", "MORE", "BAD_FRAME", "TOO_LARGE", "UNKNOWN_TYPE", "NOT_FOUND", "IO", "DAMAGED", "FULL" } do
    if ffi.C["STATUS_" .. name] == tonumber(number) then return name end
  end
  return tonumber(number)
end

return c
