/* The load of a benchmark. A message's token is its number: its answer finds its time by it. */
#include "shell/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "core/array.h"
#include "shell/clock.h"
#include "shell/seat.h"

enum { PAUSE_MS = 1 };

struct load {
    struct shell *shell;
    struct load_options options;
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
    struct load *load = user;
    load->options.done(load->options.user);
}

static void end(struct load *load)
{
    if (load->over) return;
    load->over = true;
    shell_later(load->shell, tell_done, load);
}

static void note(struct load *load, struct span reason)
{
    if (load->reason[0]) return;
    snprintf(load->reason, sizeof load->reason, "%.*s", SPAN_ARGS(reason));
}

static void send_number(struct load *load, uint64_t number)
{
    char id[LOAD_NUMBER_BYTES + 1];
    snprintf(id, sizeof id, "%012llu", (unsigned long long)number);
    memcpy(load->body, id, LOAD_NUMBER_BYTES);
    struct submit submit = {
        .message = {.id = span_of(id, LOAD_NUMBER_BYTES),
                    .to = span_text(load->to),
                    .body = span_of(load->body, load->options.size),
                    .encoding = ENCODING_RAW,
                    .profile = load->options.profile,
                    .level = load->options.level,
                    .remaining_ms = REMAINING_FOREVER},
        .waiter = number,
    };
    node_post(load->node, &(struct event){.kind = EVENT_SUBMIT, .submit = &submit});
}

static void send_window(struct load *load)
{
    while (load->sent < load->options.count && load->sent - load->answered < load->options.window) {
        load->times_ns[load->sent++] = now_ns();
        send_number(load, load->sent);
    }
}

static void on_pause_over(uv_timer_t *pause)
{
    struct load *load = pause->data;
    while (load->again_count > 0) send_number(load, load->again[--load->again_count]);
}

static void send_later(struct load *load, uint64_t number)
{
    array_reserve(load->again, load->again_count, load->again_capacity);
    load->again[load->again_count++] = number;
    if (!uv_is_active((uv_handle_t *)&load->pause))
        uv_timer_start(&load->pause, on_pause_over, PAUSE_MS, 0);
}

/* ---- answers ---- */

static void take_answer(struct load *load, uint64_t number, const struct answer *answer)
{
    load->last_ns = now_ns();
    load->times_ns[number - 1] = load->last_ns - load->times_ns[number - 1];
    load->answered++;
    if (!answer->ok) {
        load->refused++;
        note(load, answer->reason);
    }
    if (load->answered == load->options.count)
        end(load);
    else
        send_window(load);
}

static bool on_answer(void *user, uint64_t number, const struct answer *answer)
{
    struct load *load = user;
    if (number == 0 || number > load->sent) return false;
    if (answer->code == CODE_BUSY && load->options.profile == AT_MOST_ONCE)
        send_later(load, number);
    else
        take_answer(load, number, answer);
    return true;
}

static void on_ready(void *user, bool ok, enum code code, struct span reason)
{
    (void)code;
    struct load *load = user;
    if (load->over) return;
    if (!ok) {
        note(load, reason);
        end(load);
        return;
    }
    load->first_ns = now_ns();
    send_window(load);
}

/* ---- what happened ---- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double share_ms(const struct load *load, double share)
{
    uint64_t at = (uint64_t)((double)load->answered * share);
    return (double)load->times_ns[at < load->answered ? at : load->answered - 1] / 1e6;
}

static void look_at_times(struct load *load, struct load_report *report)
{
    qsort(load->times_ns, load->answered, sizeof *load->times_ns, compare);
    report->seconds = (double)(load->last_ns - load->first_ns) / 1e9;
    report->p50_ms = share_ms(load, 0.5);
    report->p90_ms = share_ms(load, 0.9);
    report->p99_ms = share_ms(load, 0.99);
    report->max_ms = share_ms(load, 1);
}

void load_look(struct load *load, struct load_report *report)
{
    *report = (struct load_report){
        .sent = load->sent, .answered = load->answered, .refused = load->refused};
    memcpy(report->reason, load->reason, sizeof report->reason);
    if (load->over && load->answered > 0) look_at_times(load, report);
}

/* ---- life ---- */

static void fill_body(struct load *load)
{
    load->body = malloc(load->options.size);
    ensure(load->body != NULL);
    for (uint32_t i = 0; i < load->options.size; i++) load->body[i] = (char)('a' + i % 26);
}

static void configure(struct load *load)
{
    struct span error;
    const struct settings *defaults;
    enum status status = script_settings_load(node_host(load->node), NULL, &defaults, &error);
    ensure(status == STATUS_OK);
    struct settings settings = *defaults;
    settings.link_count = 1;
    settings.links[0] = (struct link_settings){.address = load->options.link,
                                               .retry = retry_default_link(),
                                               .stable_for_ms = 10000,
                                               .heartbeat_ms = 15000};
    settings.link_window = load->options.window;
    char name[32];
    snprintf(name, sizeof name, "bench-%08x", (unsigned)clock_random());
    node_configure(load->node, &settings, span_text(name));
    node_observe(load->node, NULL, on_answer, load);
}

struct load *load_start(struct shell *shell, const struct load_options *options)
{
    struct load *load = calloc(1, sizeof *load);
    ensure(load != NULL);
    ensure(options->size >= LOAD_NUMBER_BYTES && options->count > 0 && options->window > 0);
    load->shell = shell;
    load->options = *options;
    load->to = strndup(options->to.bytes, options->to.size);
    uv_timer_init(&shell->loop, &load->pause);
    load->pause.data = load;
    load->times_ns = calloc(options->count, sizeof *load->times_ns);
    ensure(load->to != NULL && load->times_ns != NULL);
    fill_body(load);
    struct node_options node = {.role = ROLE_CLIENT,
                                .seed = clock_random(),
                                .one_shot = true,
                                .ready = on_ready,
                                .ready_user = load};
    load->node = seat_open(shell, ".", &node)->node;
    configure(load);
    node_start(load->node);
    return load;
}

static void close_one(struct load *load)
{
    if (--load->closing > 0) return;
    free(load->times_ns);
    free(load->again);
    free(load->body);
    free(load->to);
    free(load);
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
void load_free(struct load *load)
{
    if (!load) return;
    load->over = true;
    load->closing = 2;
    node_observe(load->node, NULL, NULL, NULL);
    uv_close((uv_handle_t *)&load->pause, on_pause_closed);
    seat_close(seat_of(load->shell, load->node), on_node_gone, load);
}
