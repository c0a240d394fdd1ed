/* One connection: bytes in and out, a bounded queue, an orderly end.
 *
 *   OPEN --connection_close--> ENDING (flush, half-close, wait for the peer) --> CLOSED --> gone
 *   OPEN or ENDING --error, end of stream, too much unsent for too long--> CLOSED
 */
#ifndef MOONPOST_CONNECTION_H
#define MOONPOST_CONNECTION_H

#include "shell/seat.h"

struct connection;

enum slot_state { SLOT_FREE, SLOT_USED, SLOT_RETIRED /* until EVENT_CLOSED was taken */ };

struct slot {
    enum slot_state state;
    struct connection *connection;
};

union stream_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

enum {
    QUEUE_BYTES_MAX = 16 << 20, /* unsent bytes of one connection ... */
    FULL_WAIT_MS = 5000,        /* ... more than that for so long: it is closed */
    CLOSE_WAIT_MS = 1000,       /* how long an end waits for the peer's */
};

/* A connection that is not connected yet: its stream is for uv_accept or a connect, which counts as
 * a handle of the seat. */
struct connection *connection_new(struct seat *seat, enum address_kind kind);
union stream_handle *connection_stream(struct connection *connection);

/* It never came to be: close and free it. No event. */
void connection_discard(struct connection *connection);

/* It is connected: number it and read. Answers the number; the caller posts the event. */
uint32_t connection_begin(struct connection *connection);

/* For node_io: see there. Unknown numbers are ignored. */
void connection_write(struct seat *seat, uint32_t number, struct block *block);
void connection_close(struct seat *seat, uint32_t number);

/* End all of them now, without flushing. */
void connections_abort(struct seat *seat, const char *reason);

/* Send what was written since the last call, begin the ends that were asked for. */
void connections_flush(struct seat *seat);

/* End those whose time is up. */
void connections_expire(struct seat *seat, int64_t now_ms);

/* The node has taken all events: numbers of closed connections are free again. */
void connections_release(struct seat *seat);

#endif
