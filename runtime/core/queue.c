/* Queues: lists by state, and the numbers of an outbox's lane. */
#include "core/queue.h"

#include <stdlib.h>
#include "core/ensure.h"
#include "core/message.h"

const char *entry_state_name(enum entry_state state)
{
    switch (state) {
#define X(name, text)                                                                              \
    case ENTRY_##name: return text;
        QUEUE_STATE_MAP(X)
#undef X
    case ENTRY_STATE_COUNT: break;
    }
    return "unknown";
}

struct queue *queue_new(enum queue_kind kind, struct span name, uint64_t seed)
{
    struct queue *queue = calloc(1, sizeof *queue);
    char *copy = malloc(name.size + 1);
    ensure(queue != NULL && copy != NULL);
    memcpy(copy, name.bytes, name.size);
    queue->name = span_of(copy, name.size);
    queue->kind = (uint8_t)kind;
    queue->seen.seed = queue->chains.seed = queue->by_id.seed = seed;
    queue_begin_at(queue, 1);
    queue->next_number = 1;
    return queue;
}

void queue_free(struct queue *queue)
{
    map_deinit(&queue->seen);
    map_deinit(&queue->chains);
    map_deinit(&queue->by_id);
    sequences_deinit(&queue->tail);
    free(queue->numbers);
    block_release(queue->told);
    free((char *)queue->name.bytes);
    free(queue);
}

/* The entry behind which `entry` belongs, or NULL for the front: nearly always the tail. */
static struct entry *list_place(const struct entry_list *list, const struct entry *entry)
{
    struct entry *at = list->tail;
    if (!at || at->sequence < entry->sequence) return at;
    if (list->head->sequence > entry->sequence) return NULL;
    for (at = list->head; at->next && at->next->sequence < entry->sequence;) at = at->next;
    return at;
}

static void list_insert(struct entry_list *list, struct entry *entry)
{
    struct entry *behind = list_place(list, entry);
    entry->previous = behind;
    entry->next = behind ? behind->next : list->head;
    *(behind ? &behind->next : &list->head) = entry;
    *(entry->next ? &entry->next->previous : &list->tail) = entry;
    list->count++;
}

static void list_remove(struct entry_list *list, struct entry *entry)
{
    *(entry->previous ? &entry->previous->next : &list->head) = entry->next;
    *(entry->next ? &entry->next->previous : &list->tail) = entry->previous;
    entry->next = entry->previous = NULL;
    ensure(list->count > 0);
    list->count--;
}

/* ---- by id ---- */

static const enum entry_state IDLE[] = {ENTRY_DEFERRED, ENTRY_WAITING, ENTRY_PARKED, ENTRY_BLOCKED,
                                        ENTRY_COMMITTING};

enum { IDLE_COUNT = sizeof IDLE / sizeof IDLE[0] };

static bool is_idle(const struct entry *entry)
{
    for (size_t i = 0; i < IDLE_COUNT; i++)
        if (entry->state == IDLE[i]) return true;
    return false;
}

static void index_add(struct entry *entry)
{
    struct queue *queue = entry->queue;
    if (!queue->indexed || !is_idle(entry)) return;
    struct span id = message_id(entry->block);
    entry->indexed = !map_find(&queue->by_id, id);
    if (entry->indexed)
        map_add(&queue->by_id, id, entry);
    else
        queue->twins++;
}

static void index_remove(struct entry *entry)
{
    struct queue *queue = entry->queue;
    if (!queue->indexed || !is_idle(entry)) return;
    if (entry->indexed)
        map_remove(&queue->by_id, message_id(entry->block));
    else
        queue->twins--;
    entry->indexed = false;
}

static void index_all(struct queue *queue)
{
    queue->indexed = true;
    for (size_t i = 0; i < IDLE_COUNT; i++)
        for (struct entry *at = queue->lists[IDLE[i]].head; at; at = at->next) index_add(at);
}

static bool is_meant(const struct entry *entry, struct span id, struct span from)
{
    struct message message = message_of(entry->block);
    return span_equal(message.id, id) && (from.size == 0 || span_equal(message.from, from));
}

static struct entry *find_twin(const struct queue *queue, struct span id, struct span from)
{
    struct entry *oldest = NULL;
    for (size_t i = 0; i < IDLE_COUNT; i++)
        for (struct entry *at = queue->lists[IDLE[i]].head; at; at = at->next)
            if (is_meant(at, id, from) && (!oldest || at->sequence < oldest->sequence)) oldest = at;
    return oldest;
}

struct entry *queue_find(struct queue *queue, struct span id, struct span from)
{
    if (!queue->indexed) index_all(queue);
    if (queue->twins > 0) return find_twin(queue, id, from);
    struct entry *entry = map_find(&queue->by_id, id);
    return entry && is_meant(entry, id, from) ? entry : NULL;
}

/* ---- lists ---- */

