---@meta moonpost

--- Everything that scripts get from `require "moonpost"`. Durations are seconds or texts such as `"250ms"`, `"5s"`, `"2m"`,
--- `"24h"`, `"7d"`; moments are epoch seconds or ISO 8601 with an offset; sizes are bytes or `"64K"`, `"256M"`, `"1G"`.
--- What is answered is always a number.
---@class moonpost
---@field VERSION string
---@field null lightuserdata JSON's null; in a map it arrives as an absent key, in a list it stays
local moonpost = {}

---@alias moonpost.Duration number|string
---@alias moonpost.Moment number|string
---@alias moonpost.Size integer|string
---@alias moonpost.Profile "at-least-once"|"at-most-once"

-- ---- Agents ----

--- What `moonpost.agent` takes.
---@class moonpost.AgentFields
---@field address string `"name@domain"`; one agent per address and node
---@field on? moonpost.On what is called
---@field methods? table<string, fun(ctx: moonpost.Ctx, msg: moonpost.Msg): any, ...> for messages with that `method`; a name with a leading `_` answers only the agent itself
---@field batch? moonpost.Batch messages without a method are handed over together, instead of `on.message`; not with `order = "key"`
---@field profile? moonpost.Profile the least it asks of senders; `"at-least-once"`
---@field key? fun(msg: moonpost.Msg): string instead of the message's own key
---@field order? "none"|"key"|"strict" what follows what: `key`: one delivery at a time for each key, and a retry parks that key; `strict`: one at a time, and a retry holds the mailbox; `"none"`
---@field concurrency? integer deliveries side by side, 1 to 1024; 8; `strict`: 1
---@field timeout? moonpost.Duration of one delivery, waiting included; then it fails with `TIMEOUT`; `"30s"`
---@field memory? moonpost.Size what its Lua state may hold; a handler that needs more fails; `"64M"`
---@field budget? moonpost.Duration of running without waiting; then it fails with `OVER_BUDGET`; `"200ms"`
---@field retry? moonpost.Retry when a failed delivery is tried again; the settings' `handle`
---@field version? integer of its state: each document carries the version that wrote it; 1
---@field reads? integer[] versions whose state it understands unchanged, beside its own
---@field migrate? fun(old: table, from: integer): table what becomes of a document that an earlier version wrote; pure. All up to 10,000 are brought over in one commit before the first delivery, more of them as they are read. When it raises, the start or reload is refused
---@field dedup? moonpost.DedupFields|"none"|string|fun(msg: moonpost.Msg): { key?: string, version?: number, ttl?: moonpost.Duration|"done" }|nil which messages are the same; `"none"`

--- Messages that are handled together, in one commit.
---@class moonpost.Batch
---@field size? integer at most, 1 to 1000; 100
---@field within? moonpost.Duration how long the first waits for others; `"200ms"`
---@field handle fun(ctx: moonpost.Ctx, msgs: moonpost.Msg[]): any, ... Answers for all as `on.message` does, or a table by index of outcomes and results; one that is missing is acknowledged. `ctx.attempt`, `last` and `transmission` are those of the message that has come furthest; what belongs to one message is nil

--- An agent's functions.
---@class moonpost.On
---@field message? fun(ctx: moonpost.Ctx, msg: moonpost.Msg): any, ... for messages without a method. Returns nothing or a result: acknowledged. Returns `nil, reason` or raises: rolled back and tried again
---@field start? fun(ctx: moonpost.Ctx, why: "boot"|"reload") before the first delivery; raising refuses the start
---@field stop? fun(ctx: moonpost.Ctx) after the last
---@field dead? fun(ctx: moonpost.Ctx, dead: moonpost.DeadLetter) for each message that became a dead letter here: a delivery of its own under the same key, promised by the commit that buried it. One that fails is tried again, and at last dropped and logged

--- A message that nobody is handed again, unless it is requeued.
---@class moonpost.DeadLetter
---@field id string
---@field address string
---@field from string
---@field method string|nil
---@field key string|nil the key in force
---@field reason string
---@field code string
---@field attempts integer
---@field first_at number epoch seconds: when it was accepted
---@field last_at number epoch seconds: when it died
---@field message moonpost.Msg
---@field failures { attempt: integer, at: number, code: string, error: string, traceback: string|nil }[] oldest first

--- A checked declaration.
---@class moonpost.Agent
---@field address string

