/* What the files of this folder share: the host, its Lua states, and the turns and tasks in them.
 *
 *   host  one per node or program; owns states, agents, hooks, tasks
 *   script  one Lua state; may also run agents and hooks of other hosts (values made in a spec)
 *   task  one coroutine at work: a delivery, an on.start, an on.stop, a program
 *   turn  one entry from C into Lua: from lua_resume or lua_pcall until it returns
 *
 * Turns nest: a spec's coroutine moves a world, whose handlers run in the same or another state. */
#ifndef MOONPOST_HOST_H
#define MOONPOST_HOST_H

#include <jansson.h>
#include <lauxlib.h>
#include <stdatomic.h>
#include <time.h>
#include "core/arena.h"
#include "core/array.h"
#include "core/event.h"
#include "script/script.h"
#include "script/tracked.h"
#include "core/slots.h"

enum {
    LOAD_BUDGET_MS = 2000,   /* a file while it loads */
    HOOK_BUDGET_MS = 10,     /* a hook, a policy */
    CALL_TIMEOUT_MS = 30000, /* of calls, when nothing else is said */
    JSON_DEPTH_MAX = 64,     /* tables in tables */
};

/* Values of the library that C needs again and again: anchored once in each state's registry. */
enum ref {
    REF_ENTRY,     /* the first function of every coroutine */
    REF_INVOKE,    /* the C function that runs a C function in protected mode */
    REF_CATCH,     /* the message handler of every protected call */
    REF_ERROR_NEW, /* moonpost.errors.new */
    REF_RUN,
    REF_START,
    REF_STOP,
    REF_DEAD,
    REF_BATCH,       /* moonpost.handler */
    REF_HOOK_ANSWER, /* moonpost.hook.answer */
    REF_DURATION,    /* moonpost.units.duration */
    REF_UNKNOWN,     /* moonpost.msg.unknown */
    REF_CTX,         /* metatable of ctx */
    REF_MESSAGE,     /* metatable of msg */
    REF_BODY,        /* the name of msg.body */
    REF_HOLDER,      /* metatable of what a msg holds on to that has no ctx */
    REF_ENVELOPE,    /* metatable of envelopes and facts in hooks */
    REF_ARRAY,       /* metatable of moonpost.array */
    REF_COUNT,
};

enum place { PLACE_LOAD, PLACE_HANDLER, PLACE_HOOK, PLACE_POLICY, PLACE_PROGRAM, PLACE_SPEC };

/* A coroutine that runs one task after the other. */
struct worker {
    lua_State *co;
    int ref;
    struct worker *next;
};

/* What JSON needs; kept between uses, so that a raised error leaks nothing. Writing a msg reads its
 * body, so the two share nothing. */
struct json_scratch {
    struct buffer out;  /* written */
    struct buffer text; /* read: a string without its escapes */
    struct arena keys;
    json_t *parsed;
};

/* What a state holds, and may hold (memory.c). */
struct memory {
    lua_State *L;
    lua_Alloc alloc; /* LuaJIT's own; NULL: nobody counts */
    void *alloc_user;
    size_t used, cap, press_at; /* bytes; press_at: begin to collect */
    bool armed, denied;         /* a handler runs; it got an error of memory */
};

struct script {
    struct script_host *host;
    lua_State *L; /* the main thread: all entries but coroutines run on it */
    enum script_kind kind;
    char *root;
    struct script *next;
    struct turn *turn; /* the innermost, or NULL */
    struct worker *idle;
    struct slots deliveries; /* what ctx values point at: tasks */
    struct json_scratch json;
    struct memory memory;
    struct tracked files; /* that were loaded into it */
    int refs[REF_COUNT];
    const void *tables[REF_COUNT]; /* of metatables: lua_topointer, to recognise them by */
};

/* One entry into Lua; lives on the C stack. */
struct turn {
    struct script_host *host; /* whose clock, random source and log are in force */
    struct script *script;
    struct task *task; /* or NULL */
    enum place place;
    struct turn *outer;         /* of the same state */
    struct turn *guarded_outer; /* of the same host, under its guard */
    struct turn *beaten;        /* of the same host: what ran before */
    int64_t budget_ms;          /* 0: unguarded */
    int64_t started_ns;
    bool over;               /* the budget is used up: an error has been raised */
    struct block *reason;    /* owned; of being over budget */
    struct block *traceback; /* owned; of the last error that was caught */
};

