/* State: see state.h. */
#include "core/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/parts.h"

/* What a record holds. */
struct content {
    uint64_t version;
    uint32_t writer;
    int64_t expires_wall_ms;
    struct block *value; /* NULL: it is not there */
};

struct state_kept {
    struct state_kept *older, *newer;
    struct span key; /* the store's; owned, behind this struct */
    struct content now;
    bool foreseen;       /* an outcome on its way to the next step ... */
    struct content next; /* ... will make it this, if it is good */
    uint64_t put_batch;  /* that wrote it last; 0: it came from the store */
};

enum {
    EPOCH_SHIFT = 40,            /* so many bits of writes in a life */
    LISTED_BYTES_MAX = 16 << 20, /* of values: a listing ends behind it */
};

/* ---- in memory ---- */

static size_t record_bytes(const struct state_kept *record)
{
    return sizeof *record + record->key.size + (record->now.value ? record->now.value->size : 0);
}

static void unlink_record(struct states *states, struct state_kept *record)
{
    *(record->older ? &record->older->newer : &states->oldest) = record->newer;
    *(record->newer ? &record->newer->older : &states->newest) = record->older;
}

static void link_record(struct states *states, struct state_kept *record)
{
    record->newer = NULL;
    record->older = states->newest;
    *(states->newest ? &states->newest->newer : &states->oldest) = record;
    states->newest = record;
}

static void forget(struct states *states, struct state_kept *record)
{
    unlink_record(states, record);
    map_remove(&states->records, record->key);
    states->bytes -= record_bytes(record);
    block_release(record->now.value);
    free(record);
}

/* Those used longest ago go; one that is not durable yet stays. */
static void make_room(struct engine *engine)
{
    struct states *states = &engine->states;
    struct state_kept *next, *record = states->oldest;
    for (; record && states->bytes > STATE_CACHE_BYTES; record = next) {
        next = record->newer;
        if (!record->foreseen && record->put_batch <= engine->committed) forget(states, record);
    }
}

static void use(struct states *states, struct state_kept *record)
{
    if (record == states->newest) return;
    unlink_record(states, record);
    link_record(states, record);
}

static struct state_kept *add(struct engine *engine, struct span key)
{
    struct states *states = &engine->states;
    struct state_kept *record = calloc(1, sizeof *record + key.size);
    ensure(record != NULL);
    memcpy(record + 1, key.bytes, key.size);
    record->key = span_of((const char *)(record + 1), key.size);
    map_add(&states->records, record->key, record);
    link_record(states, record);
    states->bytes += record_bytes(record);
    return record;
}

static void set_value(struct states *states, struct state_kept *record, struct block *value)
{
    states->bytes -= record_bytes(record);
    block_release(record->now.value);
    record->now.value = value;
    states->bytes += record_bytes(record);
}

void states_deinit(struct states *states)
{
    for (size_t i = 0; i < states->foreseen_count; i++)
        block_release(states->foreseen[i]->next.value);
    free(states->foreseen);
    block_release(states->swept);
    while (states->oldest) forget(states, states->oldest);
    map_deinit(&states->records);
}

/* ---- from the store ---- */

static void take_stored(struct engine *engine, struct state_kept *record, struct span stored)
{
    struct record_state state;
    if (record_state_read(stored, &state) != STATUS_OK) {
        engine->counts.damaged++;
        return;
    }
    record->now.version = state.version;
    record->now.writer = state.writer;
    record->now.expires_wall_ms = state.expires_wall_ms;
    set_value(&engine->states, record, block_copy(state.value));
}

static struct state_kept *fetch(struct engine *engine, struct span key)
{
    struct block *stored = NULL;
    struct state_kept *record = add(engine, key);
    if (engine->policies.fetch &&
        engine->policies.fetch(engine->policies.store_user, &key, &stored))
        take_stored(engine, record, block_span(stored));
    block_release(stored);
    make_room(engine);
    return record;
}

static struct state_kept *find_stored(struct engine *engine, struct span key)
{
    struct state_kept *record = map_find_again(&engine->states.records, key);
    if (!record) return fetch(engine, key);
    use(&engine->states, record);
    return record;
}

