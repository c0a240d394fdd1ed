---@meta moonpost.runtime

--- What C provides to the library; scripts do not see it.
---@class moonpost.runtime
---@field WAIT lightuserdata first value of a yield that waits
---@field null lightuserdata JSON's null
---@field array_mt table metatable of moonpost.array
---@field virtual boolean in a world: no terminal, no wall time
local runtime = {}

---@return number seconds since 1970, milliseconds precise
function runtime.now() end

---@return number seconds, monotonic
function runtime.clock() end

---@return number in [0, 1)
function runtime.random() end

---@return string id sortable by time, 26 characters
function runtime.new_id() end

---@param level "debug"|"info"|"warn"|"error"
---@param text string
---@param fields table|nil
function runtime.log(level, text, fields) end

--- Raises BAD_VALUE; its reason starts with a member's name ("items[3] is a function"), with "[", or
--- with a space when the whole value is at fault.
---@param value any
---@return string
function runtime.json_encode(value) end

---@param text string
---@return any value
---@return string|nil reason
---@return string|nil code "BAD_JSON"
function runtime.json_decode(text) end

---@return "handler"|"load"|"hook"|"policy"|"program"|"spec" where the running code is
function runtime.place() end

---@return string folder of the project; "." by default
function runtime.root() end

--- This state depends on what is, or may come, at this path.
---@param path string
function runtime.track(path) end

---@return string[] files and globs of the settings' `policies`
function runtime.policies() end

---@param name string
---@return string|nil the node's own environment variable
function runtime.getenv(name) end

--- A fact of a delivery. Raises GONE after it.
---@param ctx moonpost.Ctx
---@param name string
---@return any
function runtime.ctx_field(ctx, name) end

--- "id/label" of the delivery's message; nil when it has none. Raises GONE.
---@param ctx moonpost.Ctx
---@param label string at most 64 bytes
---@return string|nil
function runtime.ctx_id_for(ctx, label) end

---@param ctx moonpost.Ctx
---@param id string of a message that it has sent, taken back when the delivery commits
function runtime.ctx_cancel(ctx, id) end

--- The delivery may take so long from now. False: nothing bounds it. Raises GONE.
---@param ctx moonpost.Ctx
---@param seconds number
---@return boolean
function runtime.ctx_extend(ctx, seconds) end

--- The node's process ends as by kill -9; in a world when its step is over. Raises without a node.
function runtime.crash() end

--- Decode what is left of a msg; other values are left alone.
---@param value any
function runtime.message_complete(value) end

--- Buffer a send. Raises BUSY, TOO_LARGE, GONE.
---@param ctx moonpost.Ctx
---@param send moonpost.Send borrowed during the call
---@return string id
function runtime.ctx_send(ctx, send) end

return runtime
