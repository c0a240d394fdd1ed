/* The Lua host: states, handlers in pooled coroutines, guards, policies and hooks in Lua.
 *
 * A host belongs to one node (or to one program). Each agent generation, the node's own settings
 * and hooks, each program and each spec have a Lua state of their own, a `struct script`. What a
 * script does reaches the engine as events through `script_env.post`; what the engine asks of
 * scripts reaches them through the functions below. Nothing here opens a socket or reads a clock,
 * but for the guard that stops what runs too long (guard.c), and not even it when `deterministic`.
 */
#ifndef MOONPOST_SCRIPT_H
#define MOONPOST_SCRIPT_H

#include <lua.h>
#include "core/effect.h"
#include "core/engine.h"
#include "core/inhand.h"
#include "script/settings.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* A line for people and programs. All spans are borrowed during the call. */
struct log_record {
    enum log_level level;
    struct span text;
    struct span agent;   /* address, or empty */
    struct span id;      /* of the message in hand, or empty */
    uint32_t generation; /* of the agent; 0: none */
    struct span fields;  /* a JSON object in text, or empty */
};

/* What `moonpost.client { ... }` asks for. Spans borrowed during the call. */
struct client_options {
    struct span link; /* "unix://...", "tcp://host:port", or a node's name in a world */
    struct span name; /* or empty: one is made */
    uint8_t profile;  /* enum profile or PROFILE_DEFAULT */
    uint8_t level;    /* enum level awaited, LEVEL_NONE: by profile */
    uint32_t window;
    const struct retry_policy *send; /* NULL: default */
    struct span store;               /* the folder of its outbox; empty: it is in memory */
};

/* Which agents are to be loaded again. Borrowed during the call. */
struct reload_request {
    struct span address; /* empty: all */
    bool dry;            /* load and check only */
    bool unchanged;      /* also when its files have not changed */
    bool latest;         /* ... since the latest attempt, be it refused or not */
    int64_t settled_ms;  /* not what was written so recently: it may be half there; 0: all */
    const char *file;    /* another file than its own, or NULL */
    lua_State *L;        /* or a value at `index` of it; NULL: none */
    int index;
};

enum reload_state {
    RELOAD_DONE,
    RELOAD_STARTING,  /* its on.start waits; it takes its place, or does not, when that has ended */
    RELOAD_CHECKED,   /* dry */
    RELOAD_UNCHANGED, /* its files are as it read them */
    RELOAD_REFUSED,
    RELOAD_NEW,       /* a file that was not there before */
    RELOAD_UNSETTLED, /* `settled_ms`: look again */
};

/* Borrowed during the call. */
struct reload_result {
    enum reload_state state;
    struct span address, file;
    uint32_t before, after; /* generations; after 0: none */
    uint32_t in_flight;     /* handlers that end on the generation before */
    int64_t took_ms;
    struct span reason; /* of a refusal: file, line and what is wrong */
};

/* A node as $node tells of it. */
struct node_facts {
    uint8_t role; /* enum role */
    bool on_disk, relaxed;
    uint64_t epoch;                 /* which start of its store this is */
    int64_t started_ms;             /* monotonic */
    size_t body_max;                /* bytes */
    uint64_t used_bytes, max_bytes; /* of the store, at its last commit; UINT64_MAX: no bound */
};

/* What a host needs of the world around it. Everything is borrowed for the host's life. */
struct script_env {
    void *user;
    int64_t (*now_ms)(void *user);  /* monotonic */
    int64_t (*wall_ms)(void *user); /* since 1970 */
    uint64_t (*random)(void *user);
    bool deterministic; /* guards count instructions instead of time */
    void (*log)(void *user, const struct log_record *record);

    /* Give the node's engine an event; everything it points at is copied before this returns. */
    void (*post)(void *user, const struct event *event);

    /* Keep room in the node's engine for a send of a delivery (engine_reserve). NULL: no engine. */
    enum code (*reserve)(void *user, uint64_t delivery, const struct submit *submit,
                         const char **reason);

    /* The node's engine, for looking in, and what only the node knows of itself. NULL: no node. */
    struct engine *(*engine)(void *user);
    void (*describe)(void *user, struct node_facts *facts);

