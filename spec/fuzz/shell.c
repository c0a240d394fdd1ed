/* The smallest shell, and what it holds an engine to. */
#include "shell.h"

#include "core/ensure.h"
#include "core/record.h"

enum { RESTLESS = 1000 /* steps at one moment: the engine does not come to rest */ };

static void each_record(struct store *store, struct span prefix,
                        void (*each)(void *, const struct store_record *), void *user)
{
    struct store_page page;
    char behind[STORE_KEY_MAX + 1];
    struct span from = prefix;
    do {
        ensure(store->engine->scan(store, prefix, from, &page) == STATUS_OK);
        for (size_t i = 0; i < page.count; i++) each(user, &page.records[i]);
        if (page.count > 0) from = store_key_behind(page.records[page.count - 1].key, behind);
        store_page_release(&page);
    } while (page.more);
}

/* ---- what is in the store ---- */

struct search {
    const struct receipt *receipt;
    uint64_t number;
    bool found;
};

static void compare(void *user, const struct store_record *record)
{
    struct search *search = user;
    struct record_message message;
    struct message inside;
    ensure(record_message_read(block_span(record->value), &message) == STATUS_OK);
    ensure(message_decode_kept(message.frame, &inside) == STATUS_OK);
    search->found |= message.queue_kind == QUEUE_MAILBOX && inside.seq == search->number &&
                     inside.lane_epoch == search->receipt->lane_epoch &&
                     span_equal(inside.origin, search->receipt->origin) &&
                     span_equal(message.name, search->receipt->destination);
}

static bool message_is_there(struct store *store, const struct receipt *receipt, uint64_t number)
{
    static const char kind = RECORD_MESSAGE;
    struct search search = {receipt, number, false};
    each_record(store, span_of(&kind, 1), compare, &search);
    return search.found;
}

/* The lane as the store has it, or NULL. */
static struct lane *kept_lane(struct store *store, const struct receipt *receipt)
{
    char key[RECORD_KEY_MAX] = {RECORD_LANE};
    struct block *value;
    struct span name =
        lane_key(key + 1, receipt->origin, receipt->lane_epoch, receipt->destination);
    struct span whole = span_of(key, name.size + 1);
    if (store->engine->get(store, whole, &value) != STATUS_OK) return NULL;
    struct lane *lane = record_lane_read(whole, block_span(value));
    ensure(lane != NULL);
    block_release(value);
    return lane;
}

/* A hook may have changed what identifies the message, so only the lane is looked at then. */
static void check_stored(struct shell *shell, const struct receipt *receipt)
{
    struct lane *lane = kept_lane(shell->store, receipt);
    if (!lane) {
        ensure(shell->farewell);
        return;
    }
    for (uint64_t number = receipt->first; number <= receipt->last; number++) {
        enum lane_level level = lane_level(lane, number);
        ensure(level != LANE_UNKNOWN || shell->farewell); /* said of open numbers: its own loss */
        if (level == LANE_STORED && !shell->hooked)
            ensure(message_is_there(shell->store, receipt, number));
    }
    lane_free(lane);
}

/* ---- what the engine reads there ---- */

static bool fetch(void *user, const struct span *key, struct block **value)
{
    return store_peek(user, *key, value) == STATUS_OK;
}

static void list(void *user, struct span prefix, struct span from,
                 bool (*each)(void *, struct span, struct span), void *each_user)
{
    struct store_page page;
    char behind[STORE_KEY_MAX + 1];
    bool more = true;
    while (more) {
        ensure(store_peek_page(user, prefix, from, &page) == STATUS_OK);
        for (size_t i = 0; i < page.count && more; i++)
            more = each(each_user, page.records[i].key, block_span(page.records[i].value));
        more = more && page.more;
        if (page.count > 0) from = store_key_behind(page.records[page.count - 1].key, behind);
        store_page_release(&page);
    }
}

/* ---- what agents keep ---- */