--- Check an agent's declaration; a file returns what this answers.
---@param fields moonpost.AgentFields
---@return moonpost.Agent agent
function moonpost.agent(fields) end

-- ---- In a handler ----

--- Records of an agent, written in the commit of the delivery. A delivery sees each record as it was when it first read it,
--- with its own changes. When one that it read has changed by the time it is acked, it runs again, at no attempt.
---@class moonpost.Kv
local kv = {}

--- The value of a record: a copy; nil when it is not there.
---@param key string at most 200 bytes
---@return any
function kv:get(key) end

--- Write a record.
---@param key string
---@param value any plain data, at most 1 MiB
---@param options? { ttl?: moonpost.Duration } how long it is there; for ever
function kv:set(key, value, options) end

--- Remove a record.
---@param key string
function kv:delete(key) end

--- Add to a number; a missing record is 0. Others who add never conflict with it.
---@param key string
---@param number number
function kv:add(key, number) end

--- Records by key. `after`: the last key of the page before.
---@param options? { prefix?: string, after?: string, limit?: integer } 100 of them
---@return { key: string, value: any }[]
function kv:list(options) end

--- One delivery: what it is, and what it can do. After it, all of this raises `GONE`.
---@class moonpost.Ctx
---@field address string of the agent
---@field node string the node's name
---@field generation integer of the script
---@field key string|nil the key in force
---@field attempt integer 1 for the first delivery to a handler
---@field last boolean the policy gives no other attempt
---@field transmission integer how many times the sender has sent it; above 1 it may be a duplicate
---@field profile moonpost.Profile in force for this message
---@field expires number|nil epoch seconds; nobody wants it afterwards
---@field requeues integer how often it came back from the dead letters
---@field state table what the agent keeps (under `order = "key"`: of the key): a private copy, `{}` at first; written with the ack when it has changed
---@field kv moonpost.Kv any number of records that the agent keeps
---@field cache table the agent's, in memory: for what can be had again. It belongs to no commit, is copied to the next generation without its functions, and is gone at a restart
local ctx = {}

--- Send a message when this delivery commits; a delivery that fails sends nothing.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return string id
function ctx:send(to, body, options) end

--- Ask, at once, and wait for the result. Raises the receipt's code, or `TIMEOUT`, and then the question is handed over no more;
--- and `DEADLOCK` when the answer would wait for the end of this delivery: the same key of its own agent, or a strict agent itself.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return any result
function ctx:call(to, body, options) end

--- `"<message id>/<label>"`, the same at every attempt: what the outside world can tell by that it has done this already.
--- A message id that leaves no room for it is cut, and a hash stands for the rest.
---@param label string at most 64 bytes
---@return string id at most 128 bytes
function ctx:id_for(label) end

--- The delivery may take so long from now, instead of what was left of `timeout`.
---@param duration moonpost.Duration
function ctx:extend(duration) end

--- Take back, when the delivery commits, a message of this agent that nobody was handed yet, such as a timer; nothing happens
--- when there is none. Found are all that are delayed, and what waits at this node but for the part of a mailbox beyond 8,192
--- messages, or has not left it. What this delivery has sent under the id before is not sent; what it sends afterwards is.
---@param id string
function ctx:cancel(id) end

--- A message: a private copy for each delivery. A script may set more names in it; reading one that is neither a field nor
--- was set raises, with the nearest name.
---@class moonpost.Msg
---@field id string unique among all senders to this address; a resend and a requeue keep it
---@field to string
---@field from string
---@field key string|nil
---@field method string|nil
---@field headers table<string, string> names in lower case
---@field body any plain data
---@field sent_at number epoch seconds

--- What a handler says of its message instead of a result.
---@class moonpost.Outcome
---@field outcome "retry"|"defer"|"reject"|"skip"
---@field reason string

--- Roll back and try again: after `delay`, or when the policy says. Return it, or `error()` it from any depth.
---@param reason string
---@param options? { delay?: moonpost.Duration }
---@return moonpost.Outcome outcome
function moonpost.retry(reason, options) end

--- Roll back; not now. Costs no attempt.
---@param reason string
---@param options { delay?: moonpost.Duration, at?: moonpost.Moment } one of the two
---@return moonpost.Outcome outcome
function moonpost.defer(reason, options) end

--- Roll back; a dead letter at once.
---@param reason string
---@param options? { code?: string } `"REJECTED"`
---@return moonpost.Outcome outcome
function moonpost.reject(reason, options) end

