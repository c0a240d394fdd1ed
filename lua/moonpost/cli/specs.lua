--- Runs busted in this state: the other end of `moonpost test`.
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
local function guard_files(busted)
  local coroutines = require "moonpost.coroutines"
  local library = require("moonpost.libraries").new("spec").coroutine
  busted.subscribe({ "file", "start" }, function(file)
    file.env = file.env or {}
    file.env.pcall, file.env.xpcall = coroutines.pcall, coroutines.xpcall
    file.env.coroutine = library
    return nil, true
  end)
end

--- Results as busted shows them, and one last line that is easy to read by programs.
local function output(options)
  local busted = require "busted"
  guard_files(busted)
  local handler = require "busted.outputHandlers.plainTerminal"(options)
  local subscribe = handler.subscribe
  function handler.subscribe(self, choices)
    subscribe(self, choices)
    busted.subscribe({ "exit" }, function()
      local failed = self.failuresCount + self.errorsCount
      local pending = self.pendingsCount > 0 and (", %d skipped"):format(self.pendingsCount) or ""
      specs.ran = self.successesCount + failed + self.pendingsCount
      io.write(("%d passed, %d failed%s\n"):format(self.successesCount, failed, pending))
      return nil, true
    end)
  end
  return handler
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
  package.preload["busted.outputHandlers.moonpost"] = function() return output end
  local words = { [0] = "moonpost test" }
  for _, word in ipairs(FIXED) do words[#words + 1] = word end
  for index = 1, select("#", ...) do words[#words + 1] = (select(index, ...)) end
  rawset(_G, "arg", words)
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
