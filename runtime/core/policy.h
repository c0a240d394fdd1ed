/* The questions the step asks and has answered at once, as a sort asks its comparator.
 * Every answer is pure: facts in, decision out. A NULL function, or one that answers
 * POLICY_DEFAULT, means that the built-in answer applies (a script failed, or there is none). */
#ifndef MOONPOST_POLICY_H
#define MOONPOST_POLICY_H

#include "core/frame.h"

enum policy_answer { POLICY_DEFAULT, POLICY_ANSWERED };

/* A failed try, of a handler or of a send. */
struct failure {
    uint32_t attempt;
    enum code code;
    int64_t elapsed_ms; /* since the first attempt */
    struct span error, address, method, key;
};

/* What a retry function says. */
struct retry_answer {
    bool give_up;
    int64_t delay_ms;   /* when not giving up; -1: the table of the policy decides */
    struct span reason; /* when giving up; borrowed until the next question */
};

/* What a dedup policy makes of a message. */
struct dedup_answer {
    struct span key; /* borrowed until the next question; empty: it is never a duplicate */
    bool has_version;
    double version; /* a lower or equal one than is remembered is stale */
    int64_t ttl_ms; /* how long it is remembered; 0: until it is settled; -1: the agent's */
};

enum hook_step { HOOK_RECEIVE, HOOK_FORWARD, HOOK_STORE };
enum hop_end { HOP_UPSTREAM, HOP_DOWNSTREAM, HOP_LOCAL };

struct hop {
    uint8_t from, to; /* enum hop_end */
    struct span link; /* name of the peer, or empty */
};

/* An envelope in a hook's hands: exactly one of the two is set. */
struct envelope {
    const struct message *message;
    const struct receipt *receipt;
    struct span ref; /* of a receipt: the message's id, when known */
};

/* What a fault does to an envelope that goes to a link. */
struct fate {
    int64_t delay_ms; /* it is so late */
    bool behind;      /* the next one overtakes it */
    bool twice;       /* it comes once more */
};

struct hook_answer {
    bool drop;
    struct span reason;    /* of the drop; borrowed until the next question */
    struct block *altered; /* given: the message to go on with, or NULL when unchanged */
    struct fate fate;      /* of HOOK_FORWARD */
};

struct policies {
    void *user;

    /* When again? `script` is retry_policy.script. */
    enum policy_answer (*retry)(void *user, uint32_t script, const struct failure *failure,
                                struct retry_answer *answer);

    /* Which key has this message, for an agent with a key function? Borrowed until the next
     * question. `agent` is agent_declaration.agent. */
    enum policy_answer (*key)(void *user, uint32_t agent, const struct message *message,
                              struct span *key);

    /* Same as what? Under which key the agent's dedup policy remembers this message. */
    enum policy_answer (*dedup)(void *user, uint32_t agent, const struct message *message,
                                struct dedup_answer *answer);

    /* May this envelope go on? Asked only for steps in engine_settings.hook_steps. */
    enum policy_answer (*hook)(void *user, enum hook_step step, const struct envelope *envelope,
                               const struct hop *hop, struct hook_answer *answer);

    /* The value of a record of the store (given), or false. What a batch under way holds is not
     * asked for. NULL: there is no store. */
    void *store_user;
    bool (*fetch)(void *store_user, const struct span *key, struct block **value);

    /* Records whose key begins with `prefix`, from the key `from` on, in order, as long as `each`
     * answers true. */
    void (*list)(void *store_user, struct span prefix, struct span from,
                 bool (*each)(void *, struct span key, struct span value), void *each_user);

    /* For people who watch: every frame as it is sent or received. Not a decision; may be NULL. */
    void *watch_user;
    void (*watch)(void *watch_user, bool outgoing, struct span peer, const struct frame *frame,
                  size_t bytes);
};

#endif
