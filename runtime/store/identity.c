/* The record 'i': epoch (8 bytes), store id (16), name (the rest). */
#include "store/identity.h"

#include "core/buffer.h"
#include "core/record.h"

enum { HEAD_BYTES = 8 + STORE_ID_BYTES };

static const char key_bytes[] = {RECORD_IDENTITY};

static struct span key_of(void)
{
    return span_of(key_bytes, sizeof key_bytes);
}

static bool take(const struct block *value, struct identity *identity)
{
    if (value->size < HEAD_BYTES || value->size > HEAD_BYTES + ADDRESS_BYTES_MAX) return false;
    size_t name = value->size - HEAD_BYTES;
    identity->epoch = get_u64(value->bytes);
    memcpy(identity->store_id, value->bytes + 8, STORE_ID_BYTES);
    memcpy(identity->name, value->bytes + HEAD_BYTES, name);
    identity->name[name] = 0;
    return true;
}

enum status identity_read(struct store *store, struct identity *identity)
{
    struct block *value;
    struct identity found = {.epoch = 0};
    enum status status = store->engine->get(store, key_of(), &value);
    if (status == STATUS_OK || status == STATUS_DAMAGED) {
        if (status == STATUS_OK && !take(value, &found)) status = STATUS_DAMAGED;
        block_release(value);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    *identity = found;
    return STATUS_OK;
}

enum status identity_write(struct store *store, const struct identity *identity)
{
    char value[HEAD_BYTES + ADDRESS_BYTES_MAX];
    size_t name = strlen(identity->name);
    put_u64(value, identity->epoch);
    memcpy(value + 8, identity->store_id, STORE_ID_BYTES);
    memcpy(value + HEAD_BYTES, identity->name, name);
    struct op op = {.kind = OP_PUT, .key = key_of(), .head = span_of(value, HEAD_BYTES + name)};
    return store->engine->commit(store, &op, 1);
}
