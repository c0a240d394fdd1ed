/* A play of frames and events, legal and illegal, against a live engine: peers that connect, greet,
 * attach, send, answer and vanish; programs that send and wait; handlers that end in every way; a
 * store that takes its time; timers; a process that is killed and starts again. What must hold all
 * the while is told in shell.h, and by the engine's own invariants. */
#include "core/ensure.h"
#include "core/queue.h"
#include "shell.h"
#include "tape.h"

enum {
    NAMES = 4,     /* of peers; the last one is the node's own */
    LANES = 2,     /* lane epochs of a peer */
    ADDRESSES = 8, /* the first AGENTS are served here at times */
    SPLIT_EVERY = 4,
    BENT_EVERY = 8, /* a frame of so many has a wrong byte */
    KILL_AFTER = 3, /* lives of one play */
    FLOOD = 40,     /* messages, times 1 to 4 */
};

static const char *const addresses[ADDRESSES] = {"a@x", "b@x",  "c@x",   "r@y",
                                                 "s@y", "tt@y", "$node", "$x@y"};
static const char *const names[NAMES] = {"alpha", "beta", "gamma", "node"};

struct play {
    struct shell shell;
    struct tape tape;
    uint64_t seq[NAMES][ADDRESSES][LANES]; /* the highest number of a peer's lane, and its base */
    uint64_t base[NAMES][ADDRESSES][LANES];
    uint64_t claimed[NAMES][ADDRESSES][LANES]; /* the highest base that was said of the lane */
    uint8_t name_of[CONNECTIONS];              /* who the peer says it is */
    struct retry_policy policy;
    struct buffer out, headers;
    uint64_t tokens;
    int lives;
};

/* ---- what scripts would say ---- */

static enum policy_answer ask_retry(void *user, uint32_t script, const struct failure *failure,
                                    struct retry_answer *answer)
{
    (void)user;
    if (script == 3) return POLICY_DEFAULT;
    answer->give_up = failure->attempt > script;
    answer->delay_ms = failure->attempt == 1 ? -1 : script == 2 ? INT64_MAX : 7;
    answer->reason = span_text(script == 1 ? "the script has had enough" : "");
    return POLICY_ANSWERED;
}

static char last_letter(struct span text)
{
    return text.size > 0 ? text.bytes[text.size - 1] : 0;
}

static enum policy_answer ask_key(void *user, uint32_t agent, const struct message *message,
                                  struct span *key)
{
    (void)user;
    if (agent == 1) return POLICY_DEFAULT;
    *key = message->id;
    return POLICY_ANSWERED;
}

static enum policy_answer ask_dedup(void *user, uint32_t agent, const struct message *message,
                                    struct dedup_answer *answer)
{
    (void)user;
    (void)agent;
    if (last_letter(message->id) == '5') return POLICY_DEFAULT;
    answer->key = span_of(message->body.bytes, message->body.size > 0 ? 1 : 0);
    answer->ttl_ms = -1;
    return POLICY_ANSWERED;
}

static enum policy_answer ask_hook(void *user, enum hook_step step, const struct envelope *envelope,
                                   const struct hop *hop, struct hook_answer *answer)
{
    (void)user;
    (void)hop;
    char letter = last_letter(envelope->message ? envelope->message->id : envelope->ref);
    answer->drop = letter == '7' && step != HOOK_STORE;
    answer->drop |= letter == '9' && step == HOOK_STORE;
    answer->reason = span_text("dropped");
    if (!envelope->message || letter != '8') return POLICY_ANSWERED;
    struct message altered = *envelope->message;
    altered.body = span_text("altered");
    answer->altered = message_encode(&altered);
    return POLICY_ANSWERED;
}

static void watch(void *user, bool outgoing, struct span peer, const struct frame *frame,
                  size_t bytes)
{
    (void)user;
    (void)outgoing;
    ensure(peer.size > 0 && bytes > 0 && frame_type_name(frame->type)[0]);
}

/* ---- choices ---- */

static int64_t choose_ms(struct tape *tape)
{
    static const int64_t choices[] = {0,
                                      1,
                                      5,
                                      20,
                                      100,
                                      1000,
                                      5000,
                                      15000,
                                      31000,
                                      60000,
                                      120000,
                                      3600000,
                                      86400000,
                                      7LL * 86400000,
                                      31LL * 86400000,
                                      DURATION_FOREVER};
    return choices[tape_choice(tape, sizeof choices / sizeof choices[0])];
}

