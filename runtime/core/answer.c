/* Receipts on their way out, answers to those who wait here, and the hooks' say in both.
 *
 * A receipt is said only when the batch that makes it true is durable: it is noted in the batch
 * (struct after) and sent when the batch comes back. Neighbouring numbers of one lane with the same
 * word go out as one range. */
#include "core/parts.h"

enum hop_end link_end(const struct link *link)
{
    return link->settings ? HOP_UPSTREAM : HOP_DOWNSTREAM;
}

/* ---- hooks ---- */

static bool hook_asked(const struct engine *engine, enum hook_step step)
{
    return (engine->hook_steps >> step) & 1 && engine->policies.hook;
}

static void note_drop(struct engine *engine, struct span id, struct span reason)
{
    engine->counts.dropped++;
    struct fact *fact = engine_fact_of(engine, FACT_DROPPED, id);
    if (fact) fact->reason = arena_copy(&engine->effects->arena, reason);
}

bool hook_message(struct engine *engine, enum hook_step step, const struct message *message,
                  const struct hop *hop, struct block **altered, struct fate *fate)
{
    *altered = NULL;
    if (fate) *fate = (struct fate){0};
    if (!hook_asked(engine, step)) return true;
    struct envelope envelope = {.message = message};
    struct hook_answer answer = {0};
    engine->policies.hook(engine->policies.user, step, &envelope, hop, &answer);
    *altered = answer.altered;
    if (fate) *fate = answer.fate;
    if (!answer.drop) return true;
    note_drop(engine, message->id, answer.reason);
    block_release(answer.altered);
    *altered = NULL;
    return false;
}

bool hook_receipt(struct engine *engine, enum hook_step step, const struct receipt *receipt,
                  struct span ref, const struct hop *hop, struct fate *fate)
{
    if (fate) *fate = (struct fate){0};
    if (!hook_asked(engine, step)) return true;
    struct envelope envelope = {.receipt = receipt, .ref = ref};
    struct hook_answer answer = {0};
    engine->policies.hook(engine->policies.user, step, &envelope, hop, &answer);
    block_release(answer.altered);
    if (fate) *fate = answer.fate;
    if (answer.drop) note_drop(engine, ref, answer.reason);
    return !answer.drop;
}

/* ---- receipts to links ---- */

static void send_one(struct engine *engine, struct link *to, const struct receipt *receipt,
                     enum hop_end from)
{
    struct hop hop = {(uint8_t)from, (uint8_t)link_end(to), to->name};
    size_t from_byte = to->out.used;
    struct fate fate;
    if (!hook_receipt(engine, HOOK_FORWARD, receipt, receipt->ref, &hop, &fate)) return;
    frame_write_receipt(&to->out, receipt);
    late_apply(engine, to, from_byte, &fate);
}

void answer_send(struct engine *engine, struct link *to, const struct receipt *receipt,
                 enum hop_end from)
{
    if (!hook_asked(engine, HOOK_FORWARD) || receipt->first == receipt->last) {
        send_one(engine, to, receipt, from);
        return;
    }
    struct receipt one = *receipt;
    for (uint64_t number = receipt->first; number <= receipt->last; number++) {
        one.first = one.last = number;
        send_one(engine, to, &one, from);
    }
}

static struct span cut(struct span text, size_t limit)
{
    return span_of(text.bytes, text.size < limit ? text.size : limit);
}

void answer_now(struct engine *engine, struct link *to, const struct message *message,
                const struct end *end)
{
    if (message->seq == 0) {
        engine->counts.lost++;
        return;
    }
    struct receipt receipt = {
        .flags = end->flags,
        .code = end->code,
        .level = end->level,
        .transmission = message->transmission,
        .facts = engine->settings.store_facts,
        .lane_epoch = message->lane_epoch,
        .first = message->seq,
        .last = message->seq,
        .retry_after_ms = end->retry_after_ms,
        .origin = message->origin,
        .destination = message->to,
        .ref = message->id,
        .word = cut(end->word, UINT8_MAX),
        .reason = cut(end->reason, REASON_BYTES_MAX),
        .result = end->result,
        .result_encoding = end->result_encoding,
        .owner = span_of(engine->settings.store_id, STORE_ID_BYTES),
    };
    answer_send(engine, to, &receipt, HOP_LOCAL);
}

/* ---- ranges of receipts ---- */

