local ledger = require "spec.proof.ledger"

describe("the ledger of a proof", function()
  local book

  local function read(...)
    for _, line in ipairs { ... } do book:take(line .. "\n") end
  end

  local function broken() return table.concat(book.violations, "\n") end

  before_each(function()
    book = ledger.new(function(id) return id:match "%.(%l)" or "o" end)
  end)

  it("is content when what was confirmed was handled", function()
    read("sent p1 1", "do p1 1 1", "done p1", "stored p1")
    book:settle()
    assert.equal("", broken())
    assert.same({ 1, 1, 1 }, { book.counts.messages, book.counts.confirmed, book.counts.handled })
  end)

  it("names a confirmed message that nobody handled, with what it knows of it", function()
    read("sent p1 1", "stored p1", "do p1 1 1", "killed receiver")
    book:settle()
    assert.equal("p1 was confirmed and is lost: sent 1 times, confirmed stored, refused no, handler began 1 times "
      .. "(last attempt 1), handled 0 times", broken())
  end)

  it("does not miss what was never confirmed", function()
    read("sent p1 1", "killed receiver")
    book:settle()
    assert.equal("", broken())
  end)

  it("misses what the handler of a confirmed message had to send", function()
    book:feeds("p1", 2)
    read("do p1 1 1", "done p1", "stored p1", "do p1.1 1 1", "done p1.1")
    assert.same({ "p1.2" }, book:unfinished())
  end)

  it("takes a dead letter for an end, once its last attempt was made", function()
    read("stored p1.d", "do p1.d 3 1")
    assert.same({ "p1.d" }, book:unfinished())
    read("do p1.d 4 1")
    assert.same({}, book:unfinished())
  end)

  it("asks the store about a message whose last attempt was charged to a handler that was killed as it began", function()
    read("stored p1.d", "do p1.d 3 1", "killed receiver")
    assert.same({ "p1.d" }, book:almost_dead())
    assert.same({ "p1.d" }, book:unfinished())
    book:is_letter "p1.d"
    assert.same({}, book:unfinished())
    assert.same({}, book:almost_dead())
  end)

  it("names what is handled again after its sender was told that it was handled", function()
    read("sent p1 1", "do p1 1 1", "done p1", "handled p1", "killed receiver", "do p1 1 1")
    assert.matches("^p1 is handled again although its sender knows", broken())
  end)

  it("names what is handled again after everything was settled", function()
    read("stored p1", "do p1 1 1", "done p1")
    book:settle()
    read("killed receiver", "do p1 1 2")
    assert.matches("^p1 is handled again although it was settled", broken())
  end)

  it("lets a sender with an outbox in memory send again what it has heard nothing of", function()
    read("sent p1 1", "do p1 1 1", "done p1")
    book:settle()
    read("sent p1 2", "do p1 1 2")
    assert.equal("", broken())
  end)

  it("names what is sent again although its sender knows that it is stored", function()
    read("sent p1 1", "sent p1 2", "stored p1", "do p1 1 1", "done p1")
    book:settle()
    read("do p1 1 2")
    assert.equal("", broken())
    read("sent p1 3", "do p1 1 3")
    assert.matches("^p1 is handled again although it was settled", broken())
  end)

  it("lets a message be handled again when its handling was cut short by a kill", function()
    read("sent p1 1", "stored p1", "do p1 1 1", "done p1", "killed receiver", "do p1 1 1", "done p1")
    assert.equal("", broken())
    assert.equal(1, book.counts.duplicated)
  end)

  it("names what is handled again although it had left the store of its owner", function()
    read("sent o1 1", "do o1 1 1", "done o1", "stored o1", "sent o2 1", "do o2 1 1", "done o2", "stored o2", "sent o3 1",
      "do o3 1 1", "done o3", "killed receiver", "kept o2", "looked receiver", "do o2 1 1", "sent o3 2", "do o3 1 2")
    assert.equal("", broken())
    read("sent o1 2", "do o1 1 2")
    assert.matches("^o1 is handled again although its end was on disk", broken())
  end)

  it("lets a copy that was sent again be handled by an agent without a dedup policy, and by no other", function()
    read("sent p1 1", "do p1 1 1", "done p1", "sent p1 2", "do p1 1 2")
    assert.equal("", broken())
    read("sent o1 1", "do o1 1 1", "done o1", "sent o1 2", "do o1 1 2")
    assert.matches("^o1 is handled twice, and nothing was killed between", broken())
  end)

  it("keeps the beginning of a line until the rest has come", function()
    book:take "stored p1\nhand"
    book:take "led p1\n"
    assert.equal(2, book.lines)
  end)
end)