/* As scripts may give one: see lua/moonpost/retry.lua. */
static struct retry_policy choose_policy(struct tape *tape)
{
    static const double factors[] = {1, 2, 1000};
    static const double jitters[] = {0, 0.1, 1};
    struct retry_policy policy = {
        .attempts = tape_bit(tape) ? ATTEMPTS_FOREVER : 1 + tape_choice(tape, 5),
        .first_ms = choose_ms(tape),
        .factor = factors[tape_choice(tape, 3)],
        .cap_ms = choose_ms(tape),
        .jitter = jitters[tape_choice(tape, 3)],
        .deadline_ms = choose_ms(tape),
    };
    unsigned growth = tape_choice(tape, 4);
    if (growth == 1) policy.step_ms = choose_ms(tape);
    if (growth == 2) policy.delay_count = 1 + tape_choice(tape, DELAYS_MAX);
    for (uint32_t i = 0; i < policy.delay_count; i++) policy.delays_ms[i] = choose_ms(tape);
    policy.script = growth == 3 ? 1 + tape_choice(tape, 3) : 0;
    policy.whole = policy.script && tape_bit(tape);
    return policy;
}

static struct span choose_address(struct tape *tape)
{
    return span_text(addresses[tape_choice(tape, ADDRESSES)]);
}

static struct span choose_id(struct tape *tape)
{
    static const char ids[] = "id0id1id2id3id4id5id6id7id8id9idaidbidcididdideidf";
    return span_of(ids + 3 * tape_choice(tape, 16), 3);
}

static struct span choose_body(struct tape *tape)
{
    static const char zeros[4096];
    unsigned kind = tape_choice(tape, 16);
    if (kind == 15) return span_of(zeros, sizeof zeros); /* over body_max */
    return tape_span(tape, kind);
}

static void store_id_of(unsigned name, bool other, char *store_id)
{
    memset(store_id, 'a' + (int)name + (other ? 16 : 0), STORE_ID_BYTES);
}

/* ---- what peers say ---- */

static void say_bytes(struct play *play, uint32_t connection, struct span bytes)
{
    struct event event = {.kind = EVENT_BYTES, .connection = connection, .bytes = bytes};
    if (bytes.size > 0 && play->shell.connections[connection].open)
        shell_step(&play->shell, &event);
}

/* What is in `out`: as it is, with a wrong byte, or in two parts. */
static void say(struct play *play, uint32_t connection)
{
    struct tape *tape = &play->tape;
    struct block *bytes = buffer_take(&play->out);
    if (!bytes) return;
    if (tape_choice(tape, BENT_EVERY) == 1)
        bytes->bytes[tape_choice(tape, (unsigned)bytes->size)] = (char)tape_byte(tape);
    size_t part = tape_choice(tape, SPLIT_EVERY) == 1 ? tape_byte(tape) % bytes->size : 0;
    say_bytes(play, connection, span_of(bytes->bytes, part));
    say_bytes(play, connection, span_of(bytes->bytes + part, bytes->size - part));
    block_release(bytes);
}

static void say_hello(struct play *play, uint32_t connection)
{
    char store_id[STORE_ID_BYTES];
    struct tape *tape = &play->tape;
    struct connection *at = &play->shell.connections[connection];
    unsigned name = tape_choice(tape, NAMES);
    store_id_of(name, tape_choice(tape, 4) == 1, store_id);
    struct hello hello = {
        .version = tape_choice(tape, 16) == 1 ? 2 : PROTOCOL_VERSION,
        .role = (uint8_t)tape_choice(tape, 3),
        .epoch = 1 + tape_choice(tape, 3),
        .credit = tape_bit(tape) ? tape_byte(tape) : 8192,
        .heartbeat_ms = 15000,
        .name = span_text(names[name]),
        .store_id = span_of(store_id, sizeof store_id),
    };
    play->name_of[connection] = (uint8_t)name;
    if (hello.credit > at->credit) at->credit = hello.credit;
    frame_write_hello(&play->out, at->dialled ? FRAME_WELCOME : FRAME_HELLO, &hello);
    say(play, connection);
}