static uint64_t print_of(struct span key, struct span value)
{
    uint64_t print = 14695981039346656037U; /* FNV-1a */
    for (size_t i = 0; i < key.size; i++) print = (print ^ (uint8_t)key.bytes[i]) * 1099511628211U;
    for (size_t i = 0; i < value.size; i++)
        print = (print ^ (uint8_t)value.bytes[i]) * 1099511628211U;
    return print;
}

/* One version is of one value. */
static void learn(struct shell *shell, uint64_t version, uint64_t print)
{
    struct known_version *known = &shell->versions[version % VERSIONS];
    ensure(known->version != version || known->print == print);
    *known = (struct known_version){version, print};
}

struct state_value shell_state(struct shell *shell, struct span address, enum state_scope scope,
                               struct span key)
{
    char buffer[RECORD_KEY_MAX];
    struct state_value value = engine_state(shell->engine, address, scope, key);
    struct span name = record_state_key(buffer, address, (uint8_t)scope, key);
    if (value.value) learn(shell, value.version, print_of(name, block_span(value.value)));
    return value;
}

void shell_check_kept(struct shell *shell, struct span address, enum state_scope scope,
                      struct span key)
{
    char buffer[RECORD_KEY_MAX];
    struct block *stored = NULL;
    struct record_state record = {0};
    struct state_value value = shell_state(shell, address, scope, key);
    enum status status =
        store_peek(shell->store, record_state_key(buffer, address, (uint8_t)scope, key), &stored);
    if (status == STATUS_OK) ensure(record_state_read(block_span(stored), &record) == STATUS_OK);
    if (value.value) {
        ensure(status == STATUS_OK && record.version == value.version);
        ensure(span_equal(record.value, block_span(value.value)));
    } else
        ensure(status != STATUS_OK || (record.expires_wall_ms > 0 &&
                                       record.expires_wall_ms <= shell->now_ms + shell->wall_ms));
    block_release(stored);
    block_release(value.value);
}

/* ---- what peers hear ---- */

static void hear_data(struct shell *shell, struct connection *at, const struct message *message)
{
    struct heard *heard = &shell->heard[shell->heard_count++ % HEARD];
    ensure(++at->data <= at->credit);
    *heard = (struct heard){message->lane_epoch, message->seq, message->transmission, "",
                            message->to.size};
    memcpy(heard->to, message->to.bytes, message->to.size);
}

static void hear_receipt(struct shell *shell, const struct receipt *receipt)
{
    bool own = span_equal(receipt->owner, span_of(shell->settings.store_id, STORE_ID_BYTES));
    bool node = receipt->destination.size > 0 && receipt->destination.bytes[0] == '$';
    bool stored = receipt->level == LEVEL_STORED && !(receipt->flags & RECEIPT_NACK) &&
                  !node; /* which says so of a stream, and keeps nothing */
    if (own && stored && !shell->unknown) check_stored(shell, receipt);
}

static void hear(struct shell *shell, struct connection *at, const struct frame *frame)
{
    bool greeting = frame->type == FRAME_HELLO || frame->type == FRAME_WELCOME;
    ensure(at->greeted != greeting || frame->type == FRAME_BYE);
    at->greeted = true;
    if (greeting) ensure((frame->type == FRAME_HELLO) == at->dialled);
    if (frame->type == FRAME_DATA) hear_data(shell, at, &frame->message);
    if (frame->type == FRAME_RECEIPT) hear_receipt(shell, &frame->receipt);
}

static void take_write(struct shell *shell, const struct effect *effect)
{
    struct connection *at = &shell->connections[effect->connection];
    struct span rest = block_span(effect->block), whole;
    ensure(effect->connection < CONNECTIONS && at->open && !at->closing);
    at->unwritten += rest.size;
    while (rest.size > 0) {
        struct frame frame;
        ensure(frame_split(rest, SIZE_MAX, &whole) == STATUS_OK);
        ensure(frame_decode(whole, &frame) == STATUS_OK);
        hear(shell, at, &frame);
        rest = span_of(rest.bytes + whole.size, rest.size - whole.size);
    }
}

