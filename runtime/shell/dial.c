/* Dials: one address may stand for several places, which are tried in turn. */
#include "shell/door.h"

#include <stdlib.h>
#include <sys/socket.h>
#include "core/ensure.h"
#include "shell/clock.h"
#include "shell/connection.h"

struct dial {
    struct dial *next;
    struct seat *seat;
    uint32_t number;
    struct address address;
    int64_t expires_ms;
    bool over;                  /* its event was posted, or nobody wants one */
    int status;                 /* of the last place tried */
    struct complaint complaint; /* of an address that is none */
    uv_getaddrinfo_t lookup;
    struct addrinfo *places, *place;
    uv_connect_t connect;
    struct connection *connection; /* of the place being tried */
};

static void unlink_dial(struct dial *dial)
{
    struct dial **at = &dial->seat->dials;
    while (*at != dial) at = &(*at)->next;
    *at = dial->next;
    dial->seat->expiring--;
}

/* Free it, in a callback of its last request. */
static void dial_free(struct dial *dial)
{
    struct seat *seat = dial->seat;
    uv_freeaddrinfo(dial->places);
    free(dial);
    seat_handle_closed(seat);
}

static void tell_failure(struct dial *dial, const char *reason)
{
    if (dial->over) return;
    dial->over = true;
    unlink_dial(dial);
    node_post(dial->seat->node, &(struct event){.kind = EVENT_DIAL_FAILED,
                                                .dial = dial->number,
                                                .reason = span_text(reason)});
    seat_wake(dial->seat);
}

static void tell_success(struct dial *dial)
{
    dial->over = true;
    unlink_dial(dial);
    uint32_t number = connection_begin(dial->connection);
    node_post(dial->seat->node,
              &(struct event){.kind = EVENT_CONNECTED, .dial = dial->number, .connection = number});
    seat_wake(dial->seat);
}

/* ---- trying places ---- */

static void try_place(struct dial *dial);

static void fail(struct dial *dial)
{
    if (!dial->over) tell_failure(dial, uv_strerror(dial->status));
    dial_free(dial);
}

static void try_next(struct dial *dial)
{
    dial->place = dial->place->ai_next;
    if (dial->over || !dial->place) return fail(dial);
    try_place(dial);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct dial *dial = request->data;
    dial->status = status;
    if (status == 0 && !dial->over) {
        tell_success(dial);
        return dial_free(dial);
    }
    if (!uv_is_closing(&connection_stream(dial->connection)->handle))
        connection_discard(dial->connection);
    dial->connection = NULL;
    if (dial->place)
        try_next(dial);
    else
        fail(dial);
}

static void try_place(struct dial *dial)
{
    dial->connection = connection_new(dial->seat, ADDRESS_TCP);
    dial->connect.data = dial;
    dial->status = uv_tcp_connect(&dial->connect, &connection_stream(dial->connection)->tcp,
                                  dial->place->ai_addr, on_connect);
    if (dial->status == 0) return;
    connection_discard(dial->connection);
    dial->connection = NULL;
    try_next(dial);
}

static void on_places(uv_getaddrinfo_t *lookup, int status, struct addrinfo *places)
{
    struct dial *dial = lookup->data;
    dial->status = status;
    dial->places = dial->place = places;
    if (status != 0 || dial->over) return fail(dial);
    try_place(dial);
}

/* ---- beginning ---- */

static void fail_later(void *user)
{
    struct dial *dial = user;
    if (dial->status == 0) tell_failure(dial, dial->complaint.text);
    fail(dial);
}

static void dial_tcp(struct dial *dial)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    dial->lookup.data = dial;
    dial->status = uv_getaddrinfo(&dial->seat->shell->loop, &dial->lookup, on_places,
                                  dial->address.host, dial->address.port, &hints);
    if (dial->status != 0) shell_later(dial->seat->shell, fail_later, dial);
}

static void dial_unix(struct dial *dial)
{
    dial->connection = connection_new(dial->seat, ADDRESS_UNIX);
    dial->connect.data = dial;
    uv_pipe_connect(&dial->connect, &connection_stream(dial->connection)->pipe, dial->address.path,
                    on_connect);
}

static struct dial *dial_new(struct seat *seat, uint32_t number)
{
    struct dial *dial = calloc(1, sizeof *dial);
    ensure(dial != NULL);
    dial->seat = seat;
    dial->number = number;
    dial->expires_ms = clock_now_ms() + DIAL_WAIT_MS;
    dial->next = seat->dials;
    seat->dials = dial;
    seat->expiring++;
    seat->handles++; /* a dial keeps its seat as a handle does */
    return dial;
}

void door_dial(struct seat *seat, uint32_t number, struct span address)
{
    struct dial *dial = dial_new(seat, number);
    seat_wake(seat); /* for its time limit */
    bool known = address_parse(address, seat->root, &dial->address, &dial->complaint);
    if (!known)
        shell_later(seat->shell, fail_later, dial);
    else if (dial->address.kind == ADDRESS_TCP)
        dial_tcp(dial);
    else
        dial_unix(dial);
}

/* ---- giving up ---- */

/* Its requests end with UV_ECANCELED, and the last of them frees it. */
static void give_up(struct dial *dial, const char *reason)
{
    tell_failure(dial, reason);
    if (dial->connection)
        connection_discard(dial->connection);
    else if (dial->lookup.data)
        uv_cancel((uv_req_t *)&dial->lookup);
}

void dials_expire(struct seat *seat, int64_t now_ms)
{
    struct dial *dial = seat->dials;
    while (dial) {
        struct dial *next = dial->next;
        if (dial->expires_ms <= now_ms) give_up(dial, "no answer within 10 seconds");
        dial = next;
    }
}

void dials_cancel(struct seat *seat)
{
    while (seat->dials) give_up(seat->dials, "the node is stopping");
}