static void say_attach(struct play *play, uint32_t connection)
{
    static const uint8_t codes[] = {CODE_NONE, CODE_BUSY, CODE_ADDRESS_TAKEN, CODE_DENIED};
    struct tape *tape = &play->tape;
    enum frame_type type = tape_choice(tape, 3) == 1 ? FRAME_DETACH : FRAME_ATTACH;
    struct attach attach = {
        .flags = tape_choice(tape, 4) == 1 ? ATTACH_CONFIRMED : 0,
        .code = type == FRAME_DETACH ? codes[tape_choice(tape, 4)] : 0,
        .address = choose_address(tape),
    };
    frame_write_attach(&play->out, type, &attach);
    say(play, connection);
}

/* The number of a data frame: the next one, the last one again, an older one, or one far ahead. */
static uint64_t choose_number(struct tape *tape, uint64_t *highest)
{
    switch (tape_choice(tape, 8)) {
    case 1:
    case 5: return *highest > 0 ? *highest : 1;
    case 2: return *highest > 2 ? *highest - tape_choice(tape, 3) : 1;
    case 3: return *highest += 2 + tape_choice(tape, 200);
    case 4: return UINT64_MAX - 1 - tape_byte(tape);
    default: return ++*highest;
    }
}

static uint64_t choose_base(struct tape *tape, uint64_t *base, uint64_t number)
{
    switch (tape_choice(tape, 8)) {
    case 1: return *base = number;
    case 2: return number > 1 ? number - 1 : 1;
    case 3: return tape_byte(tape);
    default: return *base > 0 && *base <= number ? *base : 1;
    }
}

static struct span choose_headers(struct play *play)
{
    struct tape *tape = &play->tape;
    play->headers.used = 0;
    for (unsigned left = tape_choice(tape, 8) / 6; left > 0; left--)
        headers_put(&play->headers, tape_span(tape, 2), tape_span(tape, 3));
    return buffer_span(&play->headers);
}

static void say_data(struct play *play, uint32_t connection)
{
    static const uint8_t profiles[] = {1, 1, 1, 1, 1, 0, 0, 2};
    static const uint8_t flags[] = {0, 0, 0, 0, 0, MESSAGE_OPEN, MESSAGE_ASK, MESSAGE_FAREWELL};
    char origin[STORE_ID_BYTES + 2] = {0};
    struct tape *tape = &play->tape;
    bool other = tape_choice(tape, 8) == 1;
    unsigned name = other ? tape_choice(tape, NAMES) : play->name_of[connection];
    unsigned to = tape_choice(tape, 2 * ADDRESSES) % (ADDRESSES + 3),
             lane = tape_choice(tape, LANES);
    struct span headers = choose_headers(play);
    to = to < ADDRESSES ? to : to - ADDRESSES; /* mostly those that may be served here */
    store_id_of(name, false, origin);
    struct message message = {
        .flags = flags[tape_choice(tape, 8)],
        .profile = profiles[tape_choice(tape, 8)],
        .level = (uint8_t)tape_choice(tape, 4),
        .encoding = ENCODING_RAW,
        .hops = tape_choice(tape, 16) == 1 ? HOPS_MAX : 0,
        .transmission = (uint16_t)(1 + tape_choice(tape, 3)),
        .lane_epoch = 1 + lane,
        .due_ms = tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : 0,
        .remaining_ms = tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : REMAINING_FOREVER,
        .id = choose_id(tape),
        .origin = span_of(origin, sizeof origin),
        .to = span_text(addresses[to]),
        .from = tape_bit(tape) ? span_text(names[name]) : choose_address(tape),
        .key = tape_span(tape, tape_choice(tape, 3)),
        .headers = headers,
        .body = choose_body(tape),
    };
    if (message.profile != AT_MOST_ONCE) {
        message.seq = choose_number(tape, &play->seq[name][to][lane]);
        message.base = choose_base(tape, &play->base[name][to][lane], message.seq);
    }
    uint64_t *claimed = &play->claimed[name][to][lane];
    if (message.base > *claimed) *claimed = message.base;
    play->shell.farewell |= message.flags & MESSAGE_FAREWELL || message.seq < *claimed;
    message_write(&message, &play->out);
    say(play, connection);
}