--- Acknowledge without effects.
---@param reason string
---@return moonpost.Outcome outcome
function moonpost.skip(reason) end

--- Wait; counts towards the agent's `timeout`.
---@param duration moonpost.Duration
function moonpost.sleep(duration) end

-- ---- Sending ----

--- Options of a send. Not every verb has a use for each; one without says so.
---@class moonpost.SendOptions
---@field id? string at most 128 bytes; a new one
---@field key? string what belongs together
---@field method? string which of the agent's methods
---@field headers? table<string, string> 4 KiB in all; `moonpost-*` is reserved
---@field delay? moonpost.Duration deliver later; excludes `at`
---@field at? moonpost.Moment deliver then; excludes `delay`
---@field expires? moonpost.Duration|moonpost.Moment nobody wants it afterwards; never
---@field profile? moonpost.Profile this message's own
---@field retry? moonpost.Retry when it is sent again; the settings' `send`
---@field timeout? moonpost.Duration how long a call, or a send with `await = "handled"`, waits; `"30s"`. Until it is stored a send tries for as long as its `deadline` (2 minutes from memory)
---@field immediate? true of `ctx:send`: it leaves at once, outside of the commit, even if the handler fails; waits until it is stored and answers its receipt
---@field await? "sent"|"stored"|"handled"|"none" of clients: how far it must get before the receipt; `"none"` answers the id
---@field on_done? fun(receipt: moonpost.Receipt) of clients, with `await = "none"`: called with the receipt, beside the program; it may wait. Not any more when the client is closed

--- What became of a send, as far as its sender waited. It prints as one line.
---@class moonpost.Receipt
---@field type "ack"|"nack"
---@field ok boolean
---@field code string|nil
---@field reason string|nil
---@field ref string the message's id
---@field level "sent"|"stored"|"handled"|nil how far it got
---@field attempt integer the transmission that it answers
---@field dup boolean it was a duplicate
---@field result any of the handler
---@field retry_after number|nil seconds, with `BUSY`
---@field guarantees moonpost.Guarantees what this is worth, from the settings in force on both ends

--- Five sentences.
---@class moonpost.Guarantees
---@field loss string
---@field duplicates string
---@field acknowledged string
---@field retries string
---@field scope string

--- What `moonpost.client` takes.
---@class moonpost.ClientFields
---@field link? string the node to speak to; `MOONPOST_NODE`, or the socket in `data/`
---@field name? string who it is; with a store it must stay the same. One with another store is refused while the first is linked: `NAME_TAKEN`
---@field profile? moonpost.Profile of sends that name none
---@field await? "sent"|"stored"|"handled" of sends that name none
---@field send? moonpost.Retry of sends that name none
---@field window? integer messages on their way at once; 64
---@field store? "memory"|string the folder of its outbox; what a killed program had sent leaves at its next start, and `client:flush` waits for it, too. One process at a time has it (`BUSY`); `"memory"`

--- A client, for programs (`moonpost exec`) and specs; its verbs wait.
---@param fields? moonpost.ClientFields
---@return moonpost.Client|nil client
---@return string|nil reason
---@return string|nil code
function moonpost.client(fields) end

--- A program's way to agents.
---@class moonpost.Client
local client = {}

--- Send and wait for the receipt; with `await = "none"` answers the id at once.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return moonpost.Receipt|string|nil receipt
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt|nil refusal
function client:send(to, body, options) end

--- Send, wait until it is handled, and answer the handler's result. With its `timeout` the message is dropped, unless a handler
--- has begun it.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return any result
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt|nil refusal
function client:call(to, body, options) end

--- Ask a question that is answered by parts, of `$node`: `for fact, left_out in client:stream("$node", { address = "mail@local" },
--- { method = "tail", timeout = math.huge }) do`. It waits until the answer begins.
---@param to "$node"
---@param body any plain data
---@param options? moonpost.SendOptions
---@return moonpost.Stream|nil stream
---@return string|nil reason
---@return string|nil code
function client:stream(to, body, options) end

--- What is answered by parts. Called, it waits for the next part and answers it and, when some before it were left out because
--- they were not read in time, how many; `false` instead of a part when only that is to be told; nothing at the end. It raises
--- when it breaks.
---@class moonpost.Stream
---@field result any of the whole, after its end
---@operator call(): any, integer|nil
local stream = {}

--- Want no more parts; a second time changes nothing.
---@return true
function stream:close() end

