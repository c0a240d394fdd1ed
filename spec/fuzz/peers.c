/* Peers of a play: they connect, greet, attach, send, answer and vanish. */
#include "play.h"

enum {
    SPLIT_EVERY = 4,
    BENT_EVERY = 8, /* a frame of so many has a wrong byte */
};

/* ---- what peers say ---- */

static void say_bytes(struct play *play, uint32_t connection, struct span bytes)
{
    struct event event = {.kind = EVENT_BYTES, .connection = connection, .bytes = bytes};
    if (bytes.size > 0 && play->shell.connections[connection].open)
        shell_step(&play->shell, &event);
}

static bool read_data(struct span bytes, struct message *message)
{
    struct frame frame;
    struct span whole;
    if (frame_split(bytes, SIZE_MAX, &whole) != STATUS_OK || whole.size != bytes.size ||
        frame_decode(whole, &frame) != STATUS_OK || frame.type != FRAME_DATA)
        return false;
    *message = frame.message;
    return true;
}

/* One byte is wrong. What is said of numbers then may let go of others that are in use. */
static void bend(struct play *play, struct block *block)
{
    struct tape *tape = &play->tape;
    struct message before, after;
    struct block *original = block_copy(block_span(block));
    block->bytes[tape_choice(tape, (unsigned)block->size)] = (char)tape_byte(tape);
    if (read_data(block_span(original), &before) && read_data(block_span(block), &after))
        play->shell.farewell |= after.flags & MESSAGE_FAREWELL || after.seq < before.seq ||
                                after.base > before.base || before.lane_epoch != after.lane_epoch ||
                                !span_equal(before.to, after.to) ||
                                !span_equal(before.origin, after.origin);
    block_release(original);
}

/* What is in `out`: as it is, with a wrong byte, or in two parts. */
static void say(struct play *play, uint32_t connection)
{
    struct tape *tape = &play->tape;
    struct block *bytes = buffer_take(&play->out);
    if (!bytes) return;
    if (tape_choice(tape, BENT_EVERY) == 1) bend(play, bytes);
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
        .name = span_text(play_names[name]),
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
        .to = span_text(play_addresses[to]),
        .from = tape_bit(tape) ? span_text(play_names[name]) : choose_address(tape),
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

void play_connect(struct play *play, uint32_t dial, bool own)
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

void play_fail_dial(struct play *play)
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

void play_link_up(struct play *play)
{
    struct tape *tape = &play->tape;
    uint32_t dial = tape_choice(tape, DIALS + 1), number = shell_free_connection(&play->shell);
    unsigned name = tape_choice(tape, NAMES - 1);
    char store_id[STORE_ID_BYTES];
    store_id_of(name, tape_choice(tape, 4) == 1, store_id);
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .epoch = 1 + tape_choice(tape, 3),
                          .credit = 8192,
                          .name = span_text(play_names[name]),
                          .store_id = span_of(store_id, sizeof store_id)};
    struct attach attach = {.address = choose_address(tape)};
    play_connect(play, dial, true);
    if (number == CONNECTIONS || !play->shell.connections[number].open) return;
    play->name_of[number] = (uint8_t)name;
    play->shell.connections[number].credit = hello.credit;
    frame_write_hello(&play->out, dial < DIALS ? FRAME_WELCOME : FRAME_HELLO, &hello);
    frame_write_attach(&play->out, FRAME_ATTACH, &attach);
    struct block *bytes = buffer_take(&play->out);
    say_bytes(play, number, block_span(bytes));
    block_release(bytes);
}

/* ---- all of it ---- */

/* Mostly one that is open. */
static uint32_t choose_connection(struct play *play)
{
    uint32_t number = tape_choice(&play->tape, CONNECTIONS);
    for (uint32_t i = 0; i < CONNECTIONS; i++, number = (number + 1) % CONNECTIONS)
        if (play->shell.connections[number].open) return number;
    return number;
}

void play_speak(struct play *play, unsigned what)
{
    uint32_t connection = choose_connection(play);
    static void (*const words[])(struct play *, uint32_t) = {
        say_hello,    say_attach, say_data,     say_data, say_data, say_receipt, say_receipt,
        pass_receipt, say_number, say_anything, say_bye,  hang_up,  write_out,
    };
    words[what % (sizeof words / sizeof words[0])](play, connection);
}