static void take_close(struct shell *shell, const struct effect *effect)
{
    struct connection *at = &shell->connections[effect->connection];
    ensure(effect->connection < CONNECTIONS && at->open && !at->closing);
    at->closing = true;
}

/* ---- the other effects ---- */

static void hand_over(struct shell *shell, uint64_t delivery, uint64_t sequence, uint32_t attempt,
                      const struct block *block)
{
    ensure(block && attempt > 0 && message_of(block).to.size > 0);
    ensure(shell->handed_count < HANDED);
    for (size_t i = 0; i < shell->handed_count; i++)
        ensure(sequence == 0 || shell->handed[i].sequence != sequence);
    shell->handed[shell->handed_count++] = (struct handed){delivery, sequence};
}

static void take_run(struct shell *shell, const struct run *run)
{
    ensure(run->agent >= 1 && run->agent <= AGENTS && shell->run_count < RUNS);
    for (size_t i = 0; i < shell->run_count; i++) ensure(shell->runs[i].delivery != run->delivery);
    hand_over(shell, run->delivery, run->sequence, run->attempt, run->block);
    for (size_t i = 0; i < run->other_count; i++)
        hand_over(shell, run->delivery, run->others[i].sequence, run->others[i].attempt,
                  run->others[i].block);
    shell->runs[shell->run_count++] =
        (struct live_run){run->delivery, run->sequence, run->agent, 1 + run->other_count};
    ensure(++shell->at_work[run->agent] <= shell->allowed[run->agent]);
}

void shell_end_run(struct shell *shell, size_t which)
{
    struct live_run run = shell->runs[which];
    size_t kept = 0;
    for (size_t i = 0; i < shell->handed_count; i++)
        if (shell->handed[i].delivery != run.delivery) shell->handed[kept++] = shell->handed[i];
    ensure(shell->handed_count - kept == run.count);
    shell->handed_count = kept;
    shell->at_work[run.agent]--;
    shell->runs[which] = shell->runs[--shell->run_count];
}

static void take_interrupt(struct shell *shell, uint64_t delivery)
{
    for (size_t i = 0; i < shell->run_count; i++) {
        if (shell->runs[i].delivery != delivery) continue;
        shell_end_run(shell, i);
        return;
    }
}

static void take_answer(struct shell *shell, uint64_t token)
{
    ensure(token != 0 && shell->waiters[token % WAITERS] == token);
    shell->waiters[token % WAITERS] = 0;
}

static void take_load(struct shell *shell, struct load *load)
{
    size_t free = 0;
    while (shell->loads[free]) ensure(++free <= AGENTS); /* a mailbox reads one page at a time */
    shell->loads[free] = load;
}

static void take_fact(const struct fact *fact)
{
    ensure(fact->kind < FACT_COUNT && fact_name(fact->kind)[0]);
    if (fact->block) ensure(message_of(fact->block).id.size > 0);
}

static void see_page(const struct page *page)
{
    uint64_t last = 0;
    for (size_t i = 0; i < page->count; i++) {
        ensure(page->items[i].sequence > last && page->items[i].block);
        last = page->items[i].sequence;
        ensure(message_of(page->items[i].block).id.size > 0);
    }
    ensure(page->after == 0 || page->after >= last);
}

static void take_admin(struct shell *shell, const struct effect *effect)
{
    shell->asked = effect->waiter;
    if (effect->page)
        see_page(effect->page);
    else
        shell->requests[shell->request_count++ % REQUESTS] = effect->waiter;
}