static void answer_heard(struct play *play, const struct heard *heard, uint32_t connection)
{
    static const uint8_t codes[] = {CODE_NO_ROUTE, CODE_BUSY,     CODE_TIMEOUT, CODE_HANDLER_ERROR,
                                    CODE_REJECTED, CODE_STOPPING, CODE_DEAD,    CODE_OTHER};
    struct tape *tape = &play->tape;
    char origin[STORE_ID_BYTES + 2] = {0};
    memcpy(origin, play->shell.settings.store_id, STORE_ID_BYTES);
    bool nack = tape_choice(tape, 4) == 1;
    struct receipt receipt = {
        .flags = nack ? RECEIPT_NACK : (uint8_t)(tape_bit(tape) ? RECEIPT_DUP : 0),
        .code = nack ? codes[tape_choice(tape, 8)] : CODE_NONE,
        .level = (uint8_t)tape_choice(tape, 5),
        .transmission = (uint16_t)(heard->transmission - (tape_choice(tape, 8) == 1)),
        .lane_epoch = heard->lane_epoch,
        .first = heard->seq,
        .last = heard->seq,
        .retry_after_ms = tape_choice(tape, 4) == 1 ? tape_number(tape, 4) : 0,
        .origin = span_of(origin, sizeof origin),
        .destination = span_of(heard->to, heard->to_size),
        .reason = span_text("because"),
        .result = tape_span(tape, tape_choice(tape, 4)),
    };
    if (tape_choice(tape, 4) == 1) receipt.first -= tape_choice(tape, 4);
    if (tape_choice(tape, 4) == 1) receipt.last += tape_number(tape, 2);
    frame_write_receipt(&play->out, &receipt);
    say(play, connection);
}

static void say_receipt(struct play *play, uint32_t connection)
{
    struct tape *tape = &play->tape;
    unsigned known = play->shell.heard_count < HEARD ? play->shell.heard_count : HEARD;
    if (known > 0) answer_heard(play, &play->shell.heard[tape_choice(tape, known)], connection);
}

/* A receipt for a message of another peer, which this node passes on. */
static void pass_receipt(struct play *play, uint32_t connection)
{
    char origin[STORE_ID_BYTES + 2] = {0};
    struct tape *tape = &play->tape;
    store_id_of(tape_choice(tape, NAMES), false, origin);
    struct receipt receipt = {
        .level = (uint8_t)tape_choice(tape, 5),
        .lane_epoch = 1 + tape_choice(tape, LANES),
        .first = 1 + tape_byte(tape),
        .origin = span_of(origin, sizeof origin),
        .destination = choose_address(tape),
        .ref = choose_id(tape),
    };
    receipt.last = receipt.first + tape_choice(tape, 8);
    frame_write_receipt(&play->out, &receipt);
    say(play, connection);
}

static void say_number(struct play *play, uint32_t connection)
{
    static const enum frame_type types[] = {FRAME_CREDIT, FRAME_PING, FRAME_PONG};
    struct tape *tape = &play->tape;
    struct connection *at = &play->shell.connections[connection];
    enum frame_type type = types[tape_choice(tape, 3)];
    uint64_t number = tape_bit(tape) ? UINT64_MAX : tape_number(tape, 2);
    if (type == FRAME_CREDIT && number > at->credit) at->credit = number;
    frame_write_number(&play->out, type, number);
    say(play, connection);
}

static void say_bye(struct play *play, uint32_t connection)
{
    static const uint8_t codes[] = {CODE_NONE, CODE_BUSY, CODE_FENCED, CODE_NAME_TAKEN};
    struct bye bye = {codes[tape_choice(&play->tape, 4)], span_text("bye")};
    frame_write_bye(&play->out, &bye);
    say(play, connection);
}

static void say_anything(struct play *play, uint32_t connection)
{
    struct tape *tape = &play->tape;
    say_bytes(play, connection, tape_span(tape, tape_choice(tape, 32)));
}

/* ---- connections ---- */

static void connect(struct play *play, uint32_t dial, bool own)
{
    uint32_t number = shell_free_connection(&play->shell);
    bool dialled = dial < DIALS;
    struct event event = {.kind = dialled ? EVENT_CONNECTED : EVENT_ACCEPTED,
                          .dial = dial,
                          .connection = number,
                          .own = own};
    if (number == CONNECTIONS || (dialled && !play->shell.dialing[dial])) return;
    if (dialled) play->shell.dialing[dial] = false;
    play->shell.connections[number] = (struct connection){.open = true, .dialled = dialled};
    shell_step(&play->shell, &event);
}