static struct state_kept *find(struct engine *engine, struct span address, uint8_t scope,
                               struct span key)
{
    char buffer[RECORD_KEY_MAX];
    return find_stored(engine, record_state_key(buffer, address, scope, key));
}

static bool is_there(const struct engine *engine, const struct content *content)
{
    int64_t now_ms = engine->now_ms + engine->wall_ms;
    return content->value && (content->expires_wall_ms == 0 || content->expires_wall_ms > now_ms);
}

/* As a handler sees it that begins now. */
static const struct content *latest(const struct state_kept *record)
{
    return record->foreseen ? &record->next : &record->now;
}

struct state_value engine_state(struct engine *engine, struct span address, enum state_scope scope,
                                struct span key)
{
    const struct content *content = latest(find(engine, address, (uint8_t)scope, key));
    struct block *value = is_there(engine, content) ? block_retain(content->value) : NULL;
    return (struct state_value){content->version, content->writer, value};
}

/* ---- numbers ---- */

/* Whether the value is one number; absent, it is 0. */
static bool read_number(const struct engine *engine, const struct content *content, double *number)
{
    char text[64], *end;
    *number = 0;
    if (!is_there(engine, content)) return true;
    if (content->value->size == 0 || content->value->size >= sizeof text) return false;
    memcpy(text, content->value->bytes, content->value->size);
    text[content->value->size] = 0;
    *number = strtod(text, &end);
    return *end == 0;
}

static struct block *write_number(double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.15g", number);
    if (strtod(text, NULL) != number) snprintf(text, sizeof text, "%.17g", number);
    return block_copy(span_text(text));
}

/* ---- settling ---- */

static bool is_same(struct engine *engine, struct span address, const struct state_read *read)
{
    return find(engine, address, read->scope, read->key)->now.version == read->version;
}

static bool can_add(struct engine *engine, struct span address, const struct state_write *write)
{
    double number;
    if (write->change != STATE_ADD) return true;
    return read_number(engine, &find(engine, address, write->scope, write->key)->now, &number) &&
           isfinite(number + write->number); /* or the handler is told, when it runs again */
}

bool state_is_current(struct engine *engine, struct span address, const struct outcome *outcome)
{
    if (planted(PLANT_STATE_CONFLICT_UNSEEN)) return true;
    for (size_t i = 0; i < outcome->read_count; i++)
        if (!is_same(engine, address, &outcome->reads[i])) return false;
    for (size_t i = 0; i < outcome->write_count; i++)
        if (!can_add(engine, address, &outcome->writes[i])) return false;
    return true;
}

/* The value that comes of it (given); NULL: the record goes. */
static struct block *new_value(const struct engine *engine, const struct content *before,
                               const struct state_write *write)
{
    double number;
    switch ((enum state_change)write->change) {
    case STATE_SET: return block_copy(write->value);
    case STATE_REMOVE: return NULL;
    case STATE_ADD:
        read_number(engine, before, &number);
        return write_number(number + write->number);
    }
    return NULL;
}

static uint64_t new_version(struct engine *engine)
{
    return (engine->settings.epoch << EPOCH_SHIFT) + ++engine->states.writes;
}

static void put(struct engine *engine, struct state_kept *record)
{
    if (planted(PLANT_STATE_OUTSIDE_COMMIT) && record->put_batch == 0) {
        record->put_batch = engine->open->number; /* the next write takes it along */
        return;
    }
    engine_changes(engine, false);
    record->put_batch = engine->open->number;
    if (!record->now.value) {
        batch_delete(engine->open, record->key);
        return;
    }
    engine->scratch.used = 0;
    record_state_head(&(struct record_state){.version = record->now.version,
                                             .writer = record->now.writer,
                                             .expires_wall_ms = record->now.expires_wall_ms},
                      &engine->scratch);
    batch_put(engine->open, record->key, buffer_span(&engine->scratch), record->now.value);
}

/* The version that was drawn, if it leads to the value that readers saw with it. It does not when
 * an addition before it came to nothing. */
static uint64_t version_for(struct engine *engine, const struct content *before,
                            const struct state_write *write)
{
    double number;
    if (write->version == 0) return new_version(engine);
    if (write->change != STATE_ADD || planted(PLANT_FORESEEN_VERSION_KEPT)) return write->version;
    read_number(engine, before, &number);
    return number == write->foreseen ? write->version : new_version(engine);
}