static void take_effect(struct shell *shell, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_WRITE: take_write(shell, effect); return;
    case EFFECT_CLOSE: take_close(shell, effect); return;
    case EFFECT_DIAL:
        ensure(effect->dial < DIALS && !shell->dialing[effect->dial]);
        shell->dialing[effect->dial] = true;
        return;
    case EFFECT_COMMIT:
        ensure(!shell->batch);
        shell->batch = effect->batch;
        return;
    case EFFECT_LOAD: take_load(shell, effect->load); return;
    case EFFECT_RUN: take_run(shell, &effect->run); return;
    case EFFECT_RETIRE:
    case EFFECT_STREAM_OVER: return;
    case EFFECT_PART: ensure(shell->waiters[effect->waiter % WAITERS] == effect->waiter); return;
    case EFFECT_INTERRUPT: take_interrupt(shell, effect->run.delivery); return;
    case EFFECT_RESUME:
    case EFFECT_RECEIPT: take_answer(shell, effect->waiter); return;
    case EFFECT_FACT: take_fact(&effect->fact); return;
    case EFFECT_ADMIN: take_admin(shell, effect); return;
    }
}

static void step(struct shell *shell, const struct event *events, size_t count)
{
    engine_step(shell->engine, events, count, shell->now_ms, &shell->effects);
    for (size_t i = 0; i < shell->effects.count; i++) take_effect(shell, &shell->effects.items[i]);
    effects_reset(&shell->effects);
}

/* What is due now is done; nothing may be due for ever. */
static void rest(struct shell *shell)
{
    int steps = 0;
    while (engine_deadline_ms(shell->engine) <= shell->now_ms) {
        int64_t due_ms = engine_deadline_ms(shell->engine);
        step(shell, NULL, 0);
        if (engine_deadline_ms(shell->engine) == due_ms && !shell->batch) shell->now_ms++;
        ensure(++steps < RESTLESS);
    }
}

void shell_step_all(struct shell *shell, const struct event *events, size_t count)
{
    step(shell, events, count);
    rest(shell);
}

void shell_step(struct shell *shell, const struct event *event)
{
    shell_step_all(shell, event, event ? 1 : 0);
}

void shell_wait(struct shell *shell, int64_t ms)
{
    int64_t till_ms = shell->now_ms + ms;
    for (int steps = 0; steps < RESTLESS; steps++) {
        int64_t due_ms = engine_deadline_ms(shell->engine);
        if (due_ms > till_ms) break;
        if (due_ms > shell->now_ms) shell->now_ms = due_ms;
        shell_step(shell, NULL);
    }
    if (till_ms > shell->now_ms) shell->now_ms = till_ms;
}

/* ---- the store ---- */

static void make_durable(struct shell *shell)
{
    const struct batch *batch = shell->batch;
    ensure(shell->store->engine->commit(shell->store, batch->ops, batch->op_count) == STATUS_OK);
}

void shell_commit(struct shell *shell, bool store_full)
{
    struct event event = {.kind = EVENT_COMMITTED, .batch = shell->batch, .store_full = store_full};
    if (!shell->batch) return;
    make_durable(shell);
    shell->batch = NULL;
    shell_step(shell, &event);
}

void shell_load(struct shell *shell, bool damaged, bool missing)
{
    struct load *load = shell->loads[0];
    struct event event = {.kind = EVENT_LOADED, .load = load};
    if (!load) return;
    for (size_t i = 0; i < AGENTS; i++) shell->loads[i] = shell->loads[i + 1];
    shell->loads[AGENTS] = NULL;
    ensure(store_load(shell->store, load) == STATUS_OK);
    struct load_item *last = &load->items[load->count - 1];
    last->damaged = damaged;
    if (missing) {
        block_release(last->value);
        last->value = NULL;
    }
    shell_step(shell, &event);
}

/* ---- lives ---- */

struct recovery_of {
    struct shell *shell;
    unsigned refused;
};