static void fail_dial(struct play *play)
{
    uint32_t dial = tape_choice(&play->tape, DIALS);
    struct event event = {.kind = EVENT_DIAL_FAILED, .dial = dial, .reason = span_text("refused")};
    if (!play->shell.dialing[dial]) return;
    play->shell.dialing[dial] = false;
    shell_step(&play->shell, &event);
}

static void hang_up(struct play *play, uint32_t connection)
{
    struct event event = {
        .kind = EVENT_CLOSED, .connection = connection, .reason = span_text("gone")};
    if (!play->shell.connections[connection].open) return;
    play->shell.connections[connection].open = false;
    shell_step(&play->shell, &event);
}

static void write_out(struct play *play, uint32_t connection)
{
    struct connection *at = &play->shell.connections[connection];
    size_t size = tape_bit(&play->tape) ? at->unwritten : at->unwritten / 2;
    struct event event = {.kind = EVENT_WRITTEN, .connection = connection, .size = size};
    if (!at->open) return;
    at->unwritten -= size;
    shell_step(&play->shell, &event);
}

/* A peer that does all that is expected of it until its link is up, and serves an address. */
static void link_up(struct play *play)
{
    struct tape *tape = &play->tape;
    uint32_t dial = tape_choice(tape, DIALS + 1), number = shell_free_connection(&play->shell);
    unsigned name = tape_choice(tape, NAMES - 1);
    char store_id[STORE_ID_BYTES];
    store_id_of(name, tape_choice(tape, 4) == 1, store_id);
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .epoch = 1 + tape_choice(tape, 3),
                          .credit = 8192,
                          .name = span_text(names[name]),
                          .store_id = span_of(store_id, sizeof store_id)};
    struct attach attach = {.address = choose_address(tape)};
    connect(play, dial, true);
    if (number == CONNECTIONS || !play->shell.connections[number].open) return;
    play->name_of[number] = (uint8_t)name;
    play->shell.connections[number].credit = hello.credit;
    frame_write_hello(&play->out, dial < DIALS ? FRAME_WELCOME : FRAME_HELLO, &hello);
    frame_write_attach(&play->out, FRAME_ATTACH, &attach);
    struct block *bytes = buffer_take(&play->out);
    say_bytes(play, number, block_span(bytes));
    block_release(bytes);
}

/* ---- programs ---- */

static uint64_t choose_waiter(struct play *play)
{
    unsigned place = tape_choice(&play->tape, WAITERS);
    if (play->shell.waiters[place]) return 0;
    play->shell.waiters[place] = ++play->tokens * WAITERS + place; /* none is used again */
    return play->shell.waiters[place];
}

static struct submit choose_submit(struct play *play)
{
    static const uint8_t profiles[] = {1, 1, 1, PROFILE_DEFAULT, 0, 2};
    struct tape *tape = &play->tape;
    struct submit submit = {
        .message =
            {
                .profile = profiles[tape_choice(tape, 6)],
                .level = (uint8_t)tape_choice(tape, 4),
                .due_ms = tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : 0,
                .remaining_ms =
                    tape_choice(tape, 4) == 1 ? (uint64_t)choose_ms(tape) : REMAINING_FOREVER,
                .id = choose_id(tape),
                .to = choose_address(tape),
                .key = tape_span(tape, tape_choice(tape, 3)),
                .body = choose_body(tape),
            },
        .timeout_ms = tape_bit(tape) ? choose_ms(tape) : 0,
        .fail_fast = tape_choice(tape, 4) == 1,
    };
    if (tape_choice(tape, 4) != 1) return submit;
    play->policy = choose_policy(tape);
    submit.retry = &play->policy;
    return submit;
}

static void submit(struct play *play)
{
    struct submit submit = choose_submit(play);
    struct event event = {.kind = EVENT_SUBMIT, .submit = &submit};
    submit.own = tape_bit(&play->tape);
    submit.waiter = tape_bit(&play->tape) ? choose_waiter(play) : 0;
    shell_step(&play->shell, &event);
}

static void begin_wait(struct play *play)
{
    struct event event = {.kind = EVENT_WAIT, .delay_ms = choose_ms(&play->tape)};
    event.waiter = choose_waiter(play);
    if (event.waiter) shell_step(&play->shell, &event);
}