/* An addition leaves a record's time as it is. */
static int64_t end_of(const struct engine *engine, const struct content *before,
                      const struct state_write *write)
{
    bool adds = write->change == STATE_ADD && is_there(engine, before);
    return adds ? before->expires_wall_ms : write->expires_wall_ms;
}

static void apply(struct engine *engine, struct span address, const struct state_write *write)
{
    struct state_kept *record = find(engine, address, write->scope, write->key);
    int64_t before_wall_ms = record->now.value ? record->now.expires_wall_ms : 0;
    uint64_t version = version_for(engine, &record->now, write);
    int64_t expires_wall_ms = end_of(engine, &record->now, write);
    set_value(&engine->states, record, new_value(engine, &record->now, write));
    sweep_end_moves(engine, record->key, before_wall_ms, record->now.value ? expires_wall_ms : 0);
    record->now.version = version;
    record->now.writer = planted(PLANT_WRITER_NOT_KEPT) ? 1 : write->writer;
    record->now.expires_wall_ms = expires_wall_ms;
    put(engine, record);
}

/* Nobody saw it any more, so its version stays. */
void state_drop_expired(struct engine *engine, struct span key, int64_t expires_wall_ms)
{
    struct state_kept *record = find_stored(engine, key);
    if (!record->now.value || record->now.expires_wall_ms != expires_wall_ms) return;
    set_value(&engine->states, record, NULL);
    put(engine, record);
    make_room(engine);
}

void state_apply(struct engine *engine, struct span address, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->write_count; i++) apply(engine, address, &outcome->writes[i]);
    make_room(engine);
}

/* ---- between two steps ---- */

/* The next handler of this turn must see what this one leaves, or all that ran in one turn would be
 * in conflict. Its version is drawn here, so that what they read stays what will have been. */
static void foresee(struct engine *engine, struct span address, struct state_write *write)
{
    struct states *states = &engine->states;
    struct state_kept *record = find(engine, address, write->scope, write->key);
    struct block *value = new_value(engine, latest(record), write);
    int64_t expires_wall_ms = end_of(engine, latest(record), write);
    read_number(engine, latest(record), &write->foreseen);
    write->version = new_version(engine);
    if (record->foreseen)
        block_release(record->next.value);
    else {
        array_reserve(states->foreseen, states->foreseen_count, states->foreseen_capacity);
        states->foreseen[states->foreseen_count++] = record;
    }
    record->foreseen = true;
    record->next = (struct content){write->version, write->writer, expires_wall_ms, value};
}

void engine_state_foresee(struct engine *engine, struct span address, struct state_write *writes,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) foresee(engine, address, &writes[i]);
}

void state_arrived(struct engine *engine)
{
    struct states *states = &engine->states;
    for (size_t i = 0; i < states->foreseen_count; i++) {
        struct state_kept *record = states->foreseen[i];
        block_release(record->next.value);
        record->foreseen = false;
    }
    states->foreseen_count = 0;
}

/* ---- listing ---- */

static int order(struct span a, struct span b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int bytes = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;
    return bytes != 0 ? bytes : (a.size > b.size) - (a.size < b.size);
}

static bool begins_with(struct span key, struct span prefix)
{
    return key.size >= prefix.size && memcmp(key.bytes, prefix.bytes, prefix.size) == 0;
}

struct listing {
    struct engine *engine;
    struct span prefix;        /* of store keys */
    size_t head;               /* bytes of a store key before the record's own */
    struct span after;         /* a record's key */
    size_t limit, live, bytes; /* records that the store gave, and are still there */
    struct span last;          /* the store's key of the last one asked for; empty: all were */
    size_t count, capacity;
    struct state_kept **records;
};

static void gather(struct listing *listing, struct state_kept *record)
{
    struct span key = record->key;
    if (!begins_with(key, listing->prefix)) return;
    if (listing->last.size > 0 && order(key, listing->last) > 0) return;
    struct span own = span_of(key.bytes + listing->head, key.size - listing->head);
    if (listing->after.size > 0 && order(own, listing->after) <= 0) return;
    array_reserve(listing->records, listing->count, listing->capacity);
    listing->records[listing->count++] = record;
}