/* Stops what runs too long (guard.c). */
struct guard {
    timer_t timer;
    bool made, refused;
    struct turn *volatile turn;  /* the innermost guarded one of this host */
    volatile int64_t expires_ns; /* when the timer goes off; 0: it is not armed */
    volatile bool hooked;        /* a debug hook is set in some state */
    int64_t tick_ns;             /* how exactly turns are timed */
};

/* For a thread that watches (pulse.c). */
struct pulse {
    _Atomic uint64_t beats;
    _Atomic int64_t budget_ms;
    _Atomic(struct turn *) turn;
};

struct agent {
    uint32_t number;
    struct script_host *host;
    struct script *script;
    bool owns_script; /* loaded from a file: the state lives as long as the agent */
    bool leaving;     /* freed when its last task has ended */
    bool owes_stop;   /* ... and on.stop has run then */
    bool staged;      /* the node decides when on.start has ended */
    uint32_t tasks;
    char *origin, *address;
    int ref, key_ref, dedup_ref; /* LUA_NOREF: none */
    int cache_ref;               /* ctx.cache; LUA_NOREF: nobody asked for it yet */
    int migrate_ref;             /* LUA_NOREF: none */
    uint32_t version, *reads;    /* versions of state: its own; those it understands (owned) */
    size_t read_count, read_capacity;
    bool has_start, has_stop;
    enum start_state { START_RUNNING, START_DONE, START_FAILED } start;
    uint32_t generation;
    int64_t budget_ms;
    size_t memory;               /* bytes that its own state may hold; 0: any number */
    int64_t loaded_ms;           /* monotonic */
    int64_t retired_ms;          /* the same, while handlers are in flight; 0: none were */
    uint64_t handled, failed;    /* deliveries */
    char *refusal;               /* of the latest generation that was to follow, or NULL */
    int64_t refused_ms;          /* monotonic */
    struct tracked refused_from; /* the files of that one */
    struct agent_declaration declaration;
};

/* What a waiter's token leads to. */
enum waiter_kind { WAITER_TASK, WAITER_SEND };

enum task_kind { TASK_DELIVERY, TASK_START, TASK_STOP, TASK_PROGRAM, TASK_CALLBACK };

struct program_source {
    const char *path, *text;
    int argc;
    char *const *argv;
};

struct task {
    enum waiter_kind waiter_kind; /* WAITER_TASK; first, as in struct sending */
    struct script_host *host;
    struct script *script;
    struct agent *agent; /* NULL: a program */
    struct task *next, *previous;
    enum task_kind kind;
    bool running, interrupted, waited;
    bool extended; /* by ctx:extend: run.timeout_ms is from then on */
    struct worker *worker;
    uint64_t ctx;                /* token in script->deliveries */
    uint64_t waiter;             /* token in host->waiters; 0: it is not waiting */
    uint32_t waiting_client;     /* the client that owes the answer, or 0 */
    bool waiting_engine;         /* tell the engine when the waiter is forgotten */
    bool waiting_call;           /* a nack is an error */
    uint32_t flushing;           /* it waits until nothing of this client is open; or 0 */
    struct gathering *gathering; /* receipts that it waits for together, or NULL */
    uint32_t stream;             /* number of the first of the streams that it waits for, or 0 */
    uint32_t calls;
    struct run run;      /* of a delivery; key is in the arena */
    int64_t expires_ms;  /* wall clock; DURATION_FOREVER */
    struct block *block; /* of a delivery; retained */
    const char *why;     /* of a start */
    const struct program_source *source;
    struct arena arena;
    struct submit *sends; /* spans in the arena */
    size_t send_count, send_capacity;
    struct span *cancels; /* ids, in the arena */
    size_t cancel_count, cancel_capacity;
    size_t effect_bytes;      /* of all that it buffers */
    int memo;                 /* ref of moonpost.state's table for it, 0: it touched no state */
    struct state_read *reads; /* keys in the arena */
    size_t read_count, read_capacity;
    struct state_write *writes; /* keys and values in the arena */
    size_t write_count, write_capacity;
};

struct hook {
    struct script *script;
    char *origin;
    double priority;
    bool drops;                /* when it fails */
    int steps[HOOK_STORE + 1]; /* refs; LUA_NOREF */
    int facts[FACT_COUNT];
    uint64_t failures, dropped;
};

