/* A store that nobody vouches for: whatever its records say, each is taken or refused, and what is
 * taken can be lived with: delivered, sent, expired, killed and recovered again.
 *
 * Records are bytes, or what the engine itself would write of a message that no engine would have.
 */
#include "core/ensure.h"
#include "core/failure.h"
#include "core/record.h"
#include "shell.h"
#include "tape.h"

enum { TURNS = 40 };

#define ORIGIN "eeeeeeeeeeeeeee\1e0" /* more than a store's id */

/* ---- records ---- */

static void put(struct store *store, struct span key, struct span value)
{
    struct op op = {.kind = OP_PUT, .key = key, .head = value};
    if (key.size > 0 && key.size <= STORE_KEY_MAX)
        ensure(store->engine->commit(store, &op, 1) == STATUS_OK);
}

/* A number as no clock and no counter would have it. */
static uint64_t choose_number(struct tape *tape)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       (uint64_t)INT64_MIN,
                                       UINT64_MAX,
                                       UINT64_MAX - 1,
                                       1700000000000};
    unsigned which = tape_choice(tape, 12);
    if (which < 8) return numbers[which];
    return which == 8 ? tape_number(tape, 8) : tape_byte(tape);
}

static struct span choose_address(struct tape *tape)
{
    static const char *const addresses[] = {"a@x", "b@x", "r@y", "$node", "e@x"};
    static const char long_one[300] = {'l'};
    unsigned which = tape_choice(tape, 8);
    if (which == 7) return span_of(long_one, sizeof long_one);
    return which < 5 ? span_text(addresses[which]) : tape_span(tape, which);
}

static struct span short_one(struct span text)
{
    return span_of(text.bytes, text.size < UINT8_MAX ? text.size : UINT8_MAX);
}

