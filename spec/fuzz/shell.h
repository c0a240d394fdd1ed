/* The smallest shell: it carries out what an engine asks for, with a store in memory and a clock
 * that moves by hand, and holds all that the engine says against what must be true (ensure).
 *
 *   - every byte written is of a whole frame that can be read, within the peer's credit
 *   - nothing is written behind a close, and each connection is closed once
 *   - a receipt that says `stored` is said of what is in the store
 *   - a waiter is answered once
 *   - no message is with two handlers, and no mailbox has more of them at work than its agent allows
 *   - what is kept for agents is what the store holds as soon as all is committed, one version is of
 *     one value, and listings name the same as reads
 *   - at one moment the engine comes to rest */
#ifndef MOONPOST_FUZZ_SHELL_H
#define MOONPOST_FUZZ_SHELL_H

#include "core/engine.h"
#include "store/store.h"

enum {
    CONNECTIONS = 6,
    DIALS = 2,
    RUNS = 64,    /* at work side by side */
    HANDED = 512, /* messages that they have */
    WAITERS = 64,
    AGENTS = 3,
    HEARD = 8,
    REQUESTS = 4,
    VERSIONS = 256,
    TEXT_MAX = 256,
};

/* A message that the engine sent to a peer, for its receipts. */
struct heard {
    uint64_t lane_epoch, seq;
    uint16_t transmission;
    char to[TEXT_MAX];
    size_t to_size;
};

struct connection {
    bool open, closing; /* the engine knows of it; has asked to close it */
    bool dialled;
    bool greeted;          /* the engine has said hello or welcome */
    uint64_t credit, data; /* data frames the peer allowed in all; came so far */
    size_t unwritten;      /* bytes not confirmed as gone */
};

struct live_run {
    uint64_t delivery, sequence;
    uint32_t agent;
    size_t count; /* messages */
};

/* One of them. */
struct handed {
    uint64_t delivery, sequence;
};

/* A version of a record of state, and what it was of. */
struct known_version {
    uint64_t version, print;
};

struct shell {
    struct engine *engine;
    struct engine_settings settings;
    struct policies policies;
    struct store *store;
    struct effects effects;
    int64_t now_ms, wall_ms; /* the monotonic clock of this life; what to add for the wall clock */
    uint32_t suspects;       /* how many runs of a life that was killed are told to the next */
    struct connection connections[CONNECTIONS];
    bool dialing[DIALS];
    struct batch *batch; /* with the store, or NULL */
    struct load *loads[AGENTS + 1];
    struct live_run runs[RUNS];
    size_t run_count;
    struct handed handed[HANDED];
    size_t handed_count;
    uint32_t at_work[AGENTS + 1], allowed[AGENTS + 1]; /* handlers of each agent, by its number */
    uint64_t
        waiters[WAITERS]; /* tokens of who waits, each at its place by `token % WAITERS`; or 0 */
    struct heard heard[HEARD];
    unsigned heard_count;
    uint64_t requests[REQUESTS];
    unsigned request_count;
    uint64_t asked; /* the request that is to be answered; 0: there is none */
    struct known_version versions[VERSIONS];
    bool farewell; /* a peer has let go of numbers that it uses: their record may be gone */
    bool unknown;  /* the store began with records of anybody */
    bool hooked;   /* hooks drop and change messages and receipts */
};

/* A shell with an empty store; settings are copied, their spans borrowed. */
void shell_open(struct shell *shell, const struct engine_settings *settings,
                const struct policies *policies);
void shell_close(struct shell *shell);

/* Make the engine out of what is in the store, and start it. Answers how many records it refused.
 */
unsigned shell_start(struct shell *shell);

/* The process dies; what is with the store has been done (`done`) or not, nobody knows. */
void shell_kill(struct shell *shell, bool done);

/* One event at this moment, or none (NULL), and all that follows at once. */
void shell_step(struct shell *shell, const struct event *event);
void shell_step_all(struct shell *shell, const struct event *events, size_t count);

/* The batch that is out is durable; a page has been read, with the last of its records `damaged` or
 * missing. Nothing happens when there is none. */
void shell_commit(struct shell *shell, bool store_full);
void shell_load(struct shell *shell, bool damaged, bool missing);

/* So much time passes; what falls due on the way is done when it is due. */
void shell_wait(struct shell *shell, int64_t ms);

/* A handler at work ends, one way or another: its place among `runs` is free. */
void shell_end_run(struct shell *shell, size_t which);

/* A record as a reader sees it (given), held against all that was seen before. */
struct state_value shell_state(struct shell *shell, struct span address, enum state_scope scope,
                               struct span key);

/* Nothing waits to be committed: the record is what the store holds. */
void shell_check_kept(struct shell *shell, struct span address, enum state_scope scope,
                      struct span key);

/* A number to name a new connection by; CONNECTIONS: all are in use. */
uint32_t shell_free_connection(const struct shell *shell);

#endif
