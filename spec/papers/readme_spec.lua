-- What the README shows is run as it stands.
local function blocks()
  local file = assert(io.open("README.md"))
  local text = file:read("*a")
  file:close()
  local found = {}
  for block in text:gmatch("\n```lua\n(.-)\n```") do
    found[block:match("^%-%- (%S+)")] = block
  end
  return found
end

local function save(folder, name, text)
  local path = folder .. "/" .. name:match("[^/]+$")
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

describe("the README", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder) == 0)
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  it("shows an agent and specs of it that pass", function()
    local shown = blocks()
    local agent = save(folder, "greeter.lua", shown["greeter.lua"])
    local specs = shown["spec/greeter_spec.lua"]:gsub('"greeter%.lua"', ("%q"):format(agent))
    local names = {}
    local environment = setmetatable({
      describe = function(_, body) body() end,
      it = function(name, body)
        body()
        names[#names + 1] = name
      end,
    }, { __index = getfenv(1) })
    setfenv(assert(loadstring(specs, "@README.md")), environment)()
    assert.same({ "greets by name", "is asked again until its answer arrives" }, names)
  end)
end)