static double choose_double(struct tape *tape)
{
    uint64_t bits = tape_bit(tape) ? tape_number(tape, 8) : 0x3ff0000000000000;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static struct retry_policy choose_policy(struct tape *tape)
{
    struct retry_policy policy = {
        .attempts = (uint32_t)choose_number(tape),
        .first_ms = (int64_t)choose_number(tape),
        .factor = choose_double(tape),
        .step_ms = (int64_t)choose_number(tape),
        .cap_ms = (int64_t)choose_number(tape),
        .jitter = choose_double(tape),
        .deadline_ms = (int64_t)choose_number(tape),
        .delay_count = tape_bit(tape) ? tape_choice(tape, DELAYS_MAX + 1) : 0,
    };
    for (uint32_t i = 0; i < policy.delay_count; i++)
        policy.delays_ms[i] = (int64_t)choose_number(tape);
    return policy;
}

static struct block *choose_message(struct tape *tape)
{
    struct message message = {
        .flags = (uint8_t)tape_choice(tape, 3),
        .profile = (uint8_t)tape_choice(tape, 3),
        .level = (uint8_t)tape_choice(tape, 4),
        .transmission = (uint16_t)(1 + tape_byte(tape)),
        .requeues = tape_byte(tape),
        .lane_epoch = tape_byte(tape),
        .seq = choose_number(tape),
        .base = choose_number(tape),
        .due_ms = tape_bit(tape) ? choose_number(tape) : 0,
        .remaining_ms = tape_bit(tape) ? choose_number(tape) : REMAINING_FOREVER,
        .id = span_text(tape_bit(tape) ? "id1" : "id2"),
        .origin = span_of(ORIGIN, tape_choice(tape, 16) == 1 ? 16 : 18),
        .to = short_one(choose_address(tape)),
        .key = tape_span(tape, tape_choice(tape, 3)),
        .body = tape_span(tape, tape_choice(tape, 8)),
    };
    return message_encode(&message);
}

/* What the writers of records look at. */
struct made {
    struct queue queue;
    struct entry entry;
    struct failure_note note;
};

static void make_note(struct made *made, struct tape *tape)
{
    made->note.attempt = (uint32_t)choose_number(tape);
    made->note.at_ms = (int64_t)choose_number(tape);
    made->note.code = tape_byte(tape);
    made->note.reason = tape_span(tape, tape_choice(tape, 4));
    made->entry.failures = &made->note;
}

static void make(struct made *made, struct tape *tape)
{
    struct entry *entry = &made->entry;
    *made = (struct made){.queue = {.kind = (uint8_t)tape_choice(tape, 2)}};
    made->queue.name = choose_address(tape);
    made->queue.lane_epoch = tape_byte(tape);
    made->queue.ceiling = choose_number(tape);
    made->queue.held_ms = (int64_t)choose_number(tape);
    entry->queue = &made->queue;
    entry->state = (uint8_t)tape_choice(tape, ENTRY_STATE_COUNT);
    entry->first_ms = (int64_t)choose_number(tape);
    entry->fail_fast = tape_bit(tape);
    entry->unanswered = tape_bit(tape);
    entry->attempt = (uint32_t)choose_number(tape);
    entry->spent = (uint32_t)choose_number(tape);
    entry->transmissions = (uint16_t)choose_number(tape);
    entry->last_code = tape_bit(tape) ? CODE_IN_DOUBT : tape_byte(tape);
    entry->deadline.at_ms = (int64_t)choose_number(tape);
    entry->deadline.position = tape_bit(tape);
    make_note(made, tape);
}

static void put_message(struct store *store, struct tape *tape, struct made *made, struct span key)
{
    struct buffer out = {0};
    struct retry_policy policy;
    bool own_policy = tape_bit(tape);
    if (own_policy) policy = choose_policy(tape);
    made->entry.block = choose_message(tape);
    record_message_head(&made->entry, own_policy ? &policy : NULL, 0, &out);
    buffer_put(&out, block_span(made->entry.block));
    put(store, key, buffer_span(&out));
    block_release(made->entry.block);
    buffer_deinit(&out);
}

static void put_lane(struct store *store, struct tape *tape)
{
    char key[RECORD_KEY_MAX];
    struct buffer out = {0};
    struct lane *lane = lane_new(span_text(ORIGIN), tape_byte(tape),
                                 short_one(choose_address(tape)), choose_number(tape));
    struct lane_run runs[4];
    lane->end = choose_number(tape);
    lane->run_count = tape_choice(tape, 5);
    lane->runs = runs;
    for (size_t i = 0; i < lane->run_count; i++)
        runs[i] = (struct lane_run){choose_number(tape), tape_byte(tape)};
    record_lane(lane, &out);
    put(store, record_lane_key(key, lane), buffer_span(&out));
    lane->runs = NULL;
    lane_free(lane);
    buffer_deinit(&out);
}

static void put_raw(struct store *store, struct tape *tape)
{
    struct span key = tape_span(tape, tape_byte(tape));
    put(store, key, tape_span(tape, tape_number(tape, 2)));
}

/* As the engine would write it, but for what it says; cut short now and then. */
static void put_made(struct store *store, struct tape *tape, enum record_kind kind)
{
    char key[RECORD_KEY_MAX];
    struct made made;
    struct buffer out = {0};
    uint64_t sequence = tape_bit(tape) ? choose_number(tape) : tape_choice(tape, 8);
    struct span by_sequence = record_key(key, kind, sequence);
    make(&made, tape);
    struct span address = short_one(made.queue.name);
    if (kind == RECORD_MESSAGE) {
        put_message(store, tape, &made, by_sequence);
        return;
    }
    if (kind == RECORD_FACTS) record_facts(&made.entry, 0, 0, &out);
    if (kind == RECORD_DEAD) record_dead(&made.entry, 0, &out);
    if (kind == RECORD_OUTBOX) by_sequence = record_outbox_key(key, address);
    if (kind == RECORD_OUTBOX) record_outbox(&made.queue, &out);
    if (kind == RECORD_HOLD) by_sequence = record_hold_key(key, address);
    if (kind == RECORD_HOLD) record_hold(&made.queue, 0, &out);
    put(store, by_sequence, span_of(out.block->bytes, out.used - tape_choice(tape, 4) / 3));
    buffer_deinit(&out);
}

static void put_record(struct store *store, struct tape *tape)
{
    switch (tape_choice(tape, 10)) {
    case 0: put_raw(store, tape); return;
    case 1: put_lane(store, tape); return;
    case 2: put_made(store, tape, RECORD_FACTS); return;
    case 3: put_made(store, tape, RECORD_DEAD); return;
    case 4: put_made(store, tape, RECORD_OUTBOX); return;
    case 5: put_made(store, tape, RECORD_HOLD); return;
    default: put_made(store, tape, RECORD_MESSAGE); return;
    }
}

/* ---- lives ---- */

static void agent_up(struct shell *shell, const char *address, uint32_t agent)
{
    struct agent_declaration declaration = {
        .agent = agent,
        .address = span_text(address),
        .concurrency = 2,
        .timeout_ms = 1000,
        .profile = AT_LEAST_ONCE,
        .dedup = agent == 2 ? DEDUP_KEY : DEDUP_NONE,
        .dedup_ttl_ms = 60000,
        .retry = retry_default_handle(),
    };
    struct event event = {.kind = EVENT_AGENT_UP, .agent = &declaration};
    shell->allowed[agent] = declaration.concurrency;
    shell_step(shell, &event);
}

static void finish_one(struct shell *shell, unsigned turn)
{
    struct outcome outcome = {.kind = (uint8_t)(turn % (OUTCOME_SKIP + 1)),
                              .code = CODE_HANDLER_ERROR,
                              .reason = span_text("so it was"),
                              .delay_ms = -1};
    struct event event = {.kind = EVENT_OUTCOME, .outcome = &outcome};
    if (shell->run_count == 0) return;
    outcome.delivery = shell->runs[shell->run_count - 1].delivery;
    shell_end_run(shell, shell->run_count - 1);
    shell_step(shell, &event);
}

/* Whoever it is that the store's outboxes send to: a peer that takes everything. */
static void link_up(struct shell *shell)
{
    struct event accepted = {.kind = EVENT_ACCEPTED, .connection = 0};
    struct event bytes = {.kind = EVENT_BYTES, .connection = 0};
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .epoch = UINT64_MAX,
                          .credit = UINT64_MAX,
                          .name = span_text("peer"),
                          .store_id = span_text("pppppppppppppppp")};
    struct attach attach = {.address = span_text("r@y")};
    struct buffer out = {0};
    shell->connections[0] = (struct connection){.open = true, .credit = hello.credit};
    shell_step(shell, &accepted);
    frame_write_hello(&out, FRAME_HELLO, &hello);
    frame_write_attach(&out, FRAME_ATTACH, &attach);
    bytes.bytes = buffer_span(&out);
    shell_step(shell, &bytes);
    buffer_deinit(&out);
}

