/* Moonpost in the peers' benchmark: a client that speaks PROTOCOL.md over TCP and shares nothing
 * with the runtime.
 *
 *   setup    waits until the node answers
 *   produce  sends at least once, with up to --window messages that are not yet `stored`; with
 *            --fanout at most once, held back by the shared counter of --flow only
 *   consume  tells the agent of agents/queue.lua to begin, waits until it has handled --n messages
 * and reports what it counted. The last ack is accepted when a message that was sent after all
 *            others is `handled`: commits keep their order.
 */
#include "bench.h"
#include "counter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    FRAME_HELLO = 1,
    FRAME_WELCOME = 2,
    FRAME_DATA = 5,
    FRAME_RECEIPT = 6,
    FRAME_CREDIT = 7,
    FRAME_PING = 8,
    FRAME_PONG = 9,
    FRAME_BYE = 10,
    DATA_FIXED = 88,
    ID_BYTES = 8,
    ORIGIN_BYTES = 18,
    OUT_BYTES = 1 << 16, /* what leaves with one call */
    IN_BYTES = 1 << 18,
    LEVEL_SENT = 1,
    LEVEL_STORED = 2,
    LEVEL_HANDLED = 3,
    RECEIPT_NACK = 1,
    RETRY_MS = 20, /* a refusal that costs time: how long until the next try */
};

struct receipt {
    uint8_t flags, code, level;
    uint64_t first, last;
    char reason[128];
};

struct session {
    int fd;
    uint8_t *in, *out;
    size_t in_at, in_end, out_used;
    uint64_t credit, sent; /* data frames, since the link came up */
    uint8_t origin[ORIGIN_BYTES];
    char name[32];
    uint64_t lane;
};

/* What all messages of a producer have in common; numbers, time and body are written into it. */
struct template
{
    uint8_t *frame;
    size_t size, id_at, body_at;
};

/* ---- numbers ---- */

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static void put32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}

static void put64(uint8_t *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, 8);
}

/* ---- bytes ---- */

static void flush_out(struct session *session)
{
    for (size_t off = 0; off < session->out_used;) {
        ssize_t size = write(session->fd, session->out + off, session->out_used - off);
        if (size < 0 && errno != EINTR) die("write: %s", strerror(errno));
        if (size > 0) off += (size_t)size;
    }
    session->out_used = 0;
}

/* Room for `size` bytes that the caller fills at once. */
static uint8_t *out(struct session *session, size_t size)
{
    if (session->out_used + size > OUT_BYTES) flush_out(session);
    if (size > OUT_BYTES) die("a frame of %zu bytes is too large", size);
    uint8_t *at = session->out + session->out_used;
    session->out_used += size;
    return at;
}

/* Wait for more bytes. */
static void fill(struct session *session)
{
    if (session->in_at > 0) {
        memmove(session->in, session->in + session->in_at, session->in_end - session->in_at);
        session->in_end -= session->in_at;
        session->in_at = 0;
    }
    ssize_t size = read(session->fd, session->in + session->in_end, IN_BYTES - session->in_end);
    if (size <= 0) die("the node closed the connection: %s", size < 0 ? strerror(errno) : "end");
    session->in_end += (size_t)size;
}

/* A whole frame's type, payload and size; 0: more bytes are needed. */
static uint8_t next_frame(struct session *session, const uint8_t **payload, size_t *size)
{
    const uint8_t *at = session->in + session->in_at;
    size_t there = session->in_end - session->in_at;
    if (there < 5 || there < 4 + get(at, 4)) return 0;
    *size = get(at, 4) - 1;
    *payload = at + 5;
    session->in_at += 5 + *size;
    return at[4];
}

/* ---- the session ---- */

static uint8_t *put_text8(uint8_t *at, const void *text, size_t size)
{
    *at++ = (uint8_t)size;
    memcpy(at, text, size);
    return at + size;
}

static void say_hello(struct session *session)
{
    size_t name = strlen(session->name), size = 5 + 2 + 1 + 8 * 3 + 4 + 1 + name + 1 + 16;
    uint8_t *at = out(session, size);
    memset(at, 0, size);
    put32(at, (uint32_t)size - 4);
    at[4] = FRAME_HELLO;
    at[6] = 1;                  /* version */
    at[7] = 2;                  /* a client */
    put64(at + 16, 1);          /* epoch */
    put64(at + 24, UINT64_MAX); /* credit: receipts need none */
    put32(at + 32, 60000);      /* heartbeat */
    at = put_text8(at + 36, session->name, name);
    put_text8(at, session->origin, 16);
    flush_out(session);
}

