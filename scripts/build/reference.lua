-- Prints docs/reference.md, made of the editor types:  moonpost exec scripts/build/reference.lua
--
-- A block is what stands between empty lines: words, annotations, and the declaration that they are about.
local FILES = { "lua/moonpost/meta/moonpost.lua", "lua/moonpost/meta/test.lua" }

local HEAD = [[
# Reference

What scripts can use, made by `make reference` from the types that editors show (`lua/moonpost/meta`). Fields with a `?`
may be left out; what stands last in their row is the default. Guides: [Your first agent](first-agent.md), [Writing
agents](writing-agents.md), [Retry and ACKs](retry-and-acks.md), [Testing agents](testing-agents.md),
[Operating a node](operating.md).]]

local out = {}

local function say(text) out[#out + 1] = text end

-- The type at the start of a text ends at the first space outside of brackets, names' colons and separators.
local function split_type(text)
  local depth, index = 0, 1
  while index <= #text do
    local char = text:sub(index, index)
    if char:find("[%(%[{<]") then depth = depth + 1 end
    if char:find("[%)%]}>]") then depth = depth - 1 end
    local goes_on = text:sub(index - 1, index - 1):find("[:,|]")
    if char == " " and depth == 0 and not goes_on then break end
    index = index + 1
  end
  return text:sub(1, index - 1), (text:sub(index + 1))
end

local function short(kind) return (kind:gsub("moonpost%.(%u)", "%1")) end

local function cell(text) return (text:gsub("|", "\\|")) end

local function code(text) return "`" .. cell(short(text)) .. "`" end

local function read_block(lines)
  local block = { words = {}, fields = {}, params = {}, returns = {} }
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^%-%-%-@(%S+)%s*(.*)$")
    local words = line:match("^%-%-%-%s+(.*)$")
    if tag == "class" then
      block.class = rest
    elseif tag == "alias" then
      block.alias = true
    elseif tag == "field" or tag == "param" then
      local name, more = rest:match("^(%S+)%s+(.*)$")
      local kind, about = split_type(more)
      table.insert(block[tag .. "s"], { name = name, kind = kind, about = about })
    elseif tag == "return" then
      local kind, more = split_type(rest)
      table.insert(block.returns, { kind = kind, name = more:match("^%S*"), about = more:match("^%S*%s*(.*)$") })
    elseif words then
      block.words[#block.words + 1] = words
    end
    block.call = block.call or line:match("^function ([%w_.:]+)%(")
    block.heading = block.heading or line:match("^%-%- %-%-%-%- (.-) %-%-%-%-$")
  end
  return block
end

local function blocks_of(file)
  local blocks, lines = {}, {}
  for line in io.lines(file) do
    if line == "" then
      blocks[#blocks + 1] = read_block(lines)
      lines = {}
    else
      lines[#lines + 1] = line
    end
  end
  return blocks
end

local function show_fields(block)
  if #block.fields == 0 then return end
  say "\n| field | type | |\n| --- | --- | --- |"
  for _, field in ipairs(block.fields) do
    say(("| `%s` | %s | %s |"):format(field.name, code(field.kind), cell(field.about)))
  end
end

local function show_class(block)
  say(("\n### %s\n"):format(short(block.class)))
  say(table.concat(block.words, " "))
  show_fields(block)
end

local function show_call(block)
  local names = {}
  for index, param in ipairs(block.params) do names[index] = param.name end
  say(("\n#### `%s(%s)`\n"):format(block.call, table.concat(names, ", ")))
  say(table.concat(block.words, " "))
  for _, param in ipairs(block.params) do
    if param.about ~= "" or not param.kind:find("^string$") then
      say(("\n- `%s` %s %s"):format(param.name, code(param.kind), param.about):gsub("%s+$", ""))
    end
  end
  local answers = {}
  for index, answer in ipairs(block.returns) do
    answers[index] = ("`%s` %s %s"):format(answer.name, code(answer.kind), answer.about):gsub("%s+$", "")
  end
  if #answers > 0 then say("\nAnswers " .. table.concat(answers, ", ") .. ".") end
end

say(HEAD)
for _, file in ipairs(FILES) do
  for _, block in ipairs(blocks_of(file)) do
    if block.heading then say(("\n## %s"):format(block.heading)) end
    if block.class and (#block.words > 0) then
      show_class(block)
    elseif block.call then
      show_call(block)
    end
  end
end
io.stdout:write(table.concat(out, "\n"), "\n")
