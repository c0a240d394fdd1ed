/* A play of frames and events, legal and illegal, against a live engine: peers that connect, greet,
 * attach, send, answer and vanish; programs that send and wait; handlers that end in every way; a
 * store that takes its time; timers; a process that is killed and starts again. What must hold all
 * the while is told in shell.h, and by the engine's own invariants. */
#include "play.h"

enum {
    KILL_AFTER = 3, /* lives of one play */
    FLOOD = 40,     /* messages, times 1 to 4 */
};

/* ---- what scripts would say ---- */

static enum policy_answer ask_retry(void *user, uint32_t script, const struct failure *failure,
                                    struct retry_answer *answer)
{
    (void)user;
    if (script == 3) return POLICY_DEFAULT;
    answer->give_up = failure->attempt > script;
    answer->delay_ms = failure->attempt == 1 ? -1 : script == 2 ? INT64_MAX : 7;
    answer->reason = span_text(script == 1 ? "the script has had enough" : "");
    return POLICY_ANSWERED;
}

static char last_letter(struct span text)
{
    return text.size > 0 ? text.bytes[text.size - 1] : 0;
}

static enum policy_answer ask_key(void *user, uint32_t agent, const struct message *message,
                                  struct span *key)
{
    (void)user;
    if (agent == 1) return POLICY_DEFAULT;
    *key = message->id;
    return POLICY_ANSWERED;
}

static enum policy_answer ask_dedup(void *user, uint32_t agent, const struct message *message,
                                    struct dedup_answer *answer)
{
    (void)user;
    (void)agent;
    if (last_letter(message->id) == '5') return POLICY_DEFAULT;
    answer->key = span_of(message->body.bytes, message->body.size > 0 ? 1 : 0);
    answer->ttl_ms = -1;
    return POLICY_ANSWERED;
}

static enum policy_answer ask_hook(void *user, enum hook_step step, const struct envelope *envelope,
                                   const struct hop *hop, struct hook_answer *answer)
{
    (void)user;
    (void)hop;
    char letter = last_letter(envelope->message ? envelope->message->id : envelope->ref);
    answer->drop = letter == '7' && step != HOOK_STORE;
    answer->drop |= letter == '9' && step == HOOK_STORE;
    answer->reason = span_text("dropped");
    if (!envelope->message || letter != '8') return POLICY_ANSWERED;
    struct message altered = *envelope->message;
    altered.body = span_text("altered");
    answer->altered = message_encode(&altered);
    return POLICY_ANSWERED;
}

static void watch(void *user, bool outgoing, struct span peer, const struct frame *frame,
                  size_t bytes)
{
    (void)user;
    (void)outgoing;
    ensure(peer.size > 0 && bytes > 0 && frame_type_name(frame->type)[0]);
}

/* ---- programs ---- */

static void submit(struct play *play)
{
    struct submit submit = choose_submit(play);
    struct event event = {.kind = EVENT_SUBMIT, .submit = &submit};
    submit.own = tape_bit(&play->tape);
    submit.waiter = tape_bit(&play->tape) ? choose_waiter(play) : 0;
    shell_step(&play->shell, &event);
}

/* All of them, or none. */
static void transact(struct play *play)
{
    struct submit sends[2];
    struct transaction transaction = {.sends = sends, .count = 2};
    struct event event = {.kind = EVENT_TRANSACT, .transaction = &transaction};
    for (size_t i = 0; i < 2; i++) {
        sends[i] = choose_submit(play);
        sends[i].retry = NULL;
        sends[i].waiter = tape_bit(&play->tape) ? choose_waiter(play) : 0;
    }
    shell_step(&play->shell, &event);
}

static void begin_wait(struct play *play)
{
    struct event event = {.kind = EVENT_WAIT, .delay_ms = choose_ms(&play->tape)};
    event.waiter = choose_waiter(play);
    if (event.waiter) shell_step(&play->shell, &event);
}

static void forget(struct play *play)
{
    unsigned place = tape_choice(&play->tape, WAITERS);
    struct event event = {.kind = EVENT_FORGET, .waiter = play->shell.waiters[place]};
    play->shell.waiters[place] = 0;
    shell_step(&play->shell, &event);
}

/* More than a mailbox keeps in memory. */
static void flood(struct play *play)
{
    struct tape *tape = &play->tape;
    struct submit one = choose_submit(play);
    struct event event = {.kind = EVENT_SUBMIT, .submit = &one};
    bool wait = tape_bit(tape);
    for (unsigned left = FLOOD * (1 + tape_choice(tape, 4)); left > 0; left--) {
        one.waiter = wait ? choose_waiter(play) : 0;
        shell_step(&play->shell, &event);
    }
}

/* ---- ends ---- */

static void order(struct play *play, enum event_kind kind)
{
    struct event event = {.kind = kind};
    shell_step(&play->shell, &event);
}

static void kill_and_start(struct play *play)
{
    if (play->lives++ >= KILL_AFTER) return;
    shell_kill(&play->shell, tape_bit(&play->tape));
    play->shell.suspects = tape_choice(&play->tape, 3);
    play->shell.now_ms = 1 + choose_ms(&play->tape) % 86400000;
    play->shell.wall_ms += (int64_t)tape_number(&play->tape, 3) - 0x100000;
    ensure(shell_start(&play->shell) == 0);
}