static void total_change(struct queue_total *total, ptrdiff_t count, ptrdiff_t bytes)
{
    ensure((ptrdiff_t)total->count + count >= 0 && (ptrdiff_t)total->bytes + bytes >= 0);
    total->count += (size_t)count;
    total->bytes += (size_t)bytes;
}

void queue_count(struct queue *queue, ptrdiff_t count, ptrdiff_t bytes)
{
    total_change(&queue->own, count, bytes);
    if (queue->shared) total_change(queue->shared, count, bytes);
}

void queue_insert(struct queue *queue, struct entry *entry, enum entry_state state)
{
    entry->queue = queue;
    entry->state = (uint8_t)state;
    entry->weight = entry->block->size;
    list_insert(&queue->lists[state], entry);
    index_add(entry);
    queue_count(queue, 1, (ptrdiff_t)entry->weight);
}

/* Whatever it comes to: it is not the one any more that opens the lane for all. */
static void leave_list(struct entry *entry)
{
    list_remove(&entry->queue->lists[entry->state], entry);
    if (entry->opens) entry->opens = entry->queue->opening = false;
}

void queue_take(struct entry *entry)
{
    struct queue *queue = entry->queue;
    index_remove(entry);
    leave_list(entry);
    queue_count(queue, -1, -(ptrdiff_t)entry->weight);
}

void queue_weigh(struct entry *entry, ptrdiff_t bytes)
{
    entry->weight += (size_t)bytes;
    queue_count(entry->queue, 0, bytes);
}

void queue_set_block(struct entry *entry, struct block *block)
{
    index_remove(entry);
    block_release(entry->block);
    entry->block = block;
    index_add(entry);
}

void queue_move(struct entry *entry, enum entry_state state)
{
    index_remove(entry);
    leave_list(entry);
    entry->state = (uint8_t)state;
    list_insert(&entry->queue->lists[state], entry);
    index_add(entry);
}

struct entry *queue_numbered(const struct queue *queue, uint64_t number)
{
    if (number < queue->base || number >= queue->next_number) return NULL;
    return queue->numbers[number & (queue->numbers_capacity - 1)];
}

static void numbers_grow(struct queue *queue)
{
    size_t capacity = queue->numbers_capacity ? queue->numbers_capacity * 2 : 64;
    while (capacity <= queue->next_number - queue->base) capacity *= 2;
    struct entry **numbers = calloc(capacity, sizeof *numbers);
    ensure(numbers != NULL);
    for (uint64_t n = queue->base; queue->numbers && n < queue->next_number; n++)
        numbers[n & (capacity - 1)] = queue->numbers[n & (queue->numbers_capacity - 1)];
    free(queue->numbers);
    queue->numbers = numbers;
    queue->numbers_capacity = capacity;
}

/* Numbers of an earlier life come in their order, the lowest first. */
void queue_renumber(struct queue *queue, struct entry *entry)
{
    if (!queue->numbers) queue_begin_at(queue, entry->number);
    ensure(entry->number >= queue->base && entry->number < queue->next_number);
    if (queue->next_number - queue->base >= queue->numbers_capacity) numbers_grow(queue);
    queue->numbers[entry->number & (queue->numbers_capacity - 1)] = entry;
}

static void let_go_of_old(struct queue *queue)
{
    while (queue->next_number - queue->base >= NUMBERS_HELD) {
        struct entry *oldest = queue_numbered(queue, queue->base);
        if (!oldest || oldest->state != ENTRY_DEAD) return;
        queue_close_number(queue, queue->base);
    }
}

void queue_begin_at(struct queue *queue, uint64_t base)
{
    queue->base = base;
    for (size_t i = 0; i < 3; i++) queue->marks[i] = (struct base_mark){0, base};
}

/* One batch is being committed while another grows, so the third mark is always durable. */
uint64_t queue_durable_base(struct queue *queue, uint64_t open, uint64_t committed)
{
    struct base_mark *marks = queue->marks;
    if (marks[0].base != queue->base && marks[0].batch != open) {
        marks[2] = marks[1];
        marks[1] = marks[0];
    }
    if (marks[0].base != queue->base) marks[0] = (struct base_mark){open, queue->base};
    if (marks[0].batch <= committed) return marks[0].base;
    return marks[1].batch <= committed ? marks[1].base : marks[2].base;
}

void queue_number(struct queue *queue, struct entry *entry)
{
    let_go_of_old(queue);
    if (queue->next_number - queue->base >= queue->numbers_capacity) numbers_grow(queue);
    entry->number = queue->next_number++;
    queue->numbers[entry->number & (queue->numbers_capacity - 1)] = entry;
}

void queue_close_number(struct queue *queue, uint64_t number)
{
    size_t mask = queue->numbers_capacity - 1;
    ensure(queue_numbered(queue, number));
    queue->numbers[number & mask] = NULL;
    while (queue->base < queue->next_number && !queue->numbers[queue->base & mask]) queue->base++;
}
