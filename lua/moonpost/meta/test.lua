---@meta moonpost.test

--- Worlds for specs, from `require "moonpost.test"`: nodes, agents and links in virtual time. Real files run in them; no time
--- passes but by hand, and links cost nothing until a fault says so.
---@class moonpost.test
local test = {}

--- A new world. It has one node, `"node"`, until the first `world:node`.
---@param options? { seed?: integer, start?: moonpost.Moment, env?: table<string, string> }
---@return moonpost.World world
function test.world(options) end

--- What a fuzz draws.
---@class moonpost.FuzzOptions
---@field runs? integer worlds (100)
---@field seed? integer of the first (1)
---@field faults? table kinds, as a list or as a table of flags: `drop`, `duplicate`, `reorder`, `delay`, `cut`, `cut_silently`, `cut_one_way`, `crash`, `pause`, `disk_full`, `disk_fails`, `disk_slow`, `reload`, `clock` (all)
---@field lasts? moonpost.Duration in which faults begin (30 s)
---@field most? integer faults in a world (12)

--- Run a function in many worlds, each with another seed and another storm of faults; afterwards everything must come to its
--- end, and no promise may be broken (`world:check`); then what the function returned, if it is a function, is called with the
--- world. Raises with the seed and the shortest list of faults found.
---@param options moonpost.FuzzOptions
---@param body fun(world: moonpost.World): fun(world: moonpost.World)|nil
function test.fuzz(options, body) end

-- ---- Worlds ----

--- A world.
---@class moonpost.World
local world = {}

--- Add a node; its name is its address for other nodes' links.
---@param name string
---@param settings? moonpost.NodeFields|string the settings, or the file they are in
---@param identity? { goes_by?: string, store?: string, epoch?: integer } for two nodes with one name, or one that was started again
---@return string name
function world:node(name, settings, identity) end

--- Load an agent.
---@param what string|moonpost.Agent a file, or what `moonpost.agent` answers
---@param options? { node?: string }
---@return string|nil address nil for a file
function world:load(what, options) end

--- Load an agent again, from its file, from another, or from a value; the next delivery runs in it.
---@param address string
---@param what? string|moonpost.Agent nil: its own file
---@param options? { node?: string }
---@return boolean|nil true
---@return string|nil reason why the one before goes on
function world:reload(address, what, options) end

--- Send; everything due now has then happened, and no time has passed. The option `from` names the node.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return string id
function world:send(to, body, options) end

--- Send and let time pass until the answer. Raises when none can come any more, with what is pending.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return any result
---@return string|nil reason
---@return string|nil code
function world:call(to, body, options) end

--- Let time pass.
---@param time moonpost.Duration
function world:advance(time) end

--- Let time pass until nothing is pending. Raises when that cannot come, takes over 24 hours, or 200,000 moments at which
--- something happens, and says who waits for what.
function world:settle() end

--- The receipt of a send, or nil while there is none.
---@param id string
---@return moonpost.Receipt|nil receipt
function world:receipt(id) end

--- When a fact of a message happened, in seconds since its send: `"sent"`, `"delivered"`, `"retrying"`, `"handled"`, `"acked"`
--- and all other names of `moonpost.hook`.
---@param id string
---@param fact string
---@param options? { round?: number } to so many seconds
---@return number[] times
function world:times(id, fact, options) end

--- All that happened to a message, or in the world: tables with `fact`, `at`, `node`.
---@param id? string
---@return table[] facts
function world:facts(id) end

--- The messages that were handed to an agent, in order.
---@param address string
---@return moonpost.Msg[] messages
function world:received(address) end

--- The dead letters of an address.
---@param address string
---@return table[] letters
function world:dead(address) end

--- What an agent keeps in `ctx.state` (under `order = "key"`: for a key), as it is now; nil when it keeps nothing.
---@param address string
---@param key? string
---@param options? { node?: string } whose agent, when several nodes have it
---@return table|nil
function world:state(address, key, options) end

--- A record of an agent's `ctx.kv`, as it is now; nil when it is not there.
---@param address string
---@param key string
---@param options? { node?: string }
---@return any
function world:kv(address, key, options) end

--- What became of a message: its `state`, as `"handled"`, `"dead"`, `"expired"`, `"purged"` or where it waits (`"waiting"`, `"leased"`,
--- `"deferred"`, `"awaiting"`), its `attempts`, and its `steps`: all that `world:facts` has of it. Nil: nobody knows it.
---@param id string
---@return { state: string, attempts: integer, steps: table[] }|nil
function world:trace(id) end