static int by_key(const void *a, const void *b)
{
    return order((*(struct state_kept *const *)a)->key, (*(struct state_kept *const *)b)->key);
}

/* A record of the store comes into memory, where what is newer has its place already. */
static bool take_listed(void *user, struct span key, struct span stored)
{
    struct listing *listing = user;
    struct engine *engine = listing->engine;
    struct state_kept *record = map_find(&engine->states.records, key);
    if (!record) {
        record = add(engine, key);
        take_stored(engine, record, stored);
    }
    if (!is_there(engine, latest(record))) return true;
    listing->bytes += latest(record)->value->size;
    if (++listing->live < listing->limit && listing->bytes < LISTED_BYTES_MAX) return true;
    listing->last = record->key;
    return false;
}

/* What is in memory and was written there may lie anywhere, so all of it is looked at. */
static void gather_all(struct listing *listing)
{
    struct states *states = &listing->engine->states;
    for (struct state_kept *at = states->oldest; at; at = at->newer) gather(listing, at);
    if (listing->count > 0)
        qsort(listing->records, listing->count, sizeof *listing->records, by_key);
}

static size_t tell(const struct listing *listing, size_t limit,
                   void (*each)(void *, struct span, struct span), void *user)
{
    size_t told = 0;
    for (size_t i = 0; i < listing->count && told < limit; i++) {
        const struct state_kept *record = listing->records[i];
        if (!is_there(listing->engine, latest(record))) continue;
        each(user, span_of(record->key.bytes + listing->head, record->key.size - listing->head),
             block_span(latest(record)->value));
        told++;
    }
    return told;
}

size_t engine_state_list(struct engine *engine, struct span address, struct span prefix,
                         struct span after, size_t limit,
                         void (*each)(void *user, struct span key, struct span value), void *user)
{
    char buffer[RECORD_KEY_MAX], from[RECORD_KEY_MAX];
    struct span start = order(after, prefix) > 0 ? after : prefix;
    struct listing listing = {
        .engine = engine,
        .prefix = record_state_key(buffer, address, STATE_KV, prefix),
        .after = after,
        .limit = limit + 1, /* `after` itself may be among them */
    };
    listing.head = listing.prefix.size - prefix.size;
    if (engine->policies.list)
        engine->policies.list(engine->policies.store_user, listing.prefix,
                              record_state_key(from, address, STATE_KV, start), take_listed,
                              &listing);
    gather_all(&listing);
    size_t told = tell(&listing, limit, each, user);
    free(listing.records);
    make_room(engine);
    return told;
}

/* ---- all there are ---- */

struct scan {
    struct engine *engine;
    struct span prefix; /* of store keys */
    bool (*each)(void *user, struct span key, const struct state_value *value);
    void *user;
    bool more;
};

static void show(struct scan *scan, struct span key, const struct content *content)
{
    struct state_value value = {content->version, content->writer, content->value};
    if (!is_there(scan->engine, content)) return;
    scan->more = scan->each(
        scan->user, span_of(key.bytes + scan->prefix.size, key.size - scan->prefix.size), &value);
}

/* What is in memory has been shown. */
static bool show_stored(void *user, struct span key, struct span stored)
{
    struct scan *scan = user;
    struct record_state state;
    if (map_find(&scan->engine->states.records, key) ||
        record_state_read(stored, &state) != STATUS_OK)
        return true;
    struct content content = {state.version, state.writer, state.expires_wall_ms,
                              block_copy(state.value)};
    show(scan, key, &content);
    block_release(content.value);
    return scan->more;
}

void engine_state_scan(struct engine *engine, struct span address, enum state_scope scope,
                       bool (*each)(void *user, struct span key, const struct state_value *value),
                       void *user)
{
    char buffer[RECORD_KEY_MAX];
    struct scan scan = {engine, record_state_key(buffer, address, (uint8_t)scope, span_of(NULL, 0)),
                        each, user, true};
    for (struct state_kept *at = engine->states.oldest; at && scan.more; at = at->newer)
        if (begins_with(at->key, scan.prefix)) show(&scan, at->key, latest(at));
    if (scan.more && engine->policies.list)
        engine->policies.list(engine->policies.store_user, scan.prefix, scan.prefix, show_stored,
                              &scan);
}
