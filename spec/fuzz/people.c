/* People of a play: what `$node` is asked, and what it does about it. */
#include "play.h"

static void remember_letter(void *user, const struct dead_letter *letter)
{
    *(uint64_t *)user = letter->handle;
}

static uint64_t choose_letter(struct play *play)
{
    uint64_t handle = 0;
    struct dead_query query = {.limit = 1 + tape_choice(&play->tape, 4), .until_ms = INT64_MAX};
    if (tape_bit(&play->tape))
        engine_letters(play->shell.engine, &query, remember_letter, &handle);
    else
        engine_dead(play->shell.engine, choose_address(&play->tape), remember_letter, &handle);
    return handle;
}

static uint64_t newest_request(const struct shell *shell)
{
    return shell->request_count > 0 ? shell->requests[(shell->request_count - 1) % REQUESTS] : 0;
}

void play_requeue(struct play *play)
{
    struct tape *tape = &play->tape;
    struct requeue requeue = {.letter = choose_letter(play), .has_body = tape_bit(tape)};
    struct event event = {
        .kind = EVENT_REQUEUE, .waiter = newest_request(&play->shell), .requeue = &requeue};
    if (requeue.has_body) requeue.body = choose_body(tape);
    if (tape_bit(tape)) requeue.to = choose_address(tape);
    shell_step(&play->shell, &event);
}

void play_hold(struct play *play)
{
    struct event event = {.kind = EVENT_HOLD,
                          .hold = (uint8_t)tape_choice(&play->tape, HOLD_DRAINING + 1),
                          .waiter = newest_request(&play->shell),
                          .address = span_text(play_addresses[tape_choice(&play->tape, AGENTS)])};
    shell_step(&play->shell, &event);
}

void play_remove(struct play *play)
{
    struct event event = {.kind = EVENT_REMOVE,
                          .waiter = newest_request(&play->shell),
                          .letter = choose_letter(play)};
    shell_step(&play->shell, &event);
}

void play_administered(struct play *play)
{
    struct administered answer = {.code = tape_choice(&play->tape, 4) == 1 ? CODE_OTHER : CODE_NONE,
                                  .word = span_text("MY_WORD"),
                                  .reason = span_text("said so"),
                                  .result = span_text("{}")};
    struct event event = {.kind = EVENT_ADMINISTERED,
                          .waiter = newest_request(&play->shell),
                          .administered = &answer};
    if (play->shell.asked == event.waiter) play->shell.asked = 0;
    shell_step(&play->shell, &event);
}

/* A program of the node's own user asks $node. */
void play_ask_node(struct play *play, bool stream)
{
    struct submit submit = {.message = {.id = choose_id(&play->tape),
                                        .to = span_text("$node"),
                                        .profile = AT_LEAST_ONCE,
                                        .remaining_ms = REMAINING_FOREVER,
                                        .level = LEVEL_HANDLED},
                            .own = true,
                            .stream = stream};
    struct event event = {.kind = EVENT_SUBMIT, .submit = &submit};
    submit.waiter = choose_waiter(play);
    shell_step(&play->shell, &event);
}

/* ---- what takes more than one step ---- */

void play_peek(struct play *play)
{
    struct tape *tape = &play->tape;
    struct peek peek = {.address = choose_address(tape),
                        .states = tape_bit(tape) ? UINT32_MAX : 1U << tape_choice(tape, 8),
                        .after = tape_choice(tape, 4) == 1 ? tape_byte(tape) : 0,
                        .limit = 1 + tape_choice(tape, 16)};
    struct event event = {.kind = EVENT_PEEK, .waiter = play->shell.asked, .peek = &peek};
    shell_step(&play->shell, &event);
}

static void find_mailbox(void *user, const struct queue_view *view)
{
    struct purge *purge = user;
    if (!view->outbox && span_equal(view->address, purge->address)) purge->limit++;
}

void play_purge(struct play *play)
{
    struct tape *tape = &play->tape;
    struct purge purge = {.address = span_text(play_addresses[tape_choice(tape, AGENTS)]),
                          .last = tape_choice(tape, 4) == 1 ? tape_byte(tape) : 0};
    struct event event = {.kind = EVENT_PURGE, .waiter = play->shell.asked, .purge = &purge};
    engine_queues(play->shell.engine, find_mailbox, &purge);
    if (purge.limit == 0) return; /* as the node looks first */
    purge.limit += tape_choice(tape, 64);
    shell_step(&play->shell, &event);
}

/* By a program, or in answer to a request, or for nobody. */
void play_cancel_message(struct play *play)
{
    struct tape *tape = &play->tape;
    struct event event = {.kind = EVENT_CANCEL_MESSAGE, .bytes = choose_id(tape)};
    unsigned who = tape_choice(tape, 3);
    if (tape_bit(tape)) event.address = choose_address(tape);
    event.waiter = who == 0 ? play->shell.asked : who == 1 ? choose_waiter(play) : 0;
    shell_step(&play->shell, &event);
}

/* ---- streams ---- */

/* The request at work is answered by parts, or who waits for some wants no more. */
void play_stream(struct play *play)
{
    struct event event = {.kind = EVENT_STREAM, .waiter = newest_request(&play->shell)};
    if (tape_choice(&play->tape, 3) == 1) {
        event.kind = EVENT_CANCEL;
        event.waiter = play->shell.waiters[tape_choice(&play->tape, WAITERS)];
    }
    if (event.waiter) shell_step(&play->shell, &event);
}

void play_part(struct play *play)
{
    struct shell *shell = &play->shell;
    struct part part = {.encoding = ENCODING_JSON, .body = span_text("{}")};
    struct event event = {.kind = EVENT_PART, .part = &part};
    event.waiter = shell->requests[tape_choice(&play->tape, REQUESTS)];
    if (!engine_part_fits(shell->engine, event.waiter)) return;
    shell_step(shell, &event);
}

/* ---- looking ---- */

static void see_queue(void *user, const struct queue_view *view)
{
    (void)user;
    ensure(view->address.size > 0);
}

static void see_link(void *user, const struct link_view *view)
{
    (void)user;
    ensure(view->name.size > 0 && view->state);
}

static void see_pending(void *user, const struct pending *pending)
{
    (void)user;
    ensure(pending->state[0]);
}

static void see_attached(void *user, struct span address, struct span link)
{
    (void)user;
    ensure(address.size > 0 && link.size > 0);
}

void play_look(struct play *play)
{
    const struct engine *engine = play->shell.engine;
    struct engine_counts counts;
    engine_queues(engine, see_queue, NULL);
    engine_links(engine, see_link, NULL);
    engine_pending(engine, see_pending, NULL);
    engine_attached(engine, 4, see_attached, NULL);
    engine_count(engine, &counts);
    ensure(engine_in_hand(engine) >= play->shell.run_count);
}