static bool continues(const struct after *a, const struct after *b)
{
    return b->kind == AFTER_RECEIPT && b->handle == a->handle && b->number == a->number + 1 &&
           b->transmission == a->transmission && b->level == a->level && b->code == a->code &&
           b->flags == a->flags && b->facts == a->facts && b->word.size == 0 &&
           b->reason.size == 0 && b->result.size == 0 && b->result_encoding == a->result_encoding &&
           b->retry_after_ms == a->retry_after_ms;
}

static void mark_stored(struct engine *engine, const struct after *after)
{
    struct lane *lane = slots_get(&engine->lane_handles, after->handle);
    if (lane && after->level == LEVEL_STORED) lane_set(lane, after->number, LANE_STORED);
}

static void send_range(struct engine *engine, const struct lane *lane, const struct after *first,
                       const struct after *last)
{
    struct link *link = route_back(engine, lane_origin(lane));
    if (!link) return;
    struct receipt receipt = {
        .flags = first->flags,
        .code = first->code,
        .level = first->level,
        .transmission = first->transmission,
        .facts = first->facts,
        .lane_epoch = lane->epoch,
        .first = first->number,
        .last = last->number,
        .retry_after_ms = first->retry_after_ms,
        .origin = lane_origin(lane),
        .destination = lane_destination(lane),
        .ref = first == last ? first->ref : span_of(NULL, 0),
        .word = first->word,
        .reason = first->reason,
        .result = first->result,
        .result_encoding = first->result_encoding,
        .owner = span_of(engine->settings.store_id, STORE_ID_BYTES),
    };
    answer_send(engine, link, &receipt, HOP_LOCAL);
}

/* Send the receipts from `at` on that make one range; answers how many they were. With hooks each
 * message has a receipt of its own, with its id. */
static size_t said_range(struct engine *engine, const struct after *at, size_t left)
{
    size_t count = 1;
    mark_stored(engine, at);
    bool alone = at->word.size > 0 || at->reason.size > 0 || at->result.size > 0 ||
                 hook_asked(engine, HOOK_FORWARD);
    while (!alone && count < left && count < RECEIPT_RANGE_MAX &&
           continues(&at[count - 1], &at[count]))
        mark_stored(engine, &at[count++]);
    struct lane *lane = slots_get(&engine->lane_handles, at->handle);
    if (lane) send_range(engine, lane, at, &at[count - 1]);
    return count;
}

/* ---- noted for after the commit ---- */

static uint32_t owner_facts(const struct engine *engine, const struct queue *mailbox,
                            uint8_t profile)
{
    uint32_t facts = engine->settings.store_facts;
    if (mailbox->agent.dedup != DEDUP_NONE) facts |= FACT_OWNER_DEDUP;
    if (mailbox->hold == HOLD_PAUSED) facts |= FACT_OWNER_PAUSED;
    if (profile == AT_MOST_ONCE || mailbox->agent.profile == AT_MOST_ONCE)
        facts |= FACT_OWNER_AT_MOST_ONCE;
    return facts;
}

static bool end_is_wanted(const struct entry *entry, const struct end *end)
{
    if (entry->lane == 0 && !entry->waiter) return false;
    bool is_end = end->level >= LEVEL_HANDLED || end->code != CODE_NONE;
    if (is_end) return entry->level == LEVEL_HANDLED;
    return entry->lane != 0 || end->level >= entry->level;
}

static struct after *after_for(struct engine *engine, struct entry *entry)
{
    if (entry->said_batch == engine->open->number) return &engine->open->afters[entry->said_after];
    struct after *after = batch_after(engine->open, AFTER_RECEIPT);
    entry->said_batch = engine->open->number;
    entry->said_after = engine->open->after_count - 1;
    return after;
}

static struct after end_noted(struct engine *engine, struct span ref, const struct end *end)
{
    struct arena *arena = &engine->open->arena;
    return (struct after){
        .kind = AFTER_RECEIPT,
        .level = end->level,
        .code = end->code,
        .flags = end->flags,
        .result_encoding = end->result_encoding,
        .retry_after_ms = end->retry_after_ms,
        .ref = arena_copy(arena, ref),
        .word = arena_copy(arena, cut(end->word, UINT8_MAX)),
        .reason = arena_copy(arena, cut(end->reason, REASON_BYTES_MAX)),
        .result = arena_copy(arena, end->result),
    };
}

void answer_later(struct engine *engine, struct entry *entry, const struct end *end)
{
    if (!end_is_wanted(entry, end)) return;
    engine_changes(engine, true);
    struct after *after = after_for(engine, entry);
    *after = end_noted(engine, message_id(entry->block), end);
    after->kind = entry->lane ? AFTER_RECEIPT : AFTER_ANSWER;
    after->handle = entry->lane ? entry->lane : entry->waiter->token;
    after->number = entry->number;
    after->transmission = entry->transmission;
    after->facts = owner_facts(engine, entry->queue, entry->profile);
    if (planted(PLANT_ACK_BEFORE_COMMIT) && entry->lane) said_range(engine, after, 1);
}