--- Send many at once, each for itself: an array of receipts, some perhaps with `ok = false`. Those with `await = "none"`
--- have their id there. An item has `to`, `body`, and options of a send.
---@param items table[] at most 1,000
---@return (moonpost.Receipt|string)[]|nil receipts
---@return string|nil reason
---@return string|nil code
function client:send_batch(items) end

--- Send what a function sends, all of it or none: it is accepted in one commit of the sender's when the function has
--- returned; nothing is sent when it raises, or when one of them is refused.
---@param body fun(tx: moonpost.Transaction)
---@return (moonpost.Receipt|string)[]|nil receipts
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt[]|nil refusals
function client:transaction(body) end

--- Take a message back that nobody was handed yet: one of this client that its owner does not have, or one that is delayed, or
--- waits, at the node that the client is linked to (which tells only programs of its own user). Its sender is told `CANCELLED`.
---@param id string
---@return true|nil done
---@return string|nil reason
---@return string|nil code `"GONE"`: no such message waits there
function client:cancel(id) end

--- Wait until all that was sent with `await = "none"` has come as far as it was to, or to its end.
---@param options? { timeout?: moonpost.Duration } for ever
---@return true|nil done
---@return string|nil reason
---@return string|nil code `"TIMEOUT"`
---@return string[]|nil left the ids of what is still on its way
function client:flush(options) end

--- Close it; a second time changes nothing.
---@return true|nil done
---@return string|nil reason
---@return string|nil code
function client:close() end

--- What is to be sent together.
---@class moonpost.Transaction
local tx = {}

--- Send when the transaction's function has returned; at most 1,000.
---@param to string
---@param body any plain data
---@param options? moonpost.SendOptions
---@return string id
function tx:send(to, body, options) end

-- ---- Policies ----

---@alias moonpost.Retry moonpost.RetryFields|string|fun(failure: moonpost.Failure): number|nil, string|nil

--- When again, and when to give up. As a table, as a function of the failure (seconds, or `nil, reason` to give up), or as
--- the name of a file in `policies/` that returns one.
---@class moonpost.RetryFields
---@field attempts? integer in all, the first one included; 5, of senders 6
---@field first? moonpost.Duration after the first failure; `"1s"`
---@field factor? number growth; 2
---@field step? moonpost.Duration instead of `factor`: linear growth
---@field delays? moonpost.Duration[] instead: a list whose last entry repeats
---@field cap? moonpost.Duration no wait is longer; `"60s"`
---@field jitter? number share, 0 to 1, applied before `cap`; 0.1
---@field deadline? moonpost.Duration in all, from the first attempt
---@field final? fun(failure: moonpost.Failure): string|nil a reason gives up at once

--- What a retry policy is asked about.
---@class moonpost.Failure
---@field attempt integer
---@field error string
---@field code string
---@field elapsed number seconds since the first attempt
---@field address string
---@field method string|nil
---@field key string|nil

--- A policy that can be asked for its delays.
---@param fields moonpost.RetryFields
---@return moonpost.RetryPolicy policy
function moonpost.retry_policy(fields) end

--- A retry policy in normal form.
---@class moonpost.RetryPolicy
local policy = {}

--- The wait after failure `n` in seconds, without jitter.
---@param n integer 1 is the first
---@return number seconds
function policy:delay(n) end

--- All waits in seconds, without jitter; of a policy that does not end, the first hundred.
---@return number[] seconds
function policy:schedule() end

--- Which messages are the same. One that was seen never reaches the handler; it is acknowledged again, with the first result.
---@class moonpost.DedupFields
---@field key? fun(msg: moonpost.Msg): string messages with the same key are the same; the message's id
---@field ttl? moonpost.Duration|"done" how long a key is remembered; `"24h"`; `math.huge`: for ever; `"done"`: until the first is settled
---@field version? fun(msg: moonpost.Msg): number the highest is remembered with its key; a lower or equal one is stale: acknowledged, not handed over
---@field keep_result? boolean for the receipts of duplicates, up to 16 KiB; true

-- ---- Hooks and faults ----