static void recover(void *user, const struct store_record *record)
{
    struct recovery_of *recovery = user;
    enum status status =
        engine_recover(recovery->shell->engine, record->key, block_span(record->value));
    ensure(status == STATUS_OK || status == STATUS_DAMAGED);
    recovery->refused += status != STATUS_OK;
}

/* What the engine has of messages that are in the store. */
static void count_left(void *user, const struct left *left)
{
    size_t *count = user;
    *count += left->waiting + left->leased + left->deferred + left->awaiting + left->dead;
}

static void count_record(void *user, const struct store_record *record)
{
    size_t *count = user;
    *count += record->value != NULL;
}

/* Every message of the store is in a queue again. */
static void check_recovered(struct shell *shell)
{
    static const char kind = RECORD_MESSAGE;
    size_t left = 0, kept = 0;
    engine_left(shell->engine, count_left, &left);
    each_record(shell->store, span_of(&kind, 1), count_record, &kept);
    ensure(left == kept);
}

static void tell_suspect(struct shell *shell, const struct live_run *run)
{
    if (run->count == 1) {
        engine_suspect(shell->engine, run->sequence);
        return;
    }
    for (size_t i = 0; i < shell->handed_count; i++)
        if (shell->handed[i].delivery == run->delivery)
            engine_suspect_one_of(shell->engine, shell->handed[i].sequence);
}

static void tell_suspects(struct shell *shell)
{
    for (size_t i = 0; i < shell->run_count && shell->suspects > 0; i++, shell->suspects--)
        tell_suspect(shell, &shell->runs[i]);
    shell->suspects = 0;
    shell->run_count = shell->handed_count = 0;
    memset(shell->at_work, 0, sizeof shell->at_work);
    memset(shell->allowed, 0, sizeof shell->allowed);
}

unsigned shell_start(struct shell *shell)
{
    struct recovery_of recovery = {.shell = shell};
    struct event start = {.kind = EVENT_START};
    shell->engine = engine_new(&shell->settings, &shell->policies);
    shell->settings.epoch++;
    engine_watch(shell->engine, UINT32_MAX, shell->hooked ? UINT32_MAX : 0);
    engine_set_clock(shell->engine, shell->now_ms, shell->now_ms + shell->wall_ms);
    tell_suspects(shell);
    for (const char *kind = engine_recovery_order(); *kind; kind++)
        each_record(shell->store, span_of(kind, 1), recover, &recovery);
    engine_recovered(shell->engine);
    if (!shell->unknown) check_recovered(shell);
    shell_step(shell, &start);
    return recovery.refused;
}

void shell_kill(struct shell *shell, bool done)
{
    if (shell->batch && done) make_durable(shell);
    if (shell->batch) batch_free(shell->batch);
    shell->batch = NULL;
    for (size_t i = 0; i <= AGENTS; i++) {
        if (shell->loads[i]) load_free(shell->loads[i]);
        shell->loads[i] = NULL;
    }
    engine_free(shell->engine); /* NULL: it was killed before */
    shell->engine = NULL;
    memset(shell->connections, 0, sizeof shell->connections);
    memset(shell->dialing, 0, sizeof shell->dialing);
    memset(shell->waiters, 0, sizeof shell->waiters);
    shell->request_count = 0;
    shell->asked = 0;
}

void shell_open(struct shell *shell, const struct engine_settings *settings,
                const struct policies *policies)
{
    *shell = (struct shell){.settings = *settings, .policies = *policies, .now_ms = 1};
    shell->store = store_memory_open();
    shell->policies.store_user = shell->store;
    shell->policies.fetch = fetch;
    shell->policies.list = list;
    shell->wall_ms = 1000000;
}

void shell_close(struct shell *shell)
{
    shell_kill(shell, true);
    shell->store->engine->close(shell->store);
    effects_deinit(&shell->effects);
}

uint32_t shell_free_connection(const struct shell *shell)
{
    uint32_t number = 0;
    while (number < CONNECTIONS && shell->connections[number].open) number++;
    return number;
}