/* A function of a script that the core may ask: a retry policy, or the `final` of one. */
struct function {
    struct script *script; /* NULL: gone */
    int ref;
    bool whole; /* decides all; else only whether to give up */
};

struct settings_value {
    struct script *script;
    int ref; /* LUA_NOREF: this entry is a file or a glob */
};

struct script_host {
    struct script_env env;
    struct script *scripts;
    struct script *node; /* the node's own state, or NULL until it is needed */
    char *name;
    struct guard guard;
    struct pulse pulse;
    size_t state_max;                  /* bytes of a document: the setting state_max */
    struct inhand *inhand, own_inhand; /* never NULL: the host's own until there is a page */
    struct slots waiters;              /* tokens to tasks and sendings */
    struct sending *sendings, *sendings_last;
    struct stream *streams; /* that programs read */
    uint32_t stream_numbers;
    struct task *tasks, *spare_tasks;
    struct agent **agents; /* by number - 1 */
    size_t agent_count;
    struct tracked failed_files; /* of the latest agent that could not be loaded */
    bool ending;
    struct hook *hooks;
    size_t hook_count;
    uint32_t fact_mask, step_mask;
    struct function *functions;
    size_t function_count, function_capacity;
    struct buffer error;  /* of the last call that failed */
    struct buffer answer; /* of the last question, borrowed by the engine */
    struct arena scratch; /* of the send that is being read */
    struct buffer headers;
    struct settings *settings;
    struct arena settings_memory;
    struct settings_value agents_given[SETTINGS_AGENTS_MAX], hooks_given[SETTINGS_LIST_MAX];
    struct span policies[SETTINGS_LIST_MAX]; /* files and globs of named policies */
    size_t policy_count;
    uint64_t policy_failures;
    uint64_t id_ms, id_high, id_low; /* of the last generated id */
};

/* ---- state.c ---- */

/* The state that a Lua thread belongs to; NULL when script_new did not make it. */
struct script *script_of(lua_State *L);

/* The host whose clock and log are in force for what runs in this state now. */
struct script_host *host_now(const struct script *script);

/* Compile text (or the file when `text` is NULL) for an environment and leave the function. Raises.
 */
void state_compile(struct script *script, lua_State *L, const char *path, const char *text,
                   const char *environment);

/* The node's own state, made when it is first needed. */
struct script *host_node_state(struct script_host *host);

/* Load and run a file; leaves its one value on the main thread's stack. */
enum status state_load(struct script *script, struct script_host *host, const char *path,
                       const char *text, const char *environment, struct span *error);

/* ---- turn.c ---- */

void turn_enter(struct turn *turn, struct script_host *host, struct script *script,
                enum place place, struct task *task, int64_t budget_ms);

/* Ends the turn; `over`, `reason` and `traceback` remain until turn_forget. */
void turn_leave(struct turn *turn);
void turn_forget(struct turn *turn);
void turn_register(lua_State *L, struct script *script);

/* Call the function and `arguments` on the main thread's stack, leaving `results`; false leaves one
 * error value, and its traceback in the turn. The only lua_pcall of the host. */
bool turn_call(struct turn *turn, int arguments, int results);

/* Run a C function on the main thread in protected mode with the top `arguments` values as its
 * whole stack. */
typedef int turn_function(lua_State *L, void *user);
bool turn_invoke(struct turn *turn, turn_function *function, void *user, int arguments,
                 int results);