static void answer_ping(struct session *session, const uint8_t *number)
{
    uint8_t *at = out(session, 13);
    put32(at, 9);
    at[4] = FRAME_PONG;
    memcpy(at + 5, number, 8);
}

/* Frames that are not receipts. */
static void take_other(struct session *session, uint8_t type, const uint8_t *payload, size_t size)
{
    if (type == FRAME_PING) answer_ping(session, payload);
    if (type == FRAME_WELCOME) session->credit = get(payload + 19, 8);
    if (type == FRAME_CREDIT) session->credit = get(payload, 8);
    if (type == FRAME_BYE) die("the node says bye: %.*s", (int)size - 3, (const char *)payload + 3);
}

static void read_receipt(const uint8_t *at, struct receipt *receipt)
{
    *receipt = (struct receipt){.flags = at[0],
                                .code = at[1],
                                .level = at[2],
                                .first = get(at + 18, 8),
                                .last = get(at + 26, 8)};
    const uint8_t *text = at + 42;
    if (!(receipt->flags & RECEIPT_NACK)) return;
    for (int i = 0; i < 5; i++) text += 1 + *text; /* origin, destination, ref, owner, word */
    size_t size = get(text, 2);
    snprintf(receipt->reason, sizeof receipt->reason, "%.*s", (int)size, (const char *)text + 2);
}

/* The next receipt of our lane among the bytes at hand. */
static bool next_receipt(struct session *session, struct receipt *receipt)
{
    const uint8_t *payload;
    size_t size;
    uint8_t type;
    while ((type = next_frame(session, &payload, &size))) {
        if (type != FRAME_RECEIPT)
            take_other(session, type, payload, size);
        else if (get(payload + 10, 8) == session->lane) {
            read_receipt(payload, receipt);
            return true;
        }
    }
    return false;
}

static void wait_receipt(struct session *session, struct receipt *receipt)
{
    flush_out(session);
    while (!next_receipt(session, receipt)) fill(session);
}

/* Let a little time pass and take what comes in it: pings want an answer. */
static void idle(struct session *session)
{
    struct pollfd socket = {.fd = session->fd, .events = POLLIN};
    struct receipt receipt;
    if (poll(&socket, 1, 1) > 0) fill(session);
    while (next_receipt(session, &receipt)) continue;
    flush_out(session);
}

static void wait_credit(struct session *session)
{
    struct receipt receipt;
    flush_out(session);
    while (session->sent >= session->credit) {
        fill(session);
        while (next_receipt(session, &receipt)) continue; /* at most once has none */
    }
}