void answer_again(struct engine *engine, const struct lane *lane, const struct queue *mailbox,
                  const struct message *message, const struct end *end)
{
    engine_changes(engine, true);
    struct after *after = batch_after(engine->open, AFTER_RECEIPT);
    *after = end_noted(engine, message->id, end);
    after->handle = lane->handle;
    after->number = message->seq;
    after->transmission = message->transmission;
    after->facts = owner_facts(engine, mailbox, message->profile);
}

/* ---- said after the commit ---- */

static void said_answer(struct engine *engine, const struct after *after)
{
    struct end end = {
        .code = after->code,
        .level = after->level,
        .flags = after->flags,
        .result_encoding = after->result_encoding,
        .word = after->word,
        .reason = after->reason,
        .result = after->result,
        .retry_after_ms = after->retry_after_ms,
    };
    answer_waiter(engine, waiter_find(engine, after->handle), 1, after->facts, &end);
}

void answer_committed(struct engine *engine, struct batch *batch)
{
    for (size_t i = 0; i < batch->after_count;) {
        const struct after *after = &batch->afters[i];
        size_t taken = 1;
        switch (after->kind) {
        case AFTER_RECEIPT: taken = said_range(engine, after, batch->after_count - i); break;
        case AFTER_ANSWER: said_answer(engine, after); break;
        case AFTER_RELEASE: sender_released(engine, after->handle); break;
        case AFTER_RUN: deliver_committed(engine, after->handle); break;
        case AFTER_ADMIN: admin_committed(engine, after->handle); break;
        case AFTER_SUSPECT: suspect_committed(engine, after->handle); break;
        case AFTER_CREDIT:
            credit_settled(engine, after->connection, after->handle, after->count);
            break;
        }
        i += taken;
    }
}

/* ---- waiters ---- */

static void fill_answer(struct engine *engine, struct answer *answer, const struct message *message,
                        const struct retry_policy *policy, const struct end *end)
{
    struct arena *arena = &engine->effects->arena;
    answer->ok = !(end->flags & RECEIPT_NACK);
    answer->dup = end->flags & RECEIPT_DUP;
    answer->forgot = end->flags & RECEIPT_FORGOT;
    answer->code = end->code;
    answer->level = end->level;
    answer->result_encoding = end->result_encoding;
    answer->profile = message->profile;
    answer->sender_facts = engine->settings.store_facts;
    answer->attempts = policy->attempts;
    answer->deadline_ms = policy->deadline_ms;
    answer->retry_after_ms = (int64_t)end->retry_after_ms;
    answer->ref = arena_copy(arena, message->id);
    answer->word = arena_copy(arena, end->word);
    answer->reason = arena_copy(arena, end->reason);
    answer->result = arena_copy(arena, end->result);
}

void answer_waiter(struct engine *engine, struct waiter *waiter, uint16_t transmission,
                   uint32_t facts, const struct end *end)
{
    if (!waiter) return;
    ensure(waiter->block != NULL);
    struct message message = message_of(waiter->block);
    struct effect *effect = effects_add(engine->effects, EFFECT_RECEIPT);
    effect->waiter = waiter->token;
    effect->answer.transmission = transmission;
    effect->answer.facts = facts;
    fill_answer(engine, &effect->answer, &message,
                waiter->policy ? waiter->policy : &engine->settings.send, end);
    waiter_free(engine, waiter);
}

void answer_waiting(struct engine *engine, const struct submit *submit, const struct end *end)
{
    struct effect *effect = effects_add(engine->effects, EFFECT_RECEIPT);
    effect->waiter = submit->waiter;
    effect->answer.transmission = end->flags & RECEIPT_NACK ? 0 : 1;
    fill_answer(engine, &effect->answer, &submit->message,
                submit->retry ? submit->retry : &engine->settings.send, end);
}

void answer_refused(struct engine *engine, const struct submit *submit, const struct end *end)
{
    struct fact *fact =
        end->flags & RECEIPT_NACK ? engine_fact_of(engine, FACT_NACKED, submit->message.id) : NULL;
    if (fact) {
        fact->code = end->code;
        fact->reason = arena_copy(&engine->effects->arena, end->reason);
    }
    if (submit->waiter) answer_waiting(engine, submit, end);
}