    /* Programs and specs only, else NULL. A client is a node of its own in the same process;
     * client_open answers later through script_wake(waiter). */
    void (*client_open)(void *user, uint64_t waiter, const struct client_options *options);
    void (*client_post)(void *user, uint32_t client, const struct event *event);
    void (*client_close)(void *user, uint32_t client);
    bool client_stores; /* clients may have stores on disk */

    /* Another kind of wait than the host knows: the yielded values are on top of `L` from index
     * `first`. Answer false: unknown kind. Else script_wake(waiter) must follow, later. NULL: none.
     */
    bool (*wait)(void *user, uint64_t waiter, const char *kind, lua_State *L, int first);

    /* The node's own environment variable (a world's); NULL: the process's. */
    const char *(*getenv)(void *user, const char *name);

    /* The node's process ends as by kill -9, at once or when the present step is over. NULL: there
     * is no node. */
    void (*crash)(void *user);

    /* on.start of a staged agent has waited and ended now. NULL: no node. */
    void (*started)(void *user, uint32_t agent, bool ok, struct span reason);

    /* Reload agents. NULL: no node. */
    size_t (*reload)(void *user, const struct reload_request *request,
                     void (*each)(void *each_user, const struct reload_result *result),
                     void *each_user);

    /* Each fact of interest becomes a part of the answer to this request of $node, until
     * EFFECT_STREAM_OVER; pattern and id may be empty. False: too many do so already. NULL: no
     * node. */
    bool (*tail)(void *user, uint64_t request, struct span pattern, struct span id);

    /* The program ended: its exit code, or the error text it died of (with traceback). */
    void (*program_done)(void *user, int exit_code, struct span error);
};

struct script_host;
struct script;

struct script_host *script_host_new(const struct script_env *env);

/* Ends all tasks without outcomes and closes all states. */
void script_host_free(struct script_host *host);

/* Say on this page (borrowed until the host is freed) what is in handlers' hands; what is there
 * already is carried over. */
void script_host_inhand(struct script_host *host, struct inhand *inhand);

/* ---- for another thread ---- */

/* What this host does in Lua. As long as `beats` stands still it is one and the same turn. */
struct pulse_look {
    uint64_t beats;
    int64_t budget_ms; /* of the turn; INT64_MAX: nothing runs, or it may run for ever */
};

void script_look(struct script_host *host, struct pulse_look *look);

/* Whose turn it is. Only of one that stands still. */
struct culprit {
    const char *what;      /* "the handler", "a policy" ... */
    struct span agent, id; /* or empty; borrowed while the turn lasts */
    uint32_t generation;
};

void script_culprit(struct script_host *host, struct culprit *culprit);

enum script_kind { SCRIPT_AGENT, SCRIPT_NODE, SCRIPT_PROGRAM, SCRIPT_SPEC };

/* A new Lua state with the library and the runtime module. `root` (copied) is the project's
 * folder, for require, policies and relative paths. Never NULL. */
struct script *script_new(struct script_host *host, enum script_kind kind, const char *root);

/* Ends its tasks and closes the state. Agents and hooks that were taken from it as values, by this
 * or another host, must be gone before (what the state's own collector frees, such as a world, may
 * still use it). */
void script_free(struct script *script);
lua_State *script_state(struct script *script);

/* Make `require(name)` answer what `open` returns, in this state. */
void script_preload(struct script *script, const char *name, lua_CFunction open);

/* Run a file (or, when `text` is not NULL, that text under the chunk name `path`) in the
 * environment of its kind and leave the one value it returns on top of the state's stack. SCRIPT:
 * nothing is left; `*error` names file, line and reason (valid until the next call on this host).
 */
enum status script_load(struct script *script, const char *path, const char *text,
                        struct span *error);

/* ---- agents ---- */

/* Take the value at `index` of `L` (a state of this or another host; borrowed for the agent's life)
 * as an agent. `origin` (copied) names its file in errors. 0 and `*error` when it is not one. */
uint32_t script_agent_new(struct script_host *host, lua_State *L, int index, const char *origin,
                          struct span *error);

/* Load a file that returns an agent, in a state of its own that lives as long as the agent. */
uint32_t script_agent_load(struct script_host *host, const char *root, const char *path,
                           struct span *error);