static void live(struct shell *shell)
{
    agent_up(shell, "a@x", 1);
    agent_up(shell, "b@x", 2);
    link_up(shell);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        shell_commit(shell, false);
        shell_load(shell, false, false);
        finish_one(shell, turn);
        shell_wait(shell, turn < TURNS / 2 ? 700 : 86400000);
    }
}

static struct engine_settings settings(void)
{
    return (struct engine_settings){
        .name = span_text("node"),
        .store_id = "eeeeeeeeeeeeeee",
        .epoch = 2,
        .seed = 1,
        .profile = AT_LEAST_ONCE,
        .send = retry_default_send(),
        .handle = retry_default_handle(),
        .window = 4,
        .outbox_count_max = 100,
        .outbox_bytes_max = 1 << 20,
        .mailbox_count_max = 100,
        .mailbox_bytes_max = 1 << 20,
        .body_max = 4096,
        .heartbeat_ms = 15000,
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct policies none = {0};
    struct engine_settings plain = settings();
    struct tape tape = tape_of(bytes, size);
    struct shell shell;
    shell_open(&shell, &plain, &none);
    shell.unknown = true;
    shell.wall_ms = 1700000000000;
    while (!tape_ended(&tape)) put_record(shell.store, &tape);
    for (int lives = 0; lives < 2; lives++) {
        shell.suspects = 2;
        shell_start(&shell);
        live(&shell);
        shell_kill(&shell, lives == 0);
    }
    shell_close(&shell);
    return 0;
}
