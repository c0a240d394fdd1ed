/* Each kind of record is read as it is at start. What belongs together: facts and dead letters have
 * a message, a message of an outbox has the outbox and a number below its ceiling. */
#include "store/check.h"

#include <stdlib.h>
#include "core/ensure.h"
#include "core/failure.h"
#include "core/record.h"
#include "store/identity.h"

struct check {
    struct store *store;
    const struct check_calls *calls;
    struct check_counts *counts;
    struct span key; /* of the record at hand */
};

static const char bad_form[] = "is not written as this version writes it";

static void find(struct check *check, const char *what)
{
    check->counts->findings++;
    check->calls->found(check->calls->user, check->key, what);
}

static void expect(struct check *check, bool good, const char *what)
{
    if (!good) find(check, what);
}

static struct block *value_of(struct check *check, struct span key)
{
    struct block *value = NULL;
    check->store->engine->get(check->store, key, &value);
    return value;
}

/* Beside a process that writes, a record may have gone since it was read, and what it belonged to
 * with it. */
static void expect_together(struct check *check, bool good, const char *what)
{
    struct block *value = good ? NULL : value_of(check, check->key);
    if (value) find(check, what);
    block_release(value);
}

static void expect_message(struct check *check)
{
    char key[RECORD_KEY_MAX];
    uint64_t sequence = record_sequence(check->key);
    struct block *message = value_of(check, record_key(key, RECORD_MESSAGE, sequence));
    expect_together(check, message != NULL, "has no message");
    block_release(message);
}

/* ---- kinds ---- */

static void check_outbox_of(struct check *check, const struct record_message *record)
{
    char key[RECORD_KEY_MAX];
    struct record_outbox outbox;
    struct message message;
    struct block *value = value_of(check, record_outbox_key(key, record->name));
    bool there = value && record_outbox_read(block_span(value), &outbox) == STATUS_OK;
    expect_together(check, there, "is in an outbox that has no record");
    if (there && message_decode_kept(record->frame, &message) == STATUS_OK &&
        message.lane_epoch == outbox.lane_epoch)
        expect(check, message.seq < outbox.ceiling, "has a number that its outbox never gave");
    block_release(value);
}

static void check_message(struct check *check, struct span value)
{
    struct record_message record;
    check->counts->messages++;
    bool good = record_sequence(check->key) && record_message_read(value, &record) == STATUS_OK;
    expect(check, good, bad_form);
    if (good && record.queue_kind == QUEUE_OUTBOX) check_outbox_of(check, &record);
}

static void check_facts(struct check *check, struct span value)
{
    struct record_facts facts;
    check->counts->facts++;
    bool good = record_sequence(check->key) && record_facts_read(value, &facts) == STATUS_OK;
    expect(check, good, bad_form);
    if (good) expect_message(check);
}

static void check_dead(struct check *check, struct span value)
{
    struct failure_note why;
    check->counts->dead++;
    bool good = record_sequence(check->key) && record_dead_read(value, &why) == STATUS_OK;
    expect(check, good, bad_form);
    if (good) expect_message(check);
}

static void check_lane(struct check *check, struct span value)
{
    check->counts->lanes++;
    struct lane *lane = record_lane_read(check->key, value);
    expect(check, lane != NULL, bad_form);
    if (lane) lane_free(lane);
}

static void check_outbox(struct check *check, struct span value)
{
    struct record_outbox outbox;
    check->counts->outboxes++;
    expect(check, record_outbox_read(value, &outbox) == STATUS_OK, bad_form);
}

static void check_epoch(struct check *check, struct span value)
{
    check->counts->epochs++;
    expect(check, check->key.size == 1 + STORE_ID_BYTES && value.size == 8, bad_form);
}

static void check_hold(struct check *check, struct span value)
{
    enum hold hold;
    int64_t since_wall_ms;
    expect(check, record_hold_read(value, &hold, &since_wall_ms) == STATUS_OK, bad_form);
}

static void check_state(struct check *check, struct span value)
{
    struct record_state state;
    expect(check, record_state_read(value, &state) == STATUS_OK, bad_form);
}

static void check_due(struct check *check)
{
    int64_t expires_wall_ms;
    expect(check, record_due_state(check->key, &expires_wall_ms).size > 0, bad_form);
}

static void check_seen(struct check *check, struct span value)
{
    struct record_seen record;
    expect(check, record_sequence(check->key) && record_seen_read(value, &record) == STATUS_OK,
           bad_form);
}

static void check_result(struct check *check, struct span value)
{
    uint64_t number;
    expect(check, value.size > 0 && record_result_lane(check->key, &number).size > 0, bad_form);
}

static void check_identity(struct check *check)
{
    struct identity identity;
    expect(check, check->key.size == 1 && identity_read(check->store, &identity) == STATUS_OK,
           bad_form);
}

static void check_value(struct check *check, struct span value)
{
    switch (check->key.bytes[0]) {
    case RECORD_MESSAGE: check_message(check, value); return;
    case RECORD_FACTS: check_facts(check, value); return;
    case RECORD_DEAD: check_dead(check, value); return;
    case RECORD_LANE: check_lane(check, value); return;
    case RECORD_OUTBOX: check_outbox(check, value); return;
    case RECORD_HOLD: check_hold(check, value); return;
    case RECORD_EPOCH: check_epoch(check, value); return;
    case RECORD_IDENTITY: check_identity(check); return;
    case RECORD_SEEN: check_seen(check, value); return;
    case RECORD_RESULT: check_result(check, value); return;
    case RECORD_STATE: check_state(check, value); return;
    case RECORD_DUE: check_due(check); return;
    default: find(check, "is of no kind that this version knows"); return;
    }
}

/* ---- the walk ---- */

static void check_record(struct check *check, const struct store_record *record)
{
    check->counts->records++;
    check->key = record->key;
    if (record->damaged)
        find(check, "does not match its checksum");
    else
        check_value(check, block_span(record->value));
}

enum status store_check(struct store *store, const struct check_calls *calls,
                        struct check_counts *counts)
{
    char behind[STORE_KEY_MAX + 1];
    struct check check = {.store = store, .calls = calls, .counts = counts};
    struct span from = span_of(NULL, 0);
    struct store_page *page = calloc(1, sizeof *page);
    ensure(page != NULL);
    enum status status;
    *counts = (struct check_counts){.records = 0};
    do {
        status = store->engine->scan(store, span_of(NULL, 0), from, page);
        for (size_t i = 0; i < page->count; i++) check_record(&check, &page->records[i]);
        if (page->count) from = store_key_behind(page->records[page->count - 1].key, behind);
        store_page_release(page);
    } while (status == STATUS_OK && page->more);
    free(page);
    return status;
}