/* The text of the error value at `index` in the host's error buffer; valid until the next. */
struct span error_text(struct script_host *host, lua_State *L, int index);
struct span error_keep(struct script_host *host, struct span text);
struct span error_format(struct script_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct error_fields {
    const char *code;
    struct span reason, ref;
    bool outside, final;
};

/* Push moonpost.errors.new { ... }. May raise. */
void error_push(lua_State *L, const struct script *script, const struct error_fields *fields);
_Noreturn void error_raise(lua_State *L, const struct script *script, const char *code,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- guard.c ---- */

void guard_enter(struct turn *turn);
void guard_leave(struct turn *turn);

/* An inner turn of the same state is over: watch this one again. */
void guard_continue(struct turn *turn);
void guard_deinit(struct guard *guard);

/* ---- pulse.c ---- */

void pulse_enter(struct turn *turn);
void pulse_leave(struct turn *turn);

/* ---- memory.c ---- */

/* Let the state hold no more than this (0: any amount) while it is armed. `memory` must stay where
 * it is until memory_unlimit, which must come before lua_close. */
void memory_limit(struct memory *memory, lua_State *L, size_t cap);
void memory_unlimit(struct memory *memory);

/* Around what may fail of it. `denied` stays until the next memory_arm. */
void memory_arm(struct memory *memory);
void memory_disarm(struct memory *memory);

/* After a turn that was denied memory: collect what it left. */
void memory_relieve(struct task *task);

/* What such a delivery failed of; in the task's arena. */
struct span memory_reason(struct task *task);

/* ---- value.c: reading Lua tables ---- */

/* The member `name` of the table at `index`; memory is copied to the arena. They may raise. */
bool field_present(lua_State *L, int index, const char *name);
struct span field_span(lua_State *L, int index, const char *name, struct arena *arena);
double field_number(lua_State *L, int index, const char *name, double absent);
int64_t field_ms(lua_State *L, int index, const char *name, int64_t absent);
uint32_t field_count(lua_State *L, int index, const char *name, uint32_t absent);
bool field_true(lua_State *L, int index, const char *name);

/* Seconds as milliseconds; what is not finite is DURATION_FOREVER. */
int64_t ms_of_seconds(double seconds);

void push_span(lua_State *L, struct span span);

/* Nothing (nil) for the empty span. */
void push_span_or_nil(lua_State *L, struct span span);
void set_span(lua_State *L, const char *name, struct span span);
void set_number(lua_State *L, const char *name, double number);
void set_boolean(lua_State *L, const char *name, bool value);

/* Is the value at `index` a table made by this constructor (metatable.__name)? */
bool value_is(lua_State *L, int index, const char *name);
struct span span_at(lua_State *L, int index);

const char *profile_name(uint8_t profile);
const char *level_name(uint8_t level);
uint8_t profile_from(struct span name, uint8_t absent);
uint8_t level_from(struct span name);
void code_take(struct span name, uint8_t *code, struct span *word);

/* ---- json.c, json_read.c, json_plain.c ---- */

/* Encode the value at `index`; borrowed until the next use in this state. Raises BAD_VALUE. */
struct span json_write(lua_State *L, struct script *script, int index);

/* Push the value of a JSON text; NULL. Or push nothing and answer the reason (borrowed until the
 * next use in this state). */
const char *json_push(lua_State *L, struct script *script, struct span text);

/* The same for plain text; false: json_push must see for itself what is the matter. */
bool json_push_plain(lua_State *L, struct script *script, struct span text);

/* The length of the UTF-8 sequence at the start; 0: there is none. */
size_t json_utf8_length(const unsigned char *at, size_t left);
void json_deinit(struct json_scratch *scratch);

/* ---- bind_*.c ---- */

/* The loader of module moonpost.runtime. */
int open_runtime(lua_State *L);
void ctx_register(lua_State *L, struct script *script);
void message_register(lua_State *L, struct script *script);
void envelope_register(lua_State *L, struct script *script);

/* Functions of moonpost.runtime for state, into the table on top of the stack. */
void state_register(lua_State *L, struct script *script);

/* cache.c: push the agent's table; give a fresh generation what another has in it. */
void cache_push(lua_State *L, struct agent *agent);
void cache_hand_over(struct agent *agent, struct agent *fresh);

/* The delivery buffers one more effect of so many bytes; raises TOO_LARGE. */
void check_effect_room(lua_State *L, struct task *task, size_t bytes);

/* runtime.ctx_field, with the script as its upvalue. */
int ctx_field(lua_State *L);

/* Push a ctx for the task, which becomes what it points at. It carries a copy of the message when
 * that is small. May raise. */
void ctx_push(lua_State *L, struct task *task);

/* The copy of a message in the ctx at `index`; NULL: it is no ctx, or has none. */
struct block *ctx_message(lua_State *L, const struct script *script, int index);

/* The task of the ctx at `index`; raises GONE when its delivery has ended. */
struct task *ctx_check(lua_State *L, struct script *script, int index);

/* Push a msg that holds on to the block. */
void message_push(lua_State *L, const struct script *script, struct block *block);

/* Push the msg of a delivery, whose ctx is at `ctx`, and then its method: a string, or false. */
void message_push_delivered(lua_State *L, const struct task *task, int ctx);

/* Push a msg for the length of a question: message_let_go ends it. */
struct message_holder;
struct message_holder *message_lend(lua_State *L, const struct script *script,
                                    const struct message *message);
void message_let_go(struct message_holder *holder);

/* Is the value at `index` a msg? Then decode what is left of it. */
bool message_complete(lua_State *L, int index);
int runtime_message_complete(lua_State *L);

void push_body(lua_State *L, struct script *script, uint8_t encoding, struct span bytes);
void push_headers(lua_State *L, struct span headers);

/* What a hook looks at: exactly one of them is set. */
struct look {
    const struct envelope *envelope;
    const struct fact *fact;
    struct script_host *host;
};

/* Push an envelope; valid until envelope_let_go. Its `look` is borrowed. */
struct envelope_view;
struct envelope_view *envelope_push(lua_State *L, const struct script *script,
                                    const struct look *look);
void envelope_let_go(struct envelope_view *view);

/* ---- dead.c ---- */

/* Push a dead letter as a table; `wall_ms` is what has to be added to the engine's clock to get the
 * wall clock. Whole: with its message and its failures. */
void dead_push(lua_State *L, struct script *script, const struct dead_letter *letter,
               int64_t wall_ms, bool whole);

/* Facts of a message into the table on top: id, address, from, method, key, bytes, requeues,
 * profile. */
void set_message_facts(lua_State *L, const struct message *message);

/* Push what a request of $node gets the second time it is asked; NULL: nil. */
void inside_push_page(lua_State *L, struct script *script, const struct page *page);

/* ---- inside.c ---- */

/* The loader of module moonpost.inside: what $node sees and does. */
int open_inside(lua_State *L);

/* ---- task.c ---- */

struct task *task_new(struct script_host *host, struct script *script, enum task_kind kind);

/* Start a task; it may have ended (and be gone) when this returns. */
void task_start(struct task *task);

/* Start a task with the function and the arguments that `function` leaves. */
void task_begin(struct task *task, turn_function *function, void *user);

/* Resume a waiting task with the values that `function` leaves, the first of them `true` or
 * `false`. */
void task_answer(struct task *task, turn_function *function, void *user);

/* The C function behind the first function of every coroutine. */
void task_register(lua_State *L, struct script *script);

/* Begin to wait: the token for whoever will answer. */
uint64_t task_wait_begin(struct task *task);
struct task *task_waiting(struct script_host *host, uint64_t waiter);

/* Forget a task without an outcome. */
void task_drop(struct task *task);
void workers_free(struct script *script);

/* ---- wait.c ---- */

/* Carry out what the task waits for: the yielded values are the stack of `L`. What it leaves is the
 * answer when nothing has to be waited for. May raise. */
int wait_begin(lua_State *L, void *task);

/* Push runtime.WAIT. */
void wait_push_marker(lua_State *L);

/* The waiter is not there any more: tell who owes the answer. */
void wait_forget(struct task *task);

/* ---- send.c ---- */

/* Read a send table; spans and policies are copied to the arena. Without an id it gets a new one.
 * May raise. */
void send_read(lua_State *L, struct script_host *host, int index, struct arena *arena,
               struct submit *submit);

/* A call waits CALL_TIMEOUT_MS when nothing was said; for the engine "for ever" is 0. */
void send_settle_timeout(struct submit *submit);

/* Does the send table at `index` await this? */
bool send_awaits(lua_State *L, int index, const char *what);

/* Room for one more buffered effect; the caller counts it once it is filled in. */
struct submit *task_send_room(struct task *task);

/* A table of headers in their encoded form, sorted by name, copied to the arena. May raise. */
struct span headers_read(lua_State *L, struct script_host *host, int index, struct arena *arena);

/* A new id, sortable by time. */
enum { NEW_ID_BYTES = 26 };
void new_id(struct script_host *host, char id[NEW_ID_BYTES]);

/* "id/label" in the arena; the label has at most LABEL_BYTES_MAX. What would be longer than an id
 * may be has a hash of the message's id in place of its end. */
enum { LABEL_BYTES_MAX = 64 };
struct span id_for(struct arena *arena, struct span id, struct span label);

/* ---- sendings.c ---- */

struct sending;

/* A send of a client that nobody waits for is on its way: the token for its end, which the function
 * `on_done` of the send table at 4 is told of, if there is one. */
uint64_t sending_alone(lua_State *L, struct task *task, uint32_t client, struct span id);

/* Send all of the array at 4, as wait_begin; `together`: all or none. It answers an array of
 * receipts, with ids in the place of those that are not awaited. */
int sendings_begin(lua_State *L, struct task *task, uint32_t client, bool together);

/* Wait until all that the client has sent has come to its end, as wait_begin. Answers the ids of
 * what is left, or none. */
int sendings_flush(lua_State *L, struct task *task, uint32_t client, int64_t timeout_ms);

/* The time of a task that flushes is over. */
void sendings_flush_ends(struct task *task);

void sending_ends(struct script_host *host, struct sending *sending, const struct answer *answer);

/* The client is closed (0: all of them). The task is gone. */
void sendings_close(struct script_host *host, uint32_t client);
void sendings_drop_task(struct task *task);

/* ---- stream.c ---- */

/* Send the question of a stream over a client; answers the stream's number. */
uint32_t stream_submit(struct task *task, uint32_t client, struct submit *submit);

/* Wait for news of one stream, or of two, by number; close one. May raise. */
int wait_stream_next(lua_State *L, struct task *task);
int wait_stream_close(lua_State *L, struct task *task);

/* The receipt is the end of a stream; false: it is none. */
bool stream_ended(struct script_host *host, uint64_t waiter, const struct answer *answer);

/* The client is closed, and its streams with it. */
void streams_forget(struct script_host *host, uint32_t client);
void streams_deinit(struct script_host *host);

/* ---- receipt.c ---- */

void receipt_push(lua_State *L, struct script *script, const struct answer *answer);

/* ---- retry.c, function.c ---- */

/* Read a normalised policy (a table or a function) on top of `base`. Functions are kept by the
 * host; NULL: they are refused. May raise. */
struct retry_policy retry_read(lua_State *L, struct script_host *host, int index,
                               struct retry_policy base);

/* Keep a function of a script; its number is never 0. */
uint32_t function_keep(struct script_host *host, lua_State *L, int index, bool whole);
const struct function *function_find(const struct script_host *host, uint32_t number);
void functions_forget(struct script_host *host, const struct script *script);
void functions_deinit(struct script_host *host);

/* ---- delivery.c, program.c ---- */

/* How a coroutine ended that is not interrupted; its values are still on its stack. */
void delivery_end(struct task *task, int status, struct turn *turn);

/* The same of a program. It is told last, when the task is gone: the host may end with it. */
struct program_result {
    struct script_env env;
    int exit_code;
    struct block *error; /* owned; NULL: it did not fail */
};
struct program_result program_end(struct task *task, int status);
void program_tell(struct program_result *result);

/* Push the function that the coroutine runs and its arguments; answers how many in all. A program's
 * may raise. */
int delivery_prepare(lua_State *co, struct task *task);
int program_prepare(lua_State *L, struct task *task);

/* ---- migrate.c ---- */

/* Does the agent understand state as this version writes it? */
bool agent_reads(const struct agent *agent, uint32_t version);

/* ---- agent.c, hook.c, settings.c ---- */

struct agent *agent_find(struct script_host *host, uint32_t number);
struct agent *agent_of_address(struct script_host *host, struct span address);
void agent_release(struct agent *agent);
void agents_deinit(struct script_host *host);
enum policy_answer hook_ask(void *user, enum hook_step step, const struct envelope *envelope,
                            const struct hop *hop, struct hook_answer *answer);
void hooks_deinit(struct script_host *host);
void settings_deinit(struct script_host *host);

/* ---- host.c ---- */

void host_log(struct script_host *host, enum log_level level, struct span agent, const char *format,
              ...) __attribute__((format(printf, 4, 5)));

/* Keep the metatable on top of the stack, which is popped. */
static inline void keep_metatable(lua_State *L, struct script *script, enum ref ref)
{
    script->tables[ref] = lua_topointer(L, -1);
    script->refs[ref] = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Has the value at `index` this metatable? */
static inline bool has_metatable(lua_State *L, const struct script *script, int index, enum ref ref)
{
    if (!lua_getmetatable(L, index)) return false;
    bool same = lua_topointer(L, -1) == script->tables[ref];
    lua_pop(L, 1);
    return same;
}

static inline void push_ref(lua_State *L, const struct script *script, enum ref ref)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs[ref]);
}

#endif
