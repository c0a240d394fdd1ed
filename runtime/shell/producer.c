/* The load of a benchmark. A message's token is its number: its answer finds its time by it. */
#include "shell/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "core/array.h"
#include "shell/clock.h"
#include "shell/seat.h"

enum { PAUSE_MS = 1 };

struct producer {
    struct shell *shell;
    struct producer_options options;
    struct node *node;
    char *to, *body;
    uint64_t sent, answered, refused;
    int64_t *times_ns; /* by number - 1: of the send, then how long it took */
    int64_t first_ns, last_ns;
    uint64_t *again; /* numbers for which the link had no room: at most once nothing waits for it */
    size_t again_count, again_capacity;
    uv_timer_t pause; /* until they are sent again */
    char reason[256];
    bool over;
    int closing; /* what is not closed yet, once it is to be freed */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- sending ---- */

static void tell_done(void *user)
{
    struct producer *producer = user;
    producer->options.done(producer->options.user);
}

static void end(struct producer *producer)
{
    if (producer->over) return;
    producer->over = true;
    shell_later(producer->shell, tell_done, producer);
}

static void note(struct producer *producer, struct span reason)
{
    if (producer->reason[0]) return;
    snprintf(producer->reason, sizeof producer->reason, "%.*s", SPAN_ARGS(reason));
}

static void send_number(struct producer *producer, uint64_t number)
{
    char id[PRODUCER_NUMBER_BYTES + 1], key[16] = "";
    uint32_t keys = producer->options.keys;
    if (keys > 0) snprintf(key, sizeof key, "%u", (unsigned)(number % keys));
    snprintf(id, sizeof id, "%012llu", (unsigned long long)number);
    memcpy(producer->body, id, PRODUCER_NUMBER_BYTES);
    struct submit submit = {
        .message = {.id = span_of(id, PRODUCER_NUMBER_BYTES),
                    .to = span_text(producer->to),
                    .key = span_text(key),
                    .body = span_of(producer->body, producer->options.size),
                    .encoding = ENCODING_RAW,
                    .profile = producer->options.profile,
                    .level = producer->options.level,
                    .remaining_ms = REMAINING_FOREVER},
        .waiter = number,
    };
    node_post(producer->node, &(struct event){.kind = EVENT_SUBMIT, .submit = &submit});
}

static void send_window(struct producer *producer)
{
    while (producer->sent < producer->options.count &&
           producer->sent - producer->answered < producer->options.window) {
        producer->times_ns[producer->sent++] = now_ns();
        send_number(producer, producer->sent);
    }
}

static void on_pause_over(uv_timer_t *pause)
{
    struct producer *producer = pause->data;
    while (producer->again_count > 0)
        send_number(producer, producer->again[--producer->again_count]);
}

static void send_later(struct producer *producer, uint64_t number)
{
    array_reserve(producer->again, producer->again_count, producer->again_capacity);
    producer->again[producer->again_count++] = number;
    if (!uv_is_active((uv_handle_t *)&producer->pause))
        uv_timer_start(&producer->pause, on_pause_over, PAUSE_MS, 0);
}

/* ---- answers ---- */

static void take_answer(struct producer *producer, uint64_t number, const struct answer *answer)
{
    producer->last_ns = now_ns();
    producer->times_ns[number - 1] = producer->last_ns - producer->times_ns[number - 1];
    producer->answered++;
    if (!answer->ok) {
        producer->refused++;
        note(producer, answer->reason);
    }
    if (producer->answered == producer->options.count)
        end(producer);
    else
        send_window(producer);
}

static bool on_answer(void *user, uint64_t number, const struct answer *answer)
{
    struct producer *producer = user;
    if (number == 0 || number > producer->sent) return false;
    if (answer->code == CODE_BUSY && producer->options.profile == AT_MOST_ONCE)
        send_later(producer, number);
    else
        take_answer(producer, number, answer);
    return true;
}

static void on_ready(void *user, bool ok, enum code code, struct span reason)
{
    (void)code;
    struct producer *producer = user;
    if (producer->over) return;
    if (!ok) {
        note(producer, reason);
        end(producer);
        return;
    }
    producer->first_ns = now_ns();
    send_window(producer);
}

/* ---- what happened ---- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double share_ms(const struct producer *producer, double share)
{
    uint64_t at = (uint64_t)((double)producer->answered * share);
    return (double)producer->times_ns[at < producer->answered ? at : producer->answered - 1] / 1e6;
}

static void look_at_times(struct producer *producer, struct producer_report *report)
{
    qsort(producer->times_ns, producer->answered, sizeof *producer->times_ns, compare);
    report->seconds = (double)(producer->last_ns - producer->first_ns) / 1e9;
    report->p50_ms = share_ms(producer, 0.5);
    report->p90_ms = share_ms(producer, 0.9);
    report->p99_ms = share_ms(producer, 0.99);
    report->max_ms = share_ms(producer, 1);
}

void producer_look(struct producer *producer, struct producer_report *report)
{
    *report = (struct producer_report){
        .sent = producer->sent, .answered = producer->answered, .refused = producer->refused};
    memcpy(report->reason, producer->reason, sizeof report->reason);
    if (producer->over && producer->answered > 0) look_at_times(producer, report);
}

/* ---- life ---- */

static void fill_body(struct producer *producer)
{
    producer->body = malloc(producer->options.size);
    ensure(producer->body != NULL);
    for (uint32_t i = 0; i < producer->options.size; i++) producer->body[i] = (char)('a' + i % 26);
}

static void configure(struct producer *producer)
{
    struct span error;
    const struct settings *defaults;
    enum status status = script_settings_load(node_host(producer->node), NULL, &defaults, &error);
    ensure(status == STATUS_OK);
    struct settings settings = *defaults;
    settings.link_count = 1;
    settings.links[0] = (struct link_settings){.address = producer->options.link,
                                               .retry = retry_default_link(),
                                               .stable_for_ms = 10000,
                                               .heartbeat_ms = 15000};
    settings.link_window = producer->options.window;
    char name[32];
    snprintf(name, sizeof name, "bench-%08x", (unsigned)clock_random());
    node_configure(producer->node, &settings, span_text(name));
    node_observe(producer->node, NULL, on_answer, producer);
}

struct producer *producer_start(struct shell *shell, const struct producer_options *options)
{
    struct producer *producer = calloc(1, sizeof *producer);
    ensure(producer != NULL);
    ensure(options->size >= PRODUCER_NUMBER_BYTES && options->count > 0 && options->window > 0);
    producer->shell = shell;
    producer->options = *options;
    producer->to = strndup(options->to.bytes, options->to.size);
    uv_timer_init(&shell->loop, &producer->pause);
    producer->pause.data = producer;
    producer->times_ns = calloc(options->count, sizeof *producer->times_ns);
    ensure(producer->to != NULL && producer->times_ns != NULL);
    fill_body(producer);
    struct node_options node = {.role = ROLE_CLIENT,
                                .seed = clock_random(),
                                .one_shot = true,
                                .ready = on_ready,
                                .ready_user = producer};
    producer->node = seat_open(shell, ".", &node)->node;
    configure(producer);
    node_start(producer->node);
    return producer;
}

static void close_one(struct producer *producer)
{
    if (--producer->closing > 0) return;
    free(producer->times_ns);
    free(producer->again);
    free(producer->body);
    free(producer->to);
    free(producer);
}

static void on_pause_closed(uv_handle_t *pause)
{
    close_one(pause->data);
}

static void on_node_gone(void *user)
{
    close_one(user);
}

/* The node may still call until it is gone. */
void producer_free(struct producer *producer)
{
    if (!producer) return;
    producer->over = true;
    producer->closing = 2;
    node_observe(producer->node, NULL, NULL, NULL);
    uv_close((uv_handle_t *)&producer->pause, on_pause_closed);
    seat_close(seat_of(producer->shell, producer->node), on_node_gone, producer);
}