/* ---- the play ---- */

static void wait_some(struct play *play)
{
    int64_t ms = choose_ms(&play->tape);
    shell_wait(&play->shell, ms < DURATION_FOREVER ? ms : 1000);
}

/* What agents keep, what takes more than one step, and what few do. */
static void more(struct play *play)
{
    struct tape *tape = &play->tape;
    switch (tape_choice(tape, 16)) {
    case 0:
    case 1:
    case 2: play_keeping_outcomes(play); return;
    case 3:
    case 4: play_orderly_agent_up(play, tape_choice(tape, AGENTS)); return;
    case 5: play_keep(play); return;
    case 6: play_look_at_state(play); return;
    case 7: play_extend(play); return;
    case 8: play_peek(play); return;
    case 9: play_purge(play); return;
    case 10: play_cancel_message(play); return;
    case 11: transact(play); return;
    case 12: play_ask_node(play, true); return;
    case 13: play_stream(play); return;
    case 14: play_part(play); return;
    default: play_look(play); return;
    }
}

static void live(struct play *play)
{
    struct tape *tape = &play->tape;
    switch (tape_choice(tape, 32)) {
    case 0: play_link_up(play); return;
    case 1: play_connect(play, tape_choice(tape, DIALS + 1), tape_bit(tape)); return;
    case 2: play_fail_dial(play); return;
    case 3:
    case 4: submit(play); return;
    case 5: begin_wait(play); return;
    case 6: forget(play); return;
    case 7: play_agent_up(play, tape_choice(tape, AGENTS)); return;
    case 8: play_link_up(play); return;
    case 9:
    case 10:
    case 11: play_outcome(play); return;
    case 12:
    case 13:
    case 14: shell_commit(&play->shell, tape_choice(tape, 16) == 1); return;
    case 15: shell_load(&play->shell, tape_choice(tape, 8) == 1, tape_choice(tape, 8) == 1); return;
    case 16:
    case 17: wait_some(play); return;
    case 18: play_ask_node(play, false); return;
    case 19: play_requeue(play); return;
    case 20: play_hold(play); return;
    case 21: play_administered(play); return;
    case 22: play_look(play); return;
    case 23:
        if (tape_choice(tape, 8) == 1) order(play, EVENT_DRAIN);
        return;
    case 24:
        if (tape_choice(tape, 8) == 1) order(play, EVENT_STOP);
        return;
    case 25: kill_and_start(play); return;
    case 26: flood(play); return;
    case 27: play_remove(play); return;
    case 28:
    case 29: more(play); return;
    default: play_speak(play, tape_byte(tape)); return;
    }
}

static struct engine_settings choose_settings(struct tape *tape, struct link_settings *links)
{
    struct engine_settings settings = {
        .name = span_text("node"),
        .epoch = 1,
        .seed = tape_byte(tape),
        .role = (uint8_t)tape_choice(tape, 3),
        .profile = AT_LEAST_ONCE,
        .level = (uint8_t)tape_choice(tape, 4),
        .strict = tape_choice(tape, 4) == 1,
        .send = choose_policy(tape),
        .handle = retry_default_handle(),
        .window = 1 + tape_choice(tape, 4),
        .outbox_count_max = 1 + tape_choice(tape, 64),
        .outbox_bytes_max = 1 << 16,
        .mailbox_count_max = 1 + 4 * tape_choice(tape, 128),
        .mailbox_bytes_max = 1 << 16,
        .body_max = 1024,
        .heartbeat_ms = 15000,
        .store_facts = tape_choice(tape, 4),
        .links = links,
        .link_count = tape_choice(tape, DIALS + 1),
    };
    store_id_of(NAMES - 1, false, settings.store_id);
    for (size_t i = 0; i < DIALS; i++)
        links[i] = (struct link_settings){.address = span_text(i ? "tcp://b" : "tcp://a"),
                                          .retry = choose_policy(tape),
                                          .stable_for_ms = 10000,
                                          .heartbeat_ms = 15000};
    return settings;
}

static void end(struct play *play)
{
    for (int rounds = 0; play->shell.batch && rounds < 100; rounds++)
        shell_commit(&play->shell, false);
    play_look_at_state(play);
    shell_kill(&play->shell, true);
    ensure(shell_start(&play->shell) == 0);
    play_look_at_state(play);
    shell_close(&play->shell);
    buffer_deinit(&play->out);
    buffer_deinit(&play->headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct policies policies = {
        .retry = ask_retry, .key = ask_key, .dedup = ask_dedup, .hook = ask_hook, .watch = watch};
    struct link_settings links[DIALS];
    struct play play = {.tape = tape_of(bytes, size)};
    struct engine_settings settings = choose_settings(&play.tape, links);
    shell_open(&play.shell, &settings, &policies);
    play.shell.hooked = tape_choice(&play.tape, 4) == 1;
    ensure(shell_start(&play.shell) == 0);
    for (unsigned which = tape_choice(&play.tape, AGENTS + 1); which > 0; which--)
        play_agent_up(&play, which - 1);
    while (!tape_ended(&play.tape)) live(&play);
    end(&play);
    return 0;
}
