/* Agents of a play: how their handlers end, and what they keep. */
#include "play.h"

#include "core/record.h"

enum {
    KEYS = 6,
    READS = 3,
    WRITES = 3,
    SENDS = 2,
    PARTS = 8,
    TOGETHER = 3, /* handlers that end between two steps */
    LISTED = 4,   /* records of a page */
};

/* Of what agents keep; the first is a document's, too. */
static const char *const keys[KEYS] = {"", "n", "na", "na/1", "nb", "z"};

/* ---- declarations ---- */

static struct agent_declaration choose_agent(struct play *play, unsigned which)
{
    static const uint8_t profiles[] = {AT_LEAST_ONCE, AT_LEAST_ONCE, AT_MOST_ONCE, EXACTLY_ONCE};
    struct tape *tape = &play->tape;
    return (struct agent_declaration){
        .agent = which + 1,
        .address = span_text(play_addresses[which]),
        .concurrency = 1 + tape_choice(tape, 4),
        .timeout_ms = 1 + choose_ms(tape) % 86400000,
        .profile = profiles[tape_choice(tape, 4)],
        .asks_key = tape_bit(tape),
        .dedup = tape_bit(tape) ? DEDUP_KEY : DEDUP_NONE,
        .asks_dedup = tape_bit(tape),
        .dedup_ttl_ms = choose_ms(tape),
        .retry = choose_policy(tape),
    };
}

static void bring_up(struct play *play, const struct agent_declaration *agent)
{
    struct event event = {.kind = EVENT_AGENT_UP, .agent = agent};
    uint32_t *allowed = &play->shell.allowed[agent->agent];
    if (agent->concurrency > *allowed) *allowed = agent->concurrency;
    shell_step(&play->shell, &event);
}

void play_agent_up(struct play *play, unsigned which)
{
    struct agent_declaration agent = choose_agent(play, which);
    bring_up(play, &agent);
}

/* As scripts may declare one: a batch has no order but that of its mailbox. */
void play_orderly_agent_up(struct play *play, unsigned which)
{
    static const uint8_t orders[] = {ORDER_KEY, ORDER_STRICT, ORDER_NONE};
    struct tape *tape = &play->tape;
    struct agent_declaration agent = choose_agent(play, which);
    agent.order = orders[tape_choice(tape, 3)];
    agent.has_dead = tape_bit(tape);
    agent.forgets_results = tape_bit(tape);
    if (agent.order == ORDER_STRICT) agent.concurrency = 1;
    if (tape_bit(tape) && agent.order != ORDER_KEY) {
        agent.batch = 1 + tape_choice(tape, 8);
        agent.batch_within_ms = choose_ms(tape) % 60000;
    }
    bring_up(play, &agent);
}

/* ---- what they keep ---- */

static struct span choose_key(struct tape *tape)
{
    return span_text(keys[tape_choice(tape, KEYS)]);
}

static enum state_scope choose_scope(struct tape *tape)
{
    static const enum state_scope scopes[] = {STATE_KV, STATE_KV, STATE_DOCUMENT, STATE_VERSIONS};
    return scopes[tape_choice(tape, 4)];
}

static struct state_write choose_write(struct play *play)
{
    static const char *const values[] = {"1", "2.5", "{\"a\":1}", "\"text\""};
    struct tape *tape = &play->tape;
    struct state_write write = {
        .scope = (uint8_t)choose_scope(tape),
        .change = (uint8_t)tape_choice(tape, STATE_ADD + 1),
        .key = choose_key(tape),
        .value = span_text(values[tape_choice(tape, 4)]),
        .number = 1 + tape_choice(tape, 3),
        .writer = tape_choice(tape, 3),
    };
    if (write.scope == STATE_KV && write.change == STATE_SET && tape_choice(tape, 4) == 1)
        write.expires_wall_ms =
            play->shell.now_ms + play->shell.wall_ms + 1 + choose_ms(tape) % 86400000;
    return write;
}

/* Mostly what is there. */
static struct state_read choose_read(struct play *play, struct span address)
{
    struct tape *tape = &play->tape;
    struct state_read read = {.scope = (uint8_t)choose_scope(tape), .key = choose_key(tape)};
    struct state_value value =
        shell_state(&play->shell, address, (enum state_scope)read.scope, read.key);
    read.version = value.version - (tape_choice(tape, 8) == 1);
    block_release(value.value);
    return read;
}