static int dial_fd(const bench_opts *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    inet_pton(AF_INET, o->host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || connect(fd, (void *)&address, sizeof address))
        die("moonpost connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void session_open(struct session *session, const bench_opts *o)
{
    uint64_t words[3] = {now_ns(), (uint64_t)getpid(), 0};
    *session = (struct session){.fd = dial_fd(o), .in = malloc(IN_BYTES), .out = malloc(OUT_BYTES)};
    if (!session->in || !session->out) die("out of memory");
    memcpy(session->origin, words, ORIGIN_BYTES);
    session->lane = words[0] * 0x9e3779b97f4a7c15ull | 1;
    snprintf(session->name, sizeof session->name, "bench-%s-%d", o->verb, (int)getpid());
    say_hello(session);
    struct receipt receipt;
    while (session->credit == 0) {
        fill(session);
        next_receipt(session, &receipt);
    }
}

static void session_close(struct session *session)
{
    uint8_t *at = out(session, 8);
    memset(at, 0, 8);
    put32(at, 4);
    at[4] = FRAME_BYE;
    flush_out(session);
    shutdown(session->fd, SHUT_WR);
    while (recv(session->fd, session->in, IN_BYTES, 0) > 0) continue;
    close(session->fd);
}

/* ---- messages ---- */

static void template_make(struct template *template, const struct session *session, const char *to,
                          uint8_t profile, uint8_t level, uint32_t body)
{
    size_t to_size = strlen(to), from = strlen(session->name);
    template->id_at = DATA_FIXED;
    template->body_at = DATA_FIXED + ID_BYTES + ORIGIN_BYTES + to_size + from;
    template->size = template->body_at + body;
    uint8_t *at = template->frame = calloc(1, template->size);
    if (!at) die("out of memory");
    put32(at, (uint32_t) template->size - 4);
    at[4] = FRAME_DATA;
    at[6] = profile;
    at[7] = level;
    at[11] = 1; /* the first transmission */
    put64(at + 16, session->lane);
    memset(at + 56, 0xff, 8); /* never worthless */
    uint8_t sizes[8] = {ID_BYTES, ORIGIN_BYTES, (uint8_t)to_size, (uint8_t)from};
    memcpy(at + 72, sizes, sizeof sizes);
    put32(at + 84, body);
    uint8_t *names = at + DATA_FIXED + ID_BYTES;
    memcpy(names, session->origin, ORIGIN_BYTES);
    memcpy(names + ORIGIN_BYTES, to, to_size);
    memcpy(names + ORIGIN_BYTES + to_size, session->name, from);
}

/* Eight printable characters of a number. */
static void put_id(uint8_t *at, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = ID_BYTES - 1; i >= 0; i--, number >>= 4) at[i] = (uint8_t)digits[number & 15];
}

/* Copy the template into the output; the caller writes the body there. */
static uint8_t *put_message(struct session *session, const struct template *template,
                            uint64_t number, uint64_t base)
{
    uint8_t *at = out(session, template->size);
    memcpy(at, template->frame, template->body_at);
    put64(at + 24, base ? number : 0); /* without a base: at most once, no numbers */
    put64(at + 32, base);
    put_id(at + template->id_at, number);
    session->sent++;
    return at + template->body_at;
}

/* One message whose receipt is waited for; a node that is not ready yet is asked again. */
static void tell(struct session *session, const char *to, const void *body, size_t size)
{
    struct template template;
    struct receipt receipt;
    template_make(&template, session, to, 1, LEVEL_HANDLED, (uint32_t)size);
    static uint64_t number;
    do {
        number++;
        memcpy(put_message(session, &template, number, number), body, size);
        do wait_receipt(session, &receipt);
        while (receipt.last < number ||
               (!(receipt.flags & RECEIPT_NACK) && receipt.level < LEVEL_HANDLED));
        bool costs_time = receipt.code <= 5 || receipt.code == 50;
        if (receipt.flags & RECEIPT_NACK && !costs_time) die("%s: %s", to, receipt.reason);
        if (receipt.flags & RECEIPT_NACK) nap_us(RETRY_MS * 1000);
    } while (receipt.flags & RECEIPT_NACK);
    free(template.frame);
}

/* ---- produce ---- */

struct window {
    uint64_t sent, confirmed, base; /* base: all below it are confirmed */
    uint64_t *times;                /* of the publish call, by number; 0: confirmed */
    uint64_t mask;
};

static void window_make(struct window *window, uint32_t size)
{
    uint64_t room = 1;
    while (room < size) room *= 2;
    *window = (struct window){.base = 1, .mask = room - 1, .times = calloc(room, sizeof(uint64_t))};
    if (!window->times) die("out of memory");
}

static void confirm(struct window *window, const struct receipt *receipt, uint64_t now)
{
    if (receipt->flags & RECEIPT_NACK) die("refused: code %u: %s", receipt->code, receipt->reason);
    for (uint64_t number = receipt->first; number <= receipt->last; number++) {
        uint64_t *time = &window->times[number & window->mask];
        if (number < window->base || number > window->sent || *time == 0) continue;
        lat_add(now - *time);
        *time = 0;
        bench_st.n = ++window->confirmed;
    }
    while (window->base <= window->sent && window->times[window->base & window->mask] == 0)
        window->base++;
}

static void send_window(struct session *session, const struct template *template,
                        struct window *window, const bench_opts *o)
{
    while (window->sent < o->n && window->sent + 1 - window->base < o->window &&
           session->sent < session->credit) {
        uint64_t number = ++window->sent;
        uint8_t *body = put_message(session, template, number, window->base);
        window->times[number & window->mask] = body_stamp(body, number - 1);
    }
    flush_out(session);
}

/* Wait for bytes and take all that is at hand. */
static void confirm_some(struct session *session, struct window *window)
{
    struct receipt receipt;
    fill(session);
    uint64_t now = now_ns();
    while (next_receipt(session, &receipt)) confirm(window, &receipt, now);
}

static void produce(struct session *session, const bench_opts *o, const char *to)
{
    struct template template;
    struct window window;
    template_make(&template, session, to, 1, LEVEL_STORED, o->size);
    body_fill(template.frame + template.body_at, o->size);
    window_make(&window, o->window);
    bench_st.t0 = now_ns();
    while (window.confirmed < o->n) {
        send_window(session, &template, &window, o);
        confirm_some(session, &window);
    }
    bench_st.t1 = now_ns();
}

static void wait_flow(struct session *session, bench_flow *flow, uint64_t sent)
{
    if (!flow_full(flow, sent, FLOW_WINDOW)) return;
    flush_out(session);
    while (flow_full(flow, sent, FLOW_WINDOW)) nap_us(50);
}

static void produce_at_most_once(struct session *session, const bench_opts *o, const char *to)
{
    struct template template;
    bench_flow *flow = flow_map(o);
    template_make(&template, session, to, 0, LEVEL_SENT, o->size);
    body_fill(template.frame + template.body_at, o->size);
    bench_st.t0 = now_ns();
    for (uint64_t i = 0; i < o->n; i++) {
        wait_flow(session, flow, i);
        if (session->sent >= session->credit) wait_credit(session);
        body_stamp(put_message(session, &template, i + 1, 0), i);
        bench_st.n++;
    }
    flush_out(session);
    bench_st.t1 = now_ns();
    if (flow) atomic_store(&flow->done, 1);
}

/* ---- consume ---- */

/* "begin" and what the agent's counter needs: a file of shared memory that goes with this process.
 */
static struct counter *counter_share(struct session *session, const bench_opts *o, const char *to)
{
    size_t size = counter_size(o->n);
    int fd = memfd_create("moonpost-bench", 0);
    if (fd < 0 || ftruncate(fd, (off_t)size)) die("shared memory: %s", strerror(errno));
    struct counter *counter = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED) die("mmap: %s", strerror(errno));
    memset(counter, 0, size); /* fault in now */
    counter->n = o->n;
    counter->body_size = o->size;
    char words[512];
    int used = snprintf(words, sizeof words, "begin /proc/%d/fd/%d %s", (int)getpid(), fd,
                        o->flow ? o->flow : "");
    tell(session, to, words, (size_t)used);
    return counter;
}

