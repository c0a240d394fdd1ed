--- Errors: objects with a code for what may happen, texts at the caller's line for misuse.
local runtime = require "moonpost.runtime"

local errors = {}

--- What every "not yet" says.
errors.NOT_YET = "not yet in this version"

---@class moonpost.Error
---@field code string a word of API.md section 13
---@field reason string a sentence for people
---@field final boolean trying again cannot help
---@field ref string|nil id of the message it is about
---@field outside boolean|nil the delivery was ended from outside: passes through pcall
local object = { __name = "moonpost.error" }

function object.__tostring(self)
  return self.code .. ": " .. self.reason
end

local FINAL = {}
for code in ([[REJECTED DEAD EXPIRED TOO_LARGE BAD_SCHEMA BAD_VALUE NO_METHOD NO_KEY PROFILE_MISMATCH FENCED
  NAME_TAKEN ADDRESS_TAKEN IN_DOUBT UNSUPPORTED DENIED CANCELLED]]):gmatch("%S+") do
  FINAL[code] = true
end

--- Is trying again useless after this code?
---@param code string|nil
---@return boolean
function errors.is_final(code)
  return FINAL[code] == true
end

--- An error object. `final` follows from the code when it is not given; BAD_VALUE is a script's own
--- fault, and final only when said so.
---@param fields { code: string, reason: string, final: boolean|nil, ref: string|nil, outside: boolean|nil }
---@return moonpost.Error
function errors.new(fields)
  local final = fields.final
  if final == nil then final = errors.is_final(fields.code) and fields.code ~= "BAD_VALUE" end
  return setmetatable({
    code = fields.code,
    reason = fields.reason,
    final = final,
    ref = fields.ref,
    outside = fields.outside,
  }, object)
end

---@param value any
---@return boolean
function errors.is(value)
  return getmetatable(value) == object
end

--- Was the delivery ended from outside (its timeout, its budget, a stop)?
---@param value any
---@return boolean
function errors.is_outside(value)
  return getmetatable(value) == object and value.outside == true
end

--- Raise an error object.
---@param code string
---@param reason string
function errors.raise(code, reason)
  error(errors.new { code = code, reason = reason }, 0)
end

--- Raise UNSUPPORTED for a name of the API that this version does not have. It is the script's fault,
--- so a message is not lost by it.
---@param what string such as "ctx:publish"
---@param reason string|nil
function errors.not_yet(what, reason)
  local text = what .. ": " .. (reason or errors.NOT_YET)
  error(errors.new { code = "UNSUPPORTED", reason = text, final = false }, 0)
end

-- Chunks of the library share what stands before "errors" in this chunk's own name: "=moonpost" when it
-- is embedded, a folder otherwise.
local source = debug.getinfo(1, "S").source
local OURS = source:match("^(=.*)%.errors$") or source:match("^(.*/)errors[^/]*$") or source

-- By function of this library that runs a script's own: which one, told by what the first was called with.
local runners = {}

--- Say which function of a script a function of this library runs.
---@param runner function
---@param ran fun(...: any): function|nil of the arguments of the runner, up to four
function errors.runs(runner, ran)
  runners[runner] = ran
end

local function arguments(level)
  local values = {}
  for index = 1, 4 do
    local _, value = debug.getlocal(level + 1, index)
    values[index] = value
  end
  return unpack(values, 1, 4)
end

local function beginning(ran)
  local where = ran and debug.getinfo(ran, "S")
  return where and ("%s:%d: in the function that begins here: "):format(where.short_src, where.linedefined) or ""
end

--- The nearest place outside this library, as "file:line: ", or nothing. `return moonpost.defer(...)` is a tail call,
--- which leaves no frame of its function: then the place where that one begins.
---@return string
function errors.place()
  for level = 3, 50 do
    local frame = debug.getinfo(level, "Slf")
    if not frame then return "" end
    if runners[frame.func] then return beginning(runners[frame.func](arguments(level))) end
    if frame.what ~= "C" and frame.source:sub(1, #OURS) ~= OURS then
      return ("%s:%d: "):format(frame.short_src, frame.currentline)
    end
  end
  return ""
end

--- Raise a text at the line that called into this library, wherever that is.
---@param text string
function errors.at_caller(text)
  error(errors.place() .. text, 0)
end

--- Raise a text for the misuse of an API: at the caller's line, except while a file loads, where the
--- loader puts the file's name before it.
---@param text string
function errors.misuse(text)
  if runtime.place() == "load" then error(text, 0) end
  error(errors.place() .. text, 0)
end

return errors