static void forget(struct play *play)
{
    unsigned place = tape_choice(&play->tape, WAITERS);
    struct event event = {.kind = EVENT_FORGET, .waiter = play->shell.waiters[place]};
    play->shell.waiters[place] = 0;
    shell_step(&play->shell, &event);
}

/* More than a mailbox keeps in memory. */
static void flood(struct play *play)
{
    struct tape *tape = &play->tape;
    struct submit one = choose_submit(play);
    struct event event = {.kind = EVENT_SUBMIT, .submit = &one};
    bool wait = tape_bit(tape);
    for (unsigned left = FLOOD * (1 + tape_choice(tape, 4)); left > 0; left--) {
        one.waiter = wait ? choose_waiter(play) : 0;
        shell_step(&play->shell, &event);
    }
}

/* ---- agents ---- */

static void agent_up(struct play *play, unsigned which)
{
    static const uint8_t profiles[] = {AT_LEAST_ONCE, AT_LEAST_ONCE, AT_MOST_ONCE, EXACTLY_ONCE};
    struct tape *tape = &play->tape;
    struct agent_declaration agent = {
        .agent = which + 1,
        .address = span_text(addresses[which]),
        .concurrency = 1 + tape_choice(tape, 4),
        .timeout_ms = 1 + choose_ms(tape) % 86400000,
        .profile = profiles[tape_choice(tape, 4)],
        .asks_key = tape_bit(tape),
        .dedup = tape_bit(tape) ? DEDUP_KEY : DEDUP_NONE,
        .asks_dedup = tape_bit(tape),
        .dedup_ttl_ms = choose_ms(tape),
        .retry = choose_policy(tape),
    };
    struct event event = {.kind = EVENT_AGENT_UP, .agent = &agent};
    uint32_t *allowed = &play->shell.allowed[which + 1];
    if (agent.concurrency > *allowed) *allowed = agent.concurrency;
    shell_step(&play->shell, &event);
}

/* What the handler sends leaves only when there is room for it. */
static size_t choose_sends(struct play *play, uint64_t delivery, struct submit *sends)
{
    const char *reason;
    size_t count = 0;
    for (unsigned left = tape_choice(&play->tape, 3); left > 0; left--) {
        sends[count] = choose_submit(play);
        sends[count].retry = NULL;
        if (engine_reserve(play->shell.engine, delivery, &sends[count], &reason) == CODE_NONE)
            count++;
    }
    return count;
}

static void outcome(struct play *play)
{
    static const uint8_t codes[] = {CODE_NONE, CODE_HANDLER_ERROR, CODE_OTHER, CODE_BAD_VALUE};
    struct tape *tape = &play->tape;
    struct shell *shell = &play->shell;
    struct submit sends[2];
    struct outcome outcome = {
        .delivery = tape_number(tape, 1),
        .kind = (uint8_t)tape_choice(tape, OUTCOME_SKIP + 1),
        .code = codes[tape_choice(tape, 4)],
        .reason = span_text("so it was"),
        .traceback = span_text("there"),
        .result = tape_span(tape, tape_choice(tape, 8)),
        .delay_ms = tape_bit(tape) ? -1 : choose_ms(tape),
        .sends = sends,
    };
    struct event event = {.kind = EVENT_OUTCOME, .outcome = &outcome};
    if (outcome.code == CODE_OTHER) outcome.word = span_text("MY_WORD");
    if (shell->run_count > 0) {
        size_t which = tape_choice(tape, (unsigned)shell->run_count);
        struct live_run run = shell->runs[which];
        outcome.delivery = run.delivery;
        shell->runs[which] = shell->runs[--shell->run_count];
        shell->at_work[run.agent]--;
    }
    outcome.send_count = choose_sends(play, outcome.delivery, sends);
    shell_step(shell, &event);
}

/* ---- people ---- */

static void remember_letter(void *user, const struct dead_letter *letter)
{
    *(uint64_t *)user = letter->handle;
}

static uint64_t choose_letter(struct play *play)
{
    uint64_t handle = 0;
    struct dead_query query = {.limit = 1 + tape_choice(&play->tape, 4), .until_ms = INT64_MAX};
    if (tape_bit(&play->tape))
        engine_letters(play->shell.engine, &query, remember_letter, &handle);
    else
        engine_dead(play->shell.engine, choose_address(&play->tape), remember_letter, &handle);
    return handle;
}

