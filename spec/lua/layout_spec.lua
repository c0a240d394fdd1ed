local layout = require "moonpost.cli.layout"

local COLUMNS = {
  { key = "id", head = "ID" },
  { key = "size", head = "SIZE", right = true, spare = true },
  { key = "name", head = "NAME", flexible = true },
  { key = "note", head = "NOTE", optional = true },
  { key = "reason", head = "REASON", optional = true, below = true },
}

describe("a table", function()
  local function lines(rows, room) return table.concat(layout.lines(COLUMNS, rows, room), "\n") end

  it("is as wide as it is where nothing has an edge", function()
    assert.equal("ID   SIZE  NAME\nabc     7  mail@local", lines { { id = "abc", size = "7", name = "mail@local" } })
  end)

  it("puts a long column below its row, whole as far as there is room", function()
    local rows = {
      { id = "a", size = "7", name = "n", reason = ("x"):rep(30) },
      { id = "b", size = "7", name = "n" },
      { id = "c", size = "7", name = "n", reason = ("y"):rep(50) },
    }
    assert.equal("ID  SIZE  NAME\na      7  n\n    " .. ("x"):rep(30) .. "\nb      7  n\nc      7  n\n    " ..
      ("y"):rep(35) .. "…", lines(rows, 40))
  end)

  it("leaves out what can be spared, before it cuts", function()
    local rows = { { id = "a", size = "1.2 MB", name = "mail@local", note = "paused" } }
    assert.equal("ID  NAME        NOTE\na   mail@local  paused", lines(rows, 24))
    rows[1].name = "a-very-long-name@local"
    assert.equal("ID  NAME          NOTE\na   a-very-long…  paused", lines(rows, 24))
  end)
end)
