--- Runs busted in this state: the other end of `moonpost test`.
local libraries = require "moonpost.libraries"

local specs = {}

local NO_BUSTED, NO_SPEC = 1, 1
local INSTALL = [[
moonpost test needs busted, which is not on this machine. Install it with one of

    sudo apt install lua-busted
    luarocks install busted
]]

-- Words of our own before the files: where a project keeps its modules, and how results are shown.
local FIXED = { "--output=moonpost", "--lpath=lua/?.lua;lua/?/init.lua;./?.lua;./?/init.lua" }

-- Handlers and programs that stand in a spec must not catch what ends them from outside either, and their coroutines
-- can wait.
local function guard_files(busted, printer)
  local coroutines = require "moonpost.coroutines"
  local library = require("moonpost.libraries").new("spec").coroutine
  busted.subscribe({ "file", "start" }, function(file)
    file.env = file.env or {}
    file.env.pcall, file.env.xpcall = coroutines.pcall, coroutines.xpcall
    file.env.coroutine = library
    file.env.print = printer
    return nil, true
  end)
end

local function last_line(handler)
  local failed = handler.failuresCount + handler.errorsCount
  local pending = handler.pendingsCount > 0 and (", %d skipped"):format(handler.pendingsCount) or ""
  return ("%d passed, %d failed%s\n"):format(handler.successesCount, failed, pending)
end

-- Control characters, of a message in colours for instance, are not allowed in XML.
local function printable(text)
  return (tostring(text):gsub("[%z\1-\8\11\12\14-\31]", "?"))
end

-- A handler of busted's that writes by this function: it keeps io.write when it is loaded.
local function handler_by(name, write, options)
  local original = io.write
  rawset(io, "write", function(...)
    for index = 1, select("#", ...) do write(printable((select(index, ...)))) end
  end)
  local found, handler = pcall(function() return require("busted.outputHandlers." .. name)(options) end)
  rawset(io, "write", original)
  if not found then error(handler, 0) end
  return handler
end

local function plain(options)
  return require "busted.outputHandlers.plainTerminal"(options), function(line) io.write(line) end
end

-- What specs print would be no XML.
local function print_aside(...)
  local words = {}
  for index = 1, select("#", ...) do words[index] = tostring((select(index, ...))) end
  io.stderr:write(table.concat(words, "\t"), "\n")
end

-- For programs, to standard output: what people read stands in a comment, or on standard error.
local ALONE = {
  tap = function(options)
    return handler_by("TAP", function(text) io.stdout:write(text) end, options),
      function(line) io.write("# " .. line) end
  end,
  junit = function(options)
    return handler_by("junit", function(text) io.stdout:write(text) end, options),
      function(line) io.stderr:write(line) end
  end,
}

-- For programs, to a file, beside what people see.
local MODULES = { tap = "TAP", junit = "junit" }

local function beside(format, file, options)
  local handler = handler_by(MODULES[format], function(text) file:write(text) end, options)
  local shown, say = plain(options)
  local subscribe = shown.subscribe
  function shown.subscribe(self, choices)
    subscribe(self, choices)
    handler:subscribe(choices)
  end
  return shown, function(line)
    file:close()
    say(line)
  end
end

local function handler_for(format, file, options)
  if not format then return plain(options) end
  if not file then return ALONE[format](options) end
  return beside(format, file, options)
end

--- Results in a format, and one last line that is easy to read by people and programs.
local function output(format, file)
  return function(options)
    local busted = require "busted"
    guard_files(busted, format == "junit" and not file and print_aside or nil)
    local handler, say = handler_for(format, file, options)
    local subscribe = handler.subscribe
    function handler.subscribe(self, choices)
      subscribe(self, choices)
      busted.subscribe({ "exit" }, function()
        specs.ran = self.successesCount + self.failuresCount + self.errorsCount + self.pendingsCount
        say(last_line(self))
        return nil, true
      end)
    end
    return handler
  end
end

-- Words of our own: what they are follows them.
local function own_words(...)
  local own, words = {}, {}
  for index = 1, select("#", ...) do
    local word = select(index, ...)
    local name, value = word:match("^%-%-moonpost%-(%w+)=(.*)$")
    if name then own[name] = value else words[#words + 1] = word end
  end
  return own, words
end

--- Run busted with these words. `call` must be a function of a chunk whose name is a file's: only then does
--- busted end by an error instead of ending the process.
---@param call fun(runner: function, options: table)
---@param ... string
---@return integer exit code
function specs.main(call, ...)
  if (...) == "--sim" then return require("moonpost.cli.worlds").main(select(2, ...)) end
  local found, runner = pcall(require, "busted.runner")
  if not found then
    io.stderr:write(INSTALL)
    return NO_BUSTED
  end
  local own, given = own_words(...)
  local file = own.to and assert(io.open(own.to, "w"))
  package.preload["busted.outputHandlers.moonpost"] = function() return output(own.output, file) end
  local words = { [0] = "moonpost test" }
  for _, word in ipairs(FIXED) do words[#words + 1] = word end
  for _, word in ipairs(given) do words[#words + 1] = word end
  rawset(_G, "arg", words)
  rawset(os, "date", libraries.date) -- of handlers that are values of a spec, too
  rawset(os, "time", libraries.time)
  local ok, reason = pcall(call, runner, { standalone = false })
  io.stdout:flush()
  if ok and specs.ran == 0 then
    io.stderr:write("moonpost test: there is no such spec: no file ends with _spec.lua, or --filter matches none\n")
    return NO_SPEC
  end
  if ok then return 0 end
  if reason == nil then return 1 end
  error(reason, 0)
end

return specs
