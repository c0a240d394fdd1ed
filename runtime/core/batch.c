/* Batches of changes. */
#include "core/after.h"
#include "core/array.h"

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    ensure(batch != NULL);
    return batch;
}

void batch_reset(struct batch *batch)
{
    for (size_t i = 0; i < batch->op_count; i++) block_release(batch->ops[i].value);
    batch->op_count = batch->after_count = batch->bytes = 0;
    arena_reset(&batch->arena);
}

void batch_free(struct batch *batch)
{
    if (!batch) return;
    batch_reset(batch);
    arena_deinit(&batch->arena);
    free(batch->ops);
    free(batch->afters);
    free(batch);
}

static struct op *batch_add(struct batch *batch, enum op_kind kind, struct span key)
{
    array_reserve(batch->ops, batch->op_count, batch->op_capacity);
    struct op *op = &batch->ops[batch->op_count++];
    *op = (struct op){.kind = kind, .key = arena_copy(&batch->arena, key)};
    return op;
}

size_t batch_put(struct batch *batch, struct span key, struct span head, struct block *value)
{
    struct op *op = batch_add(batch, OP_PUT, key);
    op->head = arena_copy(&batch->arena, head);
    op->value = block_retain(value);
    batch->bytes += head.size + (value ? value->size : 0);
    return batch->op_count - 1;
}

size_t batch_delete(struct batch *batch, struct span key)
{
    batch_add(batch, OP_DELETE, key);
    return batch->op_count - 1;
}

void batch_annul(struct batch *batch, size_t index)
{
    ensure(index < batch->op_count && batch->ops[index].kind == OP_PUT);
    struct op *op = &batch->ops[index];
    batch->bytes -= op->head.size + (op->value ? op->value->size : 0);
    block_release(op->value);
    op->value = NULL;
    op->kind = OP_NOTHING;
}

struct after *batch_after(struct batch *batch, enum after_kind kind)
{
    array_reserve(batch->afters, batch->after_count, batch->after_capacity);
    struct after *after = &batch->afters[batch->after_count++];
    *after = (struct after){.kind = kind};
    return after;
}