--- What `moonpost.hook` takes: steps, which may alter or drop an envelope, and facts, whose answer is ignored. Facts about
--- messages are told when the commit that they are about is durable. Hooks do not wait, and have 10 ms each.
---@class moonpost.HookFields
---@field priority? number lower ones first; 1000
---@field on_error? "pass"|"drop" what becomes of the envelope when the hook fails; `"pass"`
---@field receive? moonpost.Step decoded from a link
---@field forward? moonpost.Step before it goes to a link
---@field store? moonpost.Step before a mailbox takes it
---@field stored? moonpost.Told
---@field delivered? moonpost.Told
---@field handled? moonpost.Told
---@field retrying? moonpost.Told
---@field deferred? moonpost.Told
---@field dead? moonpost.Told
---@field expired? moonpost.Told
---@field duplicate? moonpost.Told
---@field dropped? moonpost.Told
---@field acked? moonpost.Told at the sender
---@field nacked? moonpost.Told at the sender
---@field timed_out? moonpost.Told at the sender
---@field replied? moonpost.Told at the sender
---@field start? moonpost.Told of the node
---@field stop? moonpost.Told of the node
---@field link_up? moonpost.Told
---@field link_down? moonpost.Told
---@field link_failed? moonpost.Told

---@alias moonpost.Step fun(envelope: moonpost.Envelope, hop: moonpost.Hop): table|nil
---@alias moonpost.Told fun(fact: table)

--- An envelope on its way; read only.
---@class moonpost.Envelope
---@field type "message"|"event"|"receipt"|"part"|"cancel"
---@field id string
---@field ref string|nil of a receipt: the message's id
---@field ok boolean|nil of a receipt
---@field code string|nil of a receipt
---@field level string|nil of a receipt
---@field to string
---@field from string
---@field key string|nil
---@field method string|nil
---@field profile string
---@field transmission integer
---@field expires number|nil
---@field bytes integer
---@field headers table<string, string>
---@field body any decoded when it is looked at

--- Where an envelope comes from and goes to.
---@class moonpost.Hop
---@field from "upstream"|"downstream"|"local"
---@field to "upstream"|"downstream"|"local"
---@field link string|nil
---@field node string

--- A checked declaration.
---@class moonpost.Hook

--- Check a hook's declaration; a file in `hooks/` returns what this answers.
---@param fields moonpost.HookFields
---@return moonpost.Hook hook
function moonpost.hook(fields) end

--- What a step returns to drop an envelope. To pass it on it returns nothing; to alter it a table with `headers` or `body`.
---@param reason string
---@return table drop
function moonpost.drop(reason) end

--- Hooks that make things go wrong, on purpose and repeatably; refused when `production = true`.
---@class moonpost.fault
moonpost.fault = {}

--- Drops envelopes before they go to a link: by a pattern that repeats (`"XX."` drops two of three), or at a rate.
---@param fields { type?: string, to?: string, pattern?: string, rate?: number, seed?: integer }
---@return moonpost.Hook hook
function moonpost.fault.drop(fields) end

--- Makes envelopes so late that others overtake them, before they go to a link.
---@param fields { by: moonpost.Duration, type?: string, to?: string, pattern?: string, rate?: number, seed?: integer }
---@return moonpost.Hook hook
function moonpost.fault.delay(fields) end

--- Sends envelopes twice; not what is sent at most once, of which nobody could tell a copy.
---@param fields { type?: string, to?: string, pattern?: string, rate?: number, seed?: integer }
---@return moonpost.Hook hook
function moonpost.fault.duplicate(fields) end

--- Lets the next envelope over the same link overtake; when none comes within half a second, nothing does.
---@param fields { type?: string, to?: string, pattern?: string, rate?: number, seed?: integer }
---@return moonpost.Hook hook
function moonpost.fault.reorder(fields) end

--- Ends the node's process as kill -9 does, at a fact (`"stored"`, `"delivered"`, `"handled"`, `"retrying"`, `"deferred"`, `"dead"`,
--- `"acked"`): it is durable then, and nobody has heard of it. The pattern begins anew at each start.
---@param fields { at: string, to?: string, pattern?: string, rate?: number, seed?: integer }
---@return moonpost.Hook hook
function moonpost.fault.crash(fields) end

--- Cuts a node's link to another, and heals it again: in worlds only, by `world:fault`; where links are real it is refused.
---@param fields { link: string, at?: moonpost.Duration, lasts: moonpost.Duration } `at`: so long after it was given
---@return moonpost.Hook hook
function moonpost.fault.cut(fields) end

--- A fault from the words that `moonpost run --fault` takes: `KIND:NAME=VALUE,…`, as `drop:type=receipt,pattern=XX.`.
---@param text string
---@return moonpost.Hook hook
function moonpost.fault.parse(text) end

-- ---- Settings ----