/* Its declaration, for EVENT_AGENT_UP. Valid until the agent is freed. */
const struct agent_declaration *script_agent_declaration(struct script_host *host, uint32_t agent);

/* Another agent of this host has the same address: forget `agent` again and say so in `*error`,
 * with both files. Answers STATUS_SCRIPT. */
enum status script_agent_taken(struct script_host *host, uint32_t agent, uint32_t holder,
                               struct span *error);

/* Run on.start (`why` is "boot" or "reload", a literal). SCRIPT: it raised, or could not migrate
 * what is there, and the start is refused. One that waits goes on in turns: the answer is then OK,
 * and if it fails later that is logged. */
enum status script_agent_start(struct script_host *host, uint32_t agent, const char *why,
                               struct span *error);

/* Bring the state that earlier versions wrote to the agent's own, before messages go to it; with
 * `dry` only see whether that can be done. SCRIPT: it cannot, and `*error` says why. What is too
 * much for one commit is brought over as it is read. */
enum status script_agent_migrate(struct script_host *host, uint32_t agent, bool dry,
                                 struct span *error);

/* Run on.stop (its errors are logged), then forget the agent once its last handler has ended. */
void script_agent_free(struct script_host *host, uint32_t agent);

/* ---- generations (generation.c) ---- */

/* One generation of an agent. Everything is borrowed during the call. */
struct generation {
    uint32_t agent, number; /* its handle; 1 for the first at its address */
    struct span address, file;
    bool from_file; /* else it was given as a value, and cannot be loaded again */
    bool staged, leaving, starting;
    uint64_t hash;            /* of the files it was made of; 0: of none */
    int64_t loaded_ms;        /* monotonic */
    uint32_t in_flight;       /* handlers */
    uint64_t handled, failed; /* deliveries */
    struct span refusal;      /* why the latest that was to follow it does not, or empty */
    int64_t refused_ms;       /* monotonic */
};

/* All of them, also those whose last handlers have not ended yet. */
void script_generations(struct script_host *host, void (*each)(void *, const struct generation *),
                        void *user);

/* Answers false when there is none with this handle. */
bool script_generation(struct script_host *host, uint32_t agent, struct generation *generation);

/* `fresh` is to follow `agent` at its address: it has the next number, and script_env.started is
 * called if its on.start waits. */
void script_agent_stage(struct script_host *host, uint32_t fresh, uint32_t agent);

/* It has taken its place. */
void script_agent_settle(struct script_host *host, uint32_t agent);

/* Has on.start begun and not ended? */
bool script_agent_starting(struct script_host *host, uint32_t agent);

/* Another has taken its place (EFFECT_RETIRE): forget it when its last handler has ended and then
 * on.stop has run. */
void script_agent_retire(struct script_host *host, uint32_t agent);

/* Forget one that never took its place, without on.stop. */
void script_agent_drop(struct script_host *host, uint32_t agent);

/* Why `fresh` (0: it could not be loaded, which was the last call) does not follow `agent`: kept
 * for people. The text is copied. */
void script_agent_refuse(struct script_host *host, uint32_t agent, uint32_t fresh,
                         struct span reason);

/* Nothing is loaded this time: `fresh` 0 stands for no files. */
void script_agent_unloaded(struct script_host *host);

/* Are the files of an agent not as it read them? With `latest`, not as the one read them that was
 * refused last, if any was. */
bool script_agent_changed(struct script_host *host, uint32_t agent, bool latest);

/* Have both a file that is not as `agent` read it? */
bool script_agents_share_change(struct script_host *host, uint32_t agent, uint32_t other);

/* Copy what an agent was made of; 0: the one that could not be loaded last. */
struct tracked;
void script_agent_files(struct script_host *host, uint32_t agent, struct tracked *files);

/* Was one of these files written within so many milliseconds? */
bool script_agent_young(struct script_host *host, uint32_t agent, int64_t age_ms);

/* Is a file that settings or hooks were read from not as it was? Each change is told once: its path
 * (borrowed until the next call), or NULL. */
const char *script_node_change(struct script_host *host);

/* The files of all agents and of the latest refused ones, and the node's own. */
void script_each_file(struct script_host *host, void (*each)(void *user, const char *path),
                      void *user);