static size_t choose_writes(struct play *play, struct state_write *writes)
{
    size_t count = tape_choice(&play->tape, WRITES + 1);
    for (size_t i = 0; i < count; i++) writes[i] = choose_write(play);
    return count;
}

void play_keep(struct play *play)
{
    struct state_write writes[WRITES];
    struct outcome outcome = {.writes = writes, .write_count = choose_writes(play, writes)};
    struct event event = {.kind = EVENT_STATE,
                          .address = span_text(play_addresses[tape_choice(&play->tape, AGENTS)]),
                          .outcome = &outcome};
    for (size_t i = 0; i < outcome.write_count; i++) /* a number is added by deliveries only */
        if (writes[i].change == STATE_ADD) writes[i].change = STATE_SET;
    shell_step(&play->shell, &event);
}

struct listing {
    struct span prefix;
    size_t count, scanned;
    char last[RECORD_KEY_MAX];
    size_t last_size;
};

static void see_listed(void *user, struct span key, struct span value)
{
    struct listing *listing = user;
    size_t shorter = key.size < listing->last_size ? key.size : listing->last_size;
    int order = memcmp(key.bytes, listing->last, shorter);
    ensure(value.size > 0);
    ensure(key.size >= listing->prefix.size &&
           memcmp(key.bytes, listing->prefix.bytes, listing->prefix.size) == 0);
    ensure(listing->count == 0 || order > 0 || (order == 0 && key.size > listing->last_size));
    memcpy(listing->last, key.bytes, key.size);
    listing->last_size = key.size;
    listing->count++;
}

static bool see_scanned(void *user, struct span key, const struct state_value *value)
{
    struct listing *listing = user;
    ensure(key.size <= STATE_KEY_BYTES_MAX && value->value && value->version > 0);
    listing->scanned++;
    return true;
}

/* Page by page, until there is none. */
static size_t list_all(struct play *play, struct span address, struct listing *listing)
{
    size_t told;
    do {
        char after[RECORD_KEY_MAX];
        memcpy(after, listing->last, listing->last_size);
        told = engine_state_list(play->shell.engine, address, listing->prefix,
                                 span_of(after, listing->last_size), LISTED, see_listed, listing);
        ensure(told <= LISTED);
    } while (told == LISTED);
    return listing->count;
}

static void look_at(struct play *play, struct span address, struct span prefix, bool settled)
{
    struct listing listing = {.prefix = prefix};
    size_t there = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct span key = span_text(keys[i]);
        struct state_value value = shell_state(&play->shell, address, STATE_KV, key);
        there += value.value && strncmp(keys[i], prefix.bytes, prefix.size) == 0;
        block_release(value.value);
        if (settled) shell_check_kept(&play->shell, address, STATE_KV, key);
        if (settled) shell_check_kept(&play->shell, address, STATE_DOCUMENT, key);
    }
    ensure(list_all(play, address, &listing) == there);
    engine_state_scan(play->shell.engine, address, STATE_KV, see_scanned, &listing);
    ensure(listing.scanned >= listing.count);
}

static void look_at_all(struct play *play, bool settled)
{
    for (size_t i = 0; i < AGENTS; i++)
        look_at(play, span_text(play_addresses[i]), choose_key(&play->tape), settled);
}

void play_look_at_state(struct play *play)
{
    look_at_all(play, !play->shell.batch && engine_settled(play->shell.engine));
}

/* ---- deliveries ---- */

void play_extend(struct play *play)
{
    struct shell *shell = &play->shell;
    struct event event = {.kind = EVENT_EXTEND, .delay_ms = 1 + choose_ms(&play->tape) % 86400000};
    if (shell->run_count == 0) return;
    event.delivery = shell->runs[tape_choice(&play->tape, (unsigned)shell->run_count)].delivery;
    shell_step(shell, &event);
}

/* What the handler sends leaves only when there is room for it. */
static size_t choose_sends(struct play *play, uint64_t delivery, struct submit *sends)
{
    const char *reason;
    size_t count = 0;
    for (unsigned left = tape_choice(&play->tape, 3); left > 0; left--) {
        sends[count] = choose_submit(play);
        sends[count].retry = NULL;
        if (engine_reserve(play->shell.engine, delivery, &sends[count], &reason) == CODE_NONE)
            count++;
    }
    return count;
}

