/* Bytes of connections. What a node writes in a turn waits in `pending` and leaves at the end of
 * the turn with one call; what the socket does not take then belongs to libuv until it is written.
 * A peer for whom more than QUEUE_BYTES_MAX wait that long does not read, and loses the connection.
 */
#include "shell/connection.h"

#include <stdlib.h>
#include "core/array.h"
#include "shell/clock.h"

enum { FLUSH_BLOCKS_MAX = 256 };

enum connection_state { CONNECTION_NEW, CONNECTION_OPEN, CONNECTION_ENDING, CONNECTION_CLOSED };

struct connection {
    union stream_handle stream; /* first: a handle is its connection */
    struct seat *seat;
    uint32_t number;
    enum connection_state state;
    bool close_wanted;
    int64_t expires_ms; /* of one that is ending, or has too much unsent; 0: no limit */
    size_t written;     /* bytes that have left and were not told of */
    struct block **pending;
    size_t pending_count, pending_capacity;
    uv_shutdown_t shutdown;
};

/* Blocks that libuv writes; freed with the request. */
struct write {
    uv_write_t request;
    size_t count, size; /* blocks; bytes */
    struct block *blocks[];
};

/* ---- numbers ---- */

static struct connection *find(const struct seat *seat, uint32_t number)
{
    if (number == 0 || number > seat->slot_count) return NULL;
    const struct slot *slot = &seat->slots[number - 1];
    return slot->state == SLOT_USED ? slot->connection : NULL;
}

static struct slot *free_slot(struct seat *seat)
{
    for (size_t i = 0; i < seat->slot_count; i++)
        if (seat->slots[i].state == SLOT_FREE) return &seat->slots[i];
    array_reserve(seat->slots, seat->slot_count, seat->slot_capacity);
    return &seat->slots[seat->slot_count++];
}

void connections_release(struct seat *seat)
{
    for (size_t i = 0; i < seat->slot_count; i++)
        if (seat->slots[i].state == SLOT_RETIRED) seat->slots[i].state = SLOT_FREE;
}

/* ---- the end ---- */

/* End it after `limit_ms` unless this is called again; 0: no limit. */
static void limit_time(struct connection *connection, int64_t limit_ms)
{
    size_t before = connection->expires_ms != 0, after = limit_ms != 0;
    connection->expires_ms = limit_ms ? clock_now_ms() + limit_ms : 0;
    connection->seat->expiring += after - before;
}

static void drop_pending(struct connection *connection)
{
    for (size_t i = 0; i < connection->pending_count; i++) block_release(connection->pending[i]);
    connection->pending_count = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = (struct connection *)handle;
    struct seat *seat = connection->seat;
    drop_pending(connection);
    free(connection->pending);
    free(connection);
    seat_handle_closed(seat);
}

void connection_discard(struct connection *connection)
{
    connection->state = CONNECTION_CLOSED;
    uv_close(&connection->stream.handle, on_closed);
}

/* Close now and tell the node. */
static void finish(struct connection *connection, const char *reason)
{
    struct seat *seat = connection->seat;
    if (connection->state == CONNECTION_CLOSED) return;
    limit_time(connection, 0);
    seat->slots[connection->number - 1] = (struct slot){SLOT_RETIRED, NULL};
    seat->connections--;
    node_post(seat->node, &(struct event){.kind = EVENT_CLOSED,
                                          .connection = connection->number,
                                          .reason = span_text(reason)});
    seat_wake(seat);
    connection_discard(connection);
}

void connections_abort(struct seat *seat, const char *reason)
{
    for (uint32_t number = 1; number <= seat->slot_count; number++) {
        struct connection *connection = find(seat, number);
        if (connection) finish(connection, reason);
    }
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct connection *connection = shutdown->data;
    if (status < 0) finish(connection, "closed");
}

/* Half-close after what is queued and wait for the peer's end: closing with unread bytes would
 * reset the connection and take our last words with it. */
static void begin_end(struct connection *connection)
{
    connection->state = CONNECTION_ENDING;
    limit_time(connection, CLOSE_WAIT_MS);
    connection->shutdown.data = connection;
    if (uv_shutdown(&connection->shutdown, &connection->stream.stream, on_shutdown) != 0)
        finish(connection, "closed");
}

static bool is_full(const struct connection *connection)
{
    return uv_stream_get_write_queue_size(&connection->stream.stream) > QUEUE_BYTES_MAX;
}

static void expire(struct connection *connection)
{
    if (connection->state == CONNECTION_ENDING)
        finish(connection, "closed");
    else if (is_full(connection))
        finish(connection, "over 16 MiB wait unsent; the peer is too slow");
    else
        limit_time(connection, 0);
}

void connections_expire(struct seat *seat, int64_t now_ms)
{
    for (uint32_t number = 1; number <= seat->slot_count; number++) {
        struct connection *connection = find(seat, number);
        if (connection && connection->expires_ms && connection->expires_ms <= now_ms)
            expire(connection);
    }
}

void connection_close(struct seat *seat, uint32_t number)
{
    struct connection *connection = find(seat, number);
    if (!connection) return;
    connection->close_wanted = true;
    seat_wake(seat);
}