/* ---- effects ---- */

/* Start a handler; its outcome is posted now or later as EVENT_OUTCOME. `node` is ctx.node. */
void script_run(struct script_host *host, const struct run *run);

/* End a delivery from outside (timeout, stop): its coroutine sees the error once. Its lease is
 * already void, so no outcome is posted. */
void script_interrupt(struct script_host *host, uint64_t delivery, enum code code);

/* A sleep is over (EFFECT_RESUME). Unknown waiters are ignored. */
void script_resume(struct script_host *host, uint64_t waiter);

/* What became of a send or call (EFFECT_RECEIPT). */
void script_receipt(struct script_host *host, uint64_t waiter, const struct answer *answer);

/* A message of this client that an earlier life of its program had sent is on its way: the waiter
 * for its end, which flush waits for too. */
uint64_t script_sending(struct script_host *host, uint32_t client, struct span id);

/* A part of a stream that a program reads (EFFECT_PART). */
void script_part(struct script_host *host, uint64_t waiter, const struct part_answer *answer);

/* Resume a waiting coroutine with `ok` and the values that `push` leaves on the stack (`push`
 * answers how many; NULL: none; it may raise). Unknown waiters are ignored. */
void script_wake(struct script_host *host, uint64_t waiter, bool ok,
                 int (*push)(lua_State *L, void *user), void *user);

/* A request of $node (EFFECT_ADMIN): what it changes is posted, then EVENT_ADMINISTERED; or it is
 * asked once more, with the page. */
void script_admin(struct script_host *host, uint64_t request, const struct block *block,
                  const struct page *page);

/* ---- policies and hooks ---- */

/* Take the value at `index` of `L` as a hook of this node. False and `*error` when it is not one.
 */
bool script_hook_add(struct script_host *host, lua_State *L, int index, const char *origin,
                     struct span *error);

/* Load a file that returns a hook, in the node's own state. */
bool script_hook_load(struct script_host *host, const char *root, const char *path,
                      struct span *error);

/* Add a fault in the words of the command line ("drop:type=receipt,pattern=XX."). False: `*error`.
 */
bool script_fault_add(struct script_host *host, struct span text, struct span *error);

/* Which steps and facts the hooks want, for engine_watch. */
void script_hook_masks(const struct script_host *host, uint32_t *facts, uint32_t *steps);

/* Hand a fact to the hooks that asked for it. */
void script_fact(struct script_host *host, const struct fact *fact);

/* Append a fact that happened at this wall time as a JSON object. */
void script_fact_json(struct buffer *out, const struct fact *fact, int64_t wall_ms);

/* The answers of this host's scripts to the core's questions (user pointer: the host). */
struct policies script_policies(struct script_host *host);

/* The name in ctx.node and hop.node, and what hooks learn of where they are. Copied. */
void script_host_name(struct script_host *host, struct span name);

/* How many bytes of ctx.state its handlers may leave: the setting state_max. */
void script_host_state_max(struct script_host *host, size_t bytes);

/* ---- programs ---- */

/* Run a Lua file (or text) as a program with arguments: as a coroutine that may wait. Its end is
 * told through program_done, perhaps before this returns; the host may be freed from there. What
 * it returns is the exit code: a number, or nothing and true for 0, false for 1. */
void script_program(struct script *script, const char *path, const char *text, int argc,
                    char *const *argv);

/* ---- settings ---- */

/* Load a settings file (NULL: all defaults) in the node's state. Relative paths in it are relative
 * to its folder. SCRIPT: `*error`. The settings live in the host. */
enum status script_settings_load(struct script_host *host, const char *path,
                                 const struct settings **settings, struct span *error);

/* The same from a table on top of `L` (a world's settings). Pops it. */
enum status script_settings_take(struct script_host *host, lua_State *L,
                                 const struct settings **settings, struct span *error);

/* An agent (or hook) that the settings give as a value: pushes it and answers the state on whose
 * stack it is. NULL: entry `index` is a file or a glob, nothing is pushed. */
lua_State *script_settings_agent(struct script_host *host, size_t index);
lua_State *script_settings_hook(struct script_host *host, size_t index);

#endif