--- What `moonpost.node` takes: the settings of a node, in `node.lua`.
---@class moonpost.NodeFields
---@field name? string who this node is; made once and kept in the store
---@field listen? string[] doors for other nodes: `"tcp://127.0.0.1:7071"`, `"unix:///run/x.sock"`
---@field insecure? boolean doors outside loopback, although nothing is encrypted
---@field links? (string|moonpost.LinkFields)[] nodes to link to
---@field agents? (string|moonpost.Agent)[] files, globs or values; `{ "agents/*.lua" }`
---@field hooks? (string|moonpost.Hook)[] `{ "hooks/*.lua" }`
---@field policies? string[] `{ "policies/*.lua" }`
---@field store? moonpost.StoreFields|"memory" where messages are kept
---@field send? moonpost.Retry of senders; a table may also have `profile` and `await`
---@field handle? moonpost.Retry of agents that name none
---@field outbox? moonpost.Bounds of what waits to be sent; 100,000 and `"256M"`; then `STORE_FULL`
---@field mailbox? moonpost.Bounds of what waits for each agent; 10,000,000 and `"4G"`; then `BUSY`
---@field body_max? moonpost.Size `"1M"`; larger ones are `TOO_LARGE`
---@field state_max? moonpost.Size of an agent's `ctx.state`, or of each key's; `"64K"`, at most `"1M"`
---@field grace? moonpost.Duration how long handlers at work may take to end when the node is stopped; `"5s"`
---@field watchdog? moonpost.Duration then a handler that nothing can stop ends the process; `"10s"`
---@field log? { level?: "debug"|"info"|"warn"|"error", format?: "text"|"json" }
---@field production? boolean refuse faults
---@field strict? boolean refuse messages whose profile is weaker than the agent asks for

--- A store on disk.
---@class moonpost.StoreFields
---@field path? string its folder; `"data"`
---@field sync? "commit"|"relaxed" relaxed: a power cut may undo the last commits; `"commit"`
---@field max? moonpost.Size `"8G"`

--- A link to another node.
---@class moonpost.LinkFields
---@field to string a door
---@field first? moonpost.Duration before the second try; `"1s"`
---@field factor? number 2
---@field cap? moonpost.Duration `"60s"`
---@field jitter? number 0.1
---@field attempts? number `math.huge`
---@field stable_for? moonpost.Duration after so long the waits begin anew; `"10s"`
---@field heartbeat? moonpost.Duration `"15s"`
---@field window? integer messages on their way at once; 64

--- How much may wait.
---@class moonpost.Bounds
---@field max? integer messages
---@field max_bytes? moonpost.Size

--- Check settings; `node.lua` returns what this answers.
---@param fields moonpost.NodeFields
---@return table settings
function moonpost.node(fields) end

-- ---- Utilities ----

--- Wall time.
---@return number seconds since 1970
function moonpost.now() end

--- Monotonic time.
---@return number seconds
function moonpost.clock() end

--- Seconds of a duration.
---@param duration moonpost.Duration
---@return number seconds
function moonpost.seconds(duration) end

--- A new id, sortable by time.
---@return string id
function moonpost.id() end

--- A table that is a list also when it is empty: `{}` travels as an empty map.
---@generic T
---@param items? T[]
---@return T[] list
function moonpost.array(items) end

--- Like `pairs`, in a stable order: numbers, then strings.
---@generic K, V
---@param map table<K, V>
---@return fun(): K, V iterator
function moonpost.sorted_pairs(map) end

--- JSON.
---@class moonpost.json
moonpost.json = {}

--- Text with sorted keys; raises `BAD_VALUE` for what is not plain data.
---@param value any
---@return string text
function moonpost.json.encode(value) end

--- The value of a text.
---@param text string
---@return any value
---@return string|nil reason
---@return string|nil code `"BAD_JSON"`
function moonpost.json.decode(text) end

--- Lines of log; the delivery's id, agent and generation are added.
---@class moonpost.log
moonpost.log = {}

--- A line at level debug.
---@param text string
---@param fields? table plain data
function moonpost.log.debug(text, fields) end

--- A line at level info.
---@param text string
---@param fields? table plain data
function moonpost.log.info(text, fields) end

--- A line at level warn.
---@param text string
---@param fields? table plain data
function moonpost.log.warn(text, fields) end

--- A line at level error.
---@param text string
---@param fields? table plain data
function moonpost.log.error(text, fields) end

return moonpost