static uint64_t newest_request(const struct shell *shell)
{
    return shell->request_count > 0 ? shell->requests[(shell->request_count - 1) % REQUESTS] : 0;
}

static void requeue(struct play *play)
{
    struct tape *tape = &play->tape;
    struct requeue requeue = {.letter = choose_letter(play), .has_body = tape_bit(tape)};
    struct event event = {
        .kind = EVENT_REQUEUE, .waiter = newest_request(&play->shell), .requeue = &requeue};
    if (requeue.has_body) requeue.body = choose_body(tape);
    if (tape_bit(tape)) requeue.to = choose_address(tape);
    shell_step(&play->shell, &event);
}

static void hold(struct play *play)
{
    struct event event = {.kind = EVENT_HOLD,
                          .hold = (uint8_t)tape_choice(&play->tape, HOLD_DRAINING + 1),
                          .waiter = newest_request(&play->shell),
                          .address = span_text(addresses[tape_choice(&play->tape, AGENTS)])};
    shell_step(&play->shell, &event);
}

static void remove_letter(struct play *play)
{
    struct event event = {.kind = EVENT_REMOVE,
                          .waiter = newest_request(&play->shell),
                          .letter = choose_letter(play)};
    shell_step(&play->shell, &event);
}

static void administered(struct play *play)
{
    struct administered answer = {.code = tape_choice(&play->tape, 4) == 1 ? CODE_OTHER : CODE_NONE,
                                  .word = span_text("MY_WORD"),
                                  .reason = span_text("said so"),
                                  .result = span_text("{}")};
    struct event event = {.kind = EVENT_ADMINISTERED,
                          .waiter = newest_request(&play->shell),
                          .administered = &answer};
    shell_step(&play->shell, &event);
}

/* A program of the node's own user asks $node. */
static void ask_node(struct play *play)
{
    struct submit submit = {.message = {.id = choose_id(&play->tape),
                                        .to = span_text("$node"),
                                        .profile = AT_LEAST_ONCE,
                                        .remaining_ms = REMAINING_FOREVER,
                                        .level = LEVEL_HANDLED},
                            .own = true};
    struct event event = {.kind = EVENT_SUBMIT, .submit = &submit};
    submit.waiter = choose_waiter(play);
    shell_step(&play->shell, &event);
}

static void see_queue(void *user, const struct queue_view *view)
{
    (void)user;
    ensure(view->address.size > 0);
}

static void see_link(void *user, const struct link_view *view)
{
    (void)user;
    ensure(view->name.size > 0 && view->state);
}

static void see_pending(void *user, const struct pending *pending)
{
    (void)user;
    ensure(pending->state[0]);
}

static void see_attached(void *user, struct span address, struct span link)
{
    (void)user;
    ensure(address.size > 0 && link.size > 0);
}

static void look(struct play *play)
{
    const struct engine *engine = play->shell.engine;
    struct engine_counts counts;
    engine_queues(engine, see_queue, NULL);
    engine_links(engine, see_link, NULL);
    engine_pending(engine, see_pending, NULL);
    engine_attached(engine, 4, see_attached, NULL);
    engine_count(engine, &counts);
    ensure(engine_in_hand(engine) >= play->shell.run_count);
}

/* ---- ends ---- */

static void order(struct play *play, enum event_kind kind)
{
    struct event event = {.kind = kind};
    shell_step(&play->shell, &event);
}

static void kill_and_start(struct play *play)
{
    if (play->lives++ >= KILL_AFTER) return;
    shell_kill(&play->shell, tape_bit(&play->tape));
    play->shell.suspects = tape_choice(&play->tape, 3);
    play->shell.now_ms = 1 + choose_ms(&play->tape) % 86400000;
    play->shell.wall_ms += (int64_t)tape_number(&play->tape, 3) - 0x100000;
    ensure(shell_start(&play->shell) == 0);
}

/* ---- the play ---- */

static void wait_some(struct play *play)
{
    int64_t ms = choose_ms(&play->tape);
    shell_wait(&play->shell, ms < DURATION_FOREVER ? ms : 1000);
}

/* Mostly one that is open. */
static uint32_t choose_connection(struct play *play)
{
    uint32_t number = tape_choice(&play->tape, CONNECTIONS);
    for (uint32_t i = 0; i < CONNECTIONS; i++, number = (number + 1) % CONNECTIONS)
        if (play->shell.connections[number].open) return number;
    return number;
}