--- A metric as `moonpost metrics` shows it: the sum over all nodes that are up, or of one, and over all samples that have
--- these labels.
---@param name string with or without `moonpost_`
---@param labels? table<string, string>
---@param options? { node?: string }
---@return number
function world:metric(name, labels, options) end

--- An agent that answers as a script says: a list that is played in order, then its `rest` (`"ok"`), or one entry for all
--- requests. An entry is `"ok"`, `"timeout"`, an HTTP status (from 400 on it is an error `HTTP_404`), `{ reply = }`, `{ error =, code = }`,
--- or a function of the request that answers as a handler does. Each request is answered once: a fake does not retry.
---@param address string
---@param script? any
---@param options? { node?: string }
---@return moonpost.Fake fake
function world:fake(address, script, options) end

--- An agent of a world that plays a script.
---@class moonpost.Fake
---@field requests moonpost.Msg[] what it was asked, in order
local fake = {}

--- Play another script from the next request on.
---@param script any
function fake:plays(script) end

--- Links between two nodes die, and none can be made until `heal`. `silent`: nobody is told, what they say to each other
--- vanishes; `one_way`: what a says to b does, while b is heard.
---@param a string
---@param b string
---@param options? { silent?: boolean, one_way?: boolean }
function world:cut(a, b, options) end

--- Links between two nodes can be made again.
---@param a string
---@param b string
function world:heal(a, b) end

--- What two nodes say to each other takes so long from now on.
---@param a string
---@param b string
---@param time moonpost.Duration
function world:delay(a, b, time) end

--- Messages and receipts between two nodes get lost, come twice, or come late, behind others: rates between 0 and 1, until it is
--- called again. Links do not notice.
---@param a string
---@param b string
---@param rates? { lose?: number, duplicate?: number, reorder?: number }
function world:rough(a, b, rates) end

--- The process of a node ends as by kill -9: what was not durable is gone; of the commit that its disk was at, all or nothing is
--- there. From one of its own handlers: it ends with this call.
---@param name string
function world:crash(name) end

--- Start a node again after a crash: its settings, hooks and agents are loaded anew, its store is read, and its epoch is the
--- next. A node with `store = "memory"` begins with nothing. Raises when its store cannot be used.
---@param name string
function world:restart(name) end

--- Whether a node runs: it has not crashed, or was started again.
---@param name string
---@return boolean up
function world:up(name) end

--- A node stands still, as a process that is stopped, until `resume`.
---@param name string
function world:pause(name) end

--- A node that stands still goes on.
---@param name string
function world:resume(name) end

--- A node's disk is `"full"` (nothing new is accepted), `"failing"` (the next commit fails, which ends the process), `"lying"` (it says
--- that commits are done, and keeps none: promises break, and `check` says which) or `"ok"` again. `commit`: a commit takes up to so long; `fails_in`: the so-many-th commit from now fails.
---@param name string
---@param state? "ok"|"full"|"failing"|"lying"
---@param options? { commit?: moonpost.Duration, fails_in?: integer }
function world:disk(name, state, options) end

--- One bit of a node's store changes, in a record of this kind (a letter) or of any.
---@param name string
---@param kind? string
---@return string|nil kind of the record; nil: there is none
function world:flip(name, kind) end

--- Look at every record of a node's store, as `moonpost store check` does.
---@param name string
---@return integer findings
---@return string first what the first of them is
function world:store_check(name) end

--- The wall clocks of all nodes say this moment now.
---@param moment moonpost.Moment
function world:set_time(moment) end

--- A sum of all that was said between the nodes so far, and of all facts: the same run has the same.
---@return string hash
function world:trace_hash() end

--- Raises when a promise was broken so far: a confirmed message was lost, one that had come to an end was handed over again, a
--- receipt was not true, an attempt was not counted, a store has findings. What is still on its way is neither kept nor broken.
function world:check() end

--- Put a hook, a fault for instance, into a node; a text is a fault as `moonpost run --fault` takes it.
---@param hook moonpost.Hook|string
---@param options? { node?: string }
function world:fault(hook, options) end

--- Lines of log since the last call: tables with `at`, `node`, `level`, `text`, `id`, `fields`.
---@return table[] lines
function world:log() end

--- A node's counters.
---@param name? string
---@return table<string, number> counts
function world:counts(name) end

--- Run a program in the world until it ends.
---@param file string
---@param options? { name?: string, root?: string }
---@return integer code its exit code
---@return string|nil reason
function world:exec(file, options) end

--- Give back what the world holds; it cannot be used afterwards.
function world:close() end

return test