static void counter_report(const struct counter *counter, const bench_opts *o)
{
    const uint64_t *latencies = counter_latencies(counter);
    for (uint64_t i = 0; i < counter->handled && i < o->n; i++) lat_add(latencies[i]);
    bench_st.n = counter->handled;
    bench_st.t0 = counter->first_ns;
    bench_st.dup = counter->duplicates;
    bench_st.bad = counter->bad;
    bench_st.ooo = counter->disordered;
}

static void consume(struct session *session, const bench_opts *o, const char *to,
                    const char *control)
{
    if (o->flow) flow_map(o);
    struct counter *counter = counter_share(session, o, control);
    mark_ready(o);
    while (atomic_load(&counter->handled) < o->n) {
        bench_st.n = atomic_load(&counter->handled); /* for a partial result */
        bench_st.t0 = counter->first_ns;
        idle(session);
    }
    if (!o->fanout) tell(session, to, "last", 4);
    bench_st.t1 = o->fanout ? counter->last_ns : now_ns();
    tell(session, control, "end", 3);
    counter_report(counter, o);
}

int main(int argc, char **argv)
{
    bench_opts o = bench_args(argc, argv);
    char to[80], control[80];
    struct session session;
    snprintf(to, sizeof to, "%s@bench", o.queue);
    snprintf(control, sizeof control, "%s-control@bench", o.queue);
    session_open(&session, &o);
    if (!strcmp(o.verb, "setup")) {
        tell(&session, control, "hello", 5);
        session_close(&session);
        return 0;
    }
    if (!strcmp(o.verb, "consume"))
        consume(&session, &o, to, control);
    else if (o.fanout)
        produce_at_most_once(&session, &o, to);
    else
        produce(&session, &o, to);
    session_close(&session);
    result_print();
    return 0;
}