static void speak(struct play *play, unsigned what)
{
    uint32_t connection = choose_connection(play);
    static void (*const words[])(struct play *, uint32_t) = {
        say_hello,    say_attach, say_data,     say_data, say_data, say_receipt, say_receipt,
        pass_receipt, say_number, say_anything, say_bye,  hang_up,  write_out,
    };
    words[what % (sizeof words / sizeof words[0])](play, connection);
}

static void live(struct play *play)
{
    struct tape *tape = &play->tape;
    switch (tape_choice(tape, 32)) {
    case 0: link_up(play); return;
    case 1: connect(play, tape_choice(tape, DIALS + 1), tape_bit(tape)); return;
    case 2: fail_dial(play); return;
    case 3:
    case 4: submit(play); return;
    case 5: begin_wait(play); return;
    case 6: forget(play); return;
    case 7: agent_up(play, tape_choice(tape, AGENTS)); return;
    case 8: link_up(play); return;
    case 9:
    case 10:
    case 11: outcome(play); return;
    case 12:
    case 13:
    case 14: shell_commit(&play->shell, tape_choice(tape, 16) == 1); return;
    case 15: shell_load(&play->shell, tape_choice(tape, 8) == 1, tape_choice(tape, 8) == 1); return;
    case 16:
    case 17: wait_some(play); return;
    case 18: ask_node(play); return;
    case 19: requeue(play); return;
    case 20: hold(play); return;
    case 21: administered(play); return;
    case 22: look(play); return;
    case 23:
        if (tape_choice(tape, 8) == 1) order(play, EVENT_DRAIN);
        return;
    case 24:
        if (tape_choice(tape, 8) == 1) order(play, EVENT_STOP);
        return;
    case 25: kill_and_start(play); return;
    case 26: flood(play); return;
    case 27: remove_letter(play); return;
    default: speak(play, tape_byte(tape)); return;
    }
}

static struct engine_settings choose_settings(struct tape *tape, struct link_settings *links)
{
    struct engine_settings settings = {
        .name = span_text("node"),
        .epoch = 1,
        .seed = tape_byte(tape),
        .role = (uint8_t)tape_choice(tape, 3),
        .profile = AT_LEAST_ONCE,
        .level = (uint8_t)tape_choice(tape, 4),
        .strict = tape_choice(tape, 4) == 1,
        .send = choose_policy(tape),
        .handle = retry_default_handle(),
        .window = 1 + tape_choice(tape, 4),
        .outbox_count_max = 1 + tape_choice(tape, 64),
        .outbox_bytes_max = 1 << 16,
        .mailbox_count_max = 1 + 4 * tape_choice(tape, 128),
        .mailbox_bytes_max = 1 << 16,
        .body_max = 1024,
        .heartbeat_ms = 15000,
        .store_facts = tape_choice(tape, 4),
        .links = links,
        .link_count = tape_choice(tape, DIALS + 1),
    };
    store_id_of(NAMES - 1, false, settings.store_id);
    for (size_t i = 0; i < DIALS; i++)
        links[i] = (struct link_settings){.address = span_text(i ? "tcp://b" : "tcp://a"),
                                          .retry = choose_policy(tape),
                                          .stable_for_ms = 10000,
                                          .heartbeat_ms = 15000};
    return settings;
}

static void end(struct play *play)
{
    for (int rounds = 0; play->shell.batch && rounds < 100; rounds++)
        shell_commit(&play->shell, false);
    shell_kill(&play->shell, true);
    ensure(shell_start(&play->shell) == 0);
    shell_close(&play->shell);
    buffer_deinit(&play->out);
    buffer_deinit(&play->headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct policies policies = {
        .retry = ask_retry, .key = ask_key, .dedup = ask_dedup, .hook = ask_hook, .watch = watch};
    struct link_settings links[DIALS];
    struct play play = {.tape = tape_of(bytes, size)};
    struct engine_settings settings = choose_settings(&play.tape, links);
    shell_open(&play.shell, &settings, &policies);
    play.shell.hooked = tape_choice(&play.tape, 4) == 1;
    ensure(shell_start(&play.shell) == 0);
    for (unsigned which = tape_choice(&play.tape, AGENTS + 1); which > 0; which--)
        agent_up(&play, which - 1);
    while (!tape_ended(&play.tape)) live(&play);
    end(&play);
    return 0;
}