/* ---- in ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *connection = (struct connection *)handle;
    *buffer = uv_buf_init(connection->seat->shell->read_buffer, SHELL_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)stream;
    if (size == 0) return;
    if (size == UV_EOF) return finish(connection, "the peer closed the connection");
    if (size < 0) return finish(connection, uv_strerror((int)size));
    if (connection->state != CONNECTION_OPEN || connection->close_wanted) return;
    node_bytes(connection->seat->node, connection->number, span_of(buffer->base, (size_t)size));
    seat_wake(connection->seat);
}

/* ---- out ---- */

void connection_write(struct seat *seat, uint32_t number, struct block *block)
{
    struct connection *connection = find(seat, number);
    if (!connection || connection->close_wanted || connection->state != CONNECTION_OPEN)
        return block_release(block);
    array_reserve(connection->pending, connection->pending_count, connection->pending_capacity);
    connection->pending[connection->pending_count++] = block;
    seat_wake(seat);
}

static void release_write(struct write *write)
{
    for (size_t i = 0; i < write->count; i++) block_release(write->blocks[i]);
    free(write);
}

static void note_written(struct connection *connection, size_t size)
{
    connection->written += size;
    if (connection->written < LINK_WRITTEN_BYTES || connection->state == CONNECTION_CLOSED) return;
    node_post(connection->seat->node, &(struct event){.kind = EVENT_WRITTEN,
                                                      .connection = connection->number,
                                                      .size = connection->written});
    connection->written = 0;
    seat_wake(connection->seat);
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = (struct connection *)request->handle;
    size_t size = ((struct write *)request)->size;
    release_write((struct write *)request);
    if (status == 0)
        note_written(connection, size);
    else if (status != UV_ECANCELED)
        finish(connection, uv_strerror(status));
}

/* Hand blocks to libuv; `skip` bytes of the first have left already. */
static void queue_rest(struct connection *connection, struct block **blocks, size_t count,
                       size_t skip)
{
    struct write *write = malloc(sizeof *write + count * sizeof *write->blocks);
    ensure(write != NULL);
    uv_buf_t buffers[FLUSH_BLOCKS_MAX];
    write->count = count;
    write->size = 0;
    for (size_t i = 0; i < count; i++, skip = 0) {
        write->blocks[i] = blocks[i];
        buffers[i] = uv_buf_init(blocks[i]->bytes + skip, blocks[i]->size - (unsigned)skip);
        write->size += buffers[i].len;
    }
    int status =
        uv_write(&write->request, &connection->stream.stream, buffers, (unsigned)count, on_written);
    if (status == 0) return;
    release_write(write);
    finish(connection, uv_strerror(status));
}

/* Send at most FLUSH_BLOCKS_MAX blocks: what the socket takes now, and the rest when it can. */
static void send_some(struct connection *connection, struct block **blocks, size_t count)
{
    uv_buf_t buffers[FLUSH_BLOCKS_MAX];
    ensure(count > 0 && count <= FLUSH_BLOCKS_MAX);
    for (size_t i = 0; i < count; i++) buffers[i] = uv_buf_init(blocks[i]->bytes, blocks[i]->size);
    int sent = uv_try_write(&connection->stream.stream, buffers, (unsigned)count);
    size_t skip = sent > 0 ? (size_t)sent : 0, first = 0;
    note_written(connection, skip);
    while (first < count && skip >= blocks[first]->size) {
        skip -= blocks[first]->size;
        block_release(blocks[first++]);
    }
    if (first < count) queue_rest(connection, blocks + first, count - first, skip);
}

static void send_pending(struct connection *connection)
{
    size_t total = connection->pending_count, sent = 0;
    while (sent < total && connection->state == CONNECTION_OPEN) {
        size_t count = total - sent < FLUSH_BLOCKS_MAX ? total - sent : FLUSH_BLOCKS_MAX;
        send_some(connection, connection->pending + sent, count);
        sent += count;
    }
    while (sent < total) block_release(connection->pending[sent++]);
    connection->pending_count = 0;
}

static void flush_one(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN) return;
    if (connection->pending_count) send_pending(connection);
    if (connection->state != CONNECTION_OPEN) return;
    if (is_full(connection) && !connection->expires_ms) limit_time(connection, FULL_WAIT_MS);
    if (connection->close_wanted) begin_end(connection);
}

void connections_flush(struct seat *seat)
{
    for (uint32_t number = 1; number <= seat->slot_count; number++) {
        struct connection *connection = find(seat, number);
        if (connection) flush_one(connection);
    }
}

/* ---- the beginning ---- */

struct connection *connection_new(struct seat *seat, enum address_kind kind)
{
    struct connection *connection = calloc(1, sizeof *connection);
    ensure(connection != NULL);
    connection->seat = seat;
    seat->handles++;
    int status = kind == ADDRESS_TCP
                     ? uv_tcp_init(&seat->shell->loop, &connection->stream.tcp)
                     : uv_pipe_init(&seat->shell->loop, &connection->stream.pipe, 0);
    ensure(status == 0);
    return connection;
}

union stream_handle *connection_stream(struct connection *connection)
{
    return &connection->stream;
}

uint32_t connection_begin(struct connection *connection)
{
    struct seat *seat = connection->seat;
    struct slot *slot = free_slot(seat);
    *slot = (struct slot){SLOT_USED, connection};
    connection->number = (uint32_t)(slot - seat->slots) + 1;
    connection->state = CONNECTION_OPEN;
    seat->connections++;
    if (connection->stream.handle.type == UV_TCP) uv_tcp_nodelay(&connection->stream.tcp, 1);
    uv_read_start(&connection->stream.stream, on_room, on_read);
    return connection->number;
}
