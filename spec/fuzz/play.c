/* The choices of a play. */
#include "play.h"

/* Tokens of waiters are none of requests. */
enum { FIRST_TOKEN = 1 << 20 };

const char *const play_addresses[ADDRESSES] = {"a@x", "b@x",  "c@x",   "r@y",
                                               "s@y", "tt@y", "$node", "$x@y"};
const char *const play_names[NAMES] = {"alpha", "beta", "gamma", "node"};

int64_t choose_ms(struct tape *tape)
{
    static const int64_t choices[] = {0,
                                      1,
                                      5,
                                      20,
                                      100,
                                      1000,
                                      5000,
                                      15000,
                                      31000,
                                      60000,
                                      120000,
                                      3600000,
                                      86400000,
                                      7LL * 86400000,
                                      31LL * 86400000,
                                      DURATION_FOREVER};
    return choices[tape_choice(tape, sizeof choices / sizeof choices[0])];
}

struct retry_policy choose_policy(struct tape *tape)
{
    static const double factors[] = {1, 2, 1000};
    static const double jitters[] = {0, 0.1, 1};
    struct retry_policy policy = {
        .attempts = tape_bit(tape) ? ATTEMPTS_FOREVER : 1 + tape_choice(tape, 5),
        .first_ms = choose_ms(tape),
        .factor = factors[tape_choice(tape, 3)],
        .cap_ms = choose_ms(tape),
        .jitter = jitters[tape_choice(tape, 3)],
        .deadline_ms = choose_ms(tape),
    };
    unsigned growth = tape_choice(tape, 4);
    if (growth == 1) policy.step_ms = choose_ms(tape);
    if (growth == 2) policy.delay_count = 1 + tape_choice(tape, DELAYS_MAX);
    for (uint32_t i = 0; i < policy.delay_count; i++) policy.delays_ms[i] = choose_ms(tape);
    policy.script = growth == 3 ? 1 + tape_choice(tape, 3) : 0;
    policy.whole = policy.script && tape_bit(tape);
    return policy;
}

struct span choose_address(struct tape *tape)
{
    return span_text(play_addresses[tape_choice(tape, ADDRESSES)]);
}

struct span choose_id(struct tape *tape)
{
    static const char ids[] = "id0id1id2id3id4id5id6id7id8id9idaidbidcididdideidf";
    return span_of(ids + 3 * tape_choice(tape, 16), 3);
}

struct span choose_body(struct tape *tape)
{
    static const char zeros[4096];
    unsigned kind = tape_choice(tape, 16);
    if (kind == 15) return span_of(zeros, sizeof zeros); /* over body_max */
    return tape_span(tape, kind);
}

void store_id_of(unsigned name, bool other, char *store_id)
{
    memset(store_id, 'a' + (int)name + (other ? 16 : 0), STORE_ID_BYTES);
}

uint64_t choose_waiter(struct play *play)
{
    unsigned place = tape_choice(&play->tape, WAITERS);
    if (play->shell.waiters[place]) return 0;
    play->shell.waiters[place] = (FIRST_TOKEN + ++play->tokens) * WAITERS + place; /* none is used again */
    return play->shell.waiters[place];
}

struct submit choose_submit(struct play *play)
{
    static const uint8_t profiles[] = {1, 1, 1, PROFILE_DEFAULT, 0, 2};
    struct tape *tape = &play->tape;
    struct submit submit = {
        .message =
            {
                .profile = profiles[tape_choice(tape, 6)],
                .level = (uint8_t)tape_choice(tape, 4),
                .due_ms = tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : 0,
                .remaining_ms =
                    tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : REMAINING_FOREVER,
                .id = choose_id(tape),
                .to = choose_address(tape),
                .key = tape_span(tape, tape_choice(tape, 3)),
                .body = choose_body(tape),
            },
        .timeout_ms = tape_bit(tape) ? choose_ms(tape) : 0,
        .fail_fast = tape_choice(tape, 4) == 1,
    };
    if (tape_choice(tape, 4) != 1) return submit;
    play->policy = choose_policy(tape);
    submit.retry = &play->policy;
    return submit;
}
