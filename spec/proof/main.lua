--- The proofs, called by the Makefile: main.lua NAME [EXECUTABLE] with ITER, SEED and SECONDS in the environment.
--- They need what scripts are not given (processes, sockets), so all but this file is found as rocks are: by LUA_PATH.
local name, executable = unpack(arg)

local function number(variable, default)
  return tonumber(os.getenv(variable)) or default
end

return require("proof." .. name).run {
  executable = executable,
  rounds = number("ITER", 40),
  seed = number("SEED", os.time() % 1000000),
  seconds = number("SECONDS", math.huge),
}