static struct outcome choose_outcome(struct play *play)
{
    static const uint8_t codes[] = {CODE_NONE, CODE_HANDLER_ERROR, CODE_OTHER, CODE_BAD_VALUE};
    struct tape *tape = &play->tape;
    struct outcome outcome = {
        .delivery = tape_number(tape, 1),
        .kind = (uint8_t)tape_choice(tape, OUTCOME_SKIP + 1),
        .code = codes[tape_choice(tape, 4)],
        .reason = span_text("so it was"),
        .traceback = span_text("there"),
        .result = tape_span(tape, tape_choice(tape, 8)),
        .delay_ms = tape_bit(tape) ? -1 : choose_ms(tape),
    };
    if (outcome.code == CODE_OTHER) outcome.word = span_text("MY_WORD");
    return outcome;
}

/* One of those at work, or a stale one. */
static struct live_run take_run(struct play *play, uint64_t stale)
{
    struct shell *shell = &play->shell;
    if (shell->run_count == 0) return (struct live_run){.delivery = stale, .agent = 1, .count = 1};
    size_t which = tape_choice(&play->tape, (unsigned)shell->run_count);
    struct live_run run = shell->runs[which];
    shell_end_run(shell, which);
    return run;
}

void play_outcome(struct play *play)
{
    struct submit sends[SENDS];
    struct outcome outcome = choose_outcome(play);
    struct event event = {.kind = EVENT_OUTCOME, .outcome = &outcome};
    outcome.delivery = take_run(play, outcome.delivery).delivery;
    outcome.sends = sends;
    outcome.send_count = choose_sends(play, outcome.delivery, sends);
    shell_step(&play->shell, &event);
}

/* Some of the messages of a delivery end in another way. */
static void choose_parts(struct play *play, struct outcome *outcome, struct outcome *parts,
                         size_t count)
{
    if (count == 1 || count > PARTS || !tape_bit(&play->tape)) return;
    for (size_t i = 0; i < count; i++) parts[i] = choose_outcome(play);
    outcome->parts = parts;
    outcome->part_count = count;
}

/* Whoever begins before the engine has heard of it, sees what is kept. */
static void foresee(struct play *play, struct span address, const struct outcome *outcome,
                    struct state_write *writes)
{
    if (outcome->kind == OUTCOME_ACK && tape_bit(&play->tape))
        engine_state_foresee(play->shell.engine, address, writes, outcome->write_count);
    if (tape_bit(&play->tape)) look_at_all(play, false);
}

/* An outcome with all it points at. */
struct keeping {
    struct outcome outcome, parts[PARTS];
    struct submit sends[SENDS];
    struct span cancels[2];
    struct state_read reads[READS];
    struct state_write writes[WRITES];
};

static void choose_keeping(struct play *play, struct keeping *keeping)
{
    struct tape *tape = &play->tape;
    struct outcome outcome = choose_outcome(play);
    struct live_run run = take_run(play, outcome.delivery);
    struct span address = span_text(play_addresses[run.agent - 1]);
    for (size_t i = 0; i < 2; i++) keeping->cancels[i] = choose_id(tape);
    outcome.delivery = run.delivery;
    outcome.kind = tape_bit(tape) ? OUTCOME_ACK : outcome.kind;
    outcome.sends = keeping->sends;
    outcome.send_count = choose_sends(play, outcome.delivery, keeping->sends);
    outcome.cancels = keeping->cancels;
    outcome.cancel_count = tape_choice(tape, 3);
    outcome.reads = keeping->reads;
    outcome.read_count = tape_choice(tape, READS + 1);
    for (size_t i = 0; i < outcome.read_count; i++) keeping->reads[i] = choose_read(play, address);
    outcome.writes = keeping->writes;
    outcome.write_count = choose_writes(play, keeping->writes);
    choose_parts(play, &outcome, keeping->parts, run.count);
    foresee(play, address, &outcome, keeping->writes);
    keeping->outcome = outcome;
}

void play_keeping_outcomes(struct play *play)
{
    struct keeping keepings[TOGETHER];
    struct event events[TOGETHER];
    size_t count = 1 + tape_choice(&play->tape, TOGETHER);
    for (size_t i = 0; i < count; i++) {
        choose_keeping(play, &keepings[i]);
        events[i] = (struct event){.kind = EVENT_OUTCOME, .outcome = &keepings[i].outcome};
    }
    shell_step_all(&play->shell, events, count);
}
