/* A sender with a ledger: speaks PROTOCOL.md over a Unix socket and shares nothing with the
 * runtime.
 *
 *   sender SOCKET ADDRESS LEDGER FIRST COUNT WINDOW LEVEL SEED BODY
 *
 * Sends COUNT messages with the ids "<m-NUMBER>" from FIRST on, at most WINDOW of them without an
 * answer, with bodies of up to BODY bytes; LEVEL: 2 stored, 3 handled. The ledger gets a line for
 * each: "sent NUMBER" before it leaves, "stored NUMBER", "handled NUMBER" or "refused NUMBER CODE"
 * when its receipt was read. Ends with 0 when all are answered or one was refused and no more can
 * come, and with 3 when the link is lost, with 4
 * when nothing is heard any more. A message whose answer is missing stays unconfirmed. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    HELLO = 1,
    WELCOME = 2,
    DATA = 5,
    RECEIPT = 6,
    CREDIT = 7,
    PING = 8,
    PONG = 9,
    BYE = 10,
    DATA_FIXED = 88,
    ORIGIN_BYTES = 18,
    IN_BYTES = 1 << 20,
    FRAME_BYTES = 1 << 20,
    LOST = 3,
    SILENT = 4,
    SILENT_MS = 20000,
    FINAL = 9, /* state of a message: nothing more will come */
};

static struct {
    int fd, level;
    const char *to;
    FILE *ledger;
    uint64_t first, count, window, lane, random, body;
    uint64_t sent, base, credit; /* base: numbers of the lane below it are closed */
    bool refused;
    uint8_t origin[ORIGIN_BYTES];
    char name[40];
    uint8_t *states; /* by number in the lane */
    uint8_t in[IN_BYTES], frame[FRAME_BYTES];
    size_t in_used;
} sender;

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static void put(uint8_t *at, int bytes, uint64_t value)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) at[i] = (uint8_t)value;
}

static uint64_t chance(void)
{
    sender.random = sender.random * 6364136223846793005ull + 1442695040888963407ull;
    return sender.random >> 33;
}

/* What the ledger has is in the hands of the system, whoever dies. */
static void end(int code)
{
    fflush(sender.ledger);
    _exit(code);
}

static void note(const char *what, uint64_t number)
{
    fprintf(sender.ledger, "%s %llu\n", what, (unsigned long long)(sender.first + number - 1));
}

static void write_all(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = send(sender.fd, bytes, size, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return; /* what was answered is still to be read */
        bytes += written;
        size -= (size_t)written;
    }
}

/* ---- frames that are sent ---- */

static void say(uint8_t type, size_t size)
{
    put(sender.frame, 4, size - 4);
    sender.frame[4] = type;
    write_all(sender.frame, size);
}

static void say_hello(void)
{
    size_t name = strlen(sender.name);
    uint8_t *at = sender.frame;
    memset(at, 0, 128);
    at[6] = 1;
    at[7] = 2;
    put(at + 16, 8, 1);
    put(at + 24, 8, UINT64_MAX);
    put(at + 32, 4, 60000);
    at[36] = (uint8_t)name;
    memcpy(at + 37, sender.name, name);
    at[37 + name] = 16;
    memcpy(at + 38 + name, sender.origin, 16);
    say(HELLO, 38 + name + 16);
}

static size_t put_strings(uint8_t *at, const char *id, size_t body)
{
    const char *texts[4] = {id, (const char *)sender.origin, sender.to, sender.name};
    size_t sizes[4] = {strlen(id), ORIGIN_BYTES, strlen(sender.to), strlen(sender.name)};
    size_t used = DATA_FIXED;
    for (int i = 0; i < 4; i++) {
        at[72 + i] = (uint8_t)sizes[i];
        memcpy(at + used, texts[i], sizes[i]);
        used += sizes[i];
    }
    memset(at + used, 'a' + (int)(body % 26), body);
    return used + body;
}

/* Those that wait for an hour are done with when they are stored (agents/noting.lua). */
static int level_of(uint64_t number)
{
    return (sender.first + number - 1) % 16 == 3 ? 2 : sender.level;
}

static void say_data(uint64_t number)
{
    char id[40];
    uint8_t *at = sender.frame;
    size_t body = chance() % 8 ? chance() % 256 : chance() % sender.body;
    if (body > sender.body) body = sender.body;
    snprintf(id, sizeof id, "<m-%llu>", (unsigned long long)(sender.first + number - 1));
    memset(at, 0, DATA_FIXED);
    at[6] = 1;
    at[7] = (uint8_t)level_of(number);
    at[11] = 1;
    put(at + 16, 8, sender.lane);
    put(at + 24, 8, number);
    put(at + 32, 8, sender.base);
    memset(at + 56, 0xff, 8);
    put(at + 84, 4, body);
    say(DATA, put_strings(at, id, body));
}

/* ---- frames that are read ---- */

static void close_numbers(void)
{
    while (sender.base <= sender.sent && sender.states[sender.base] == FINAL) sender.base++;
}

static void take_answer(uint64_t number, bool nack, int code, int level)
{
    uint8_t *state = &sender.states[number];
    if (number == 0 || number > sender.sent || *state == FINAL) return;
    if (nack)
        fprintf(sender.ledger, "refused %llu %d\n", (unsigned long long)(sender.first + number - 1),
                code);
    if (!nack && level > *state && level < 4) note(level == 2 ? "stored" : "handled", number);
    if (nack) sender.refused = true;
    *state = nack || level >= level_of(number) ? FINAL : (uint8_t)level;
}

static void take_receipt(const uint8_t *at)
{
    if (get(at + 10, 8) != sender.lane) return;
    for (uint64_t number = get(at + 18, 8); number <= get(at + 26, 8); number++)
        take_answer(number, at[0] & 1, at[1], at[2]);
    close_numbers();
}

static void take_frame(uint8_t type, const uint8_t *payload)
{
    if (type == WELCOME) sender.credit = get(payload + 19, 8);
    if (type == CREDIT) sender.credit = get(payload, 8);
    if (type == RECEIPT) take_receipt(payload);
    if (type == BYE) end(LOST);
    if (type != PING) return;
    memcpy(sender.frame + 5, payload, 8);
    say(PONG, 13);
}

static void take_bytes(void)
{
    struct pollfd socket = {.fd = sender.fd, .events = POLLIN};
    if (poll(&socket, 1, SILENT_MS) == 0) end(SILENT);
    ssize_t size = read(sender.fd, sender.in + sender.in_used, IN_BYTES - sender.in_used);
    if (size <= 0 && errno != EINTR) end(LOST);
    if (size > 0) sender.in_used += (size_t)size;
    size_t at = 0;
    while (sender.in_used - at >= 5 && sender.in_used - at >= 4 + get(sender.in + at, 4)) {
        take_frame(sender.in[at + 4], sender.in + at + 5);
        at += 4 + get(sender.in + at, 4);
    }
    memmove(sender.in, sender.in + at, sender.in_used - at);
    sender.in_used -= at;
    fflush(sender.ledger);
}

/* ---- all of it ---- */

static void dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    sender.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(sender.fd, (struct sockaddr *)&address, sizeof address) != 0) end(LOST);
    say_hello();
    while (sender.credit == 0) take_bytes();
}

static bool may_send(void)
{
    return sender.sent < sender.count && sender.sent + 1 - sender.base < sender.window &&
           sender.sent < sender.credit && !sender.refused;
}

static void send_some(void)
{
    uint64_t first = sender.sent + 1;
    while (may_send()) {
        note("sent", ++sender.sent);
        if (sender.sent - first >= 64) break;
    }
    fflush(sender.ledger);
    for (uint64_t number = first; number <= sender.sent; number++) say_data(number);
}

static void choose_names(uint64_t seed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t words[3] = {(uint64_t)now.tv_nsec, (uint64_t)getpid(), 0};
    memcpy(sender.origin, words, ORIGIN_BYTES);
    sender.random = seed;
    sender.lane = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15ull | 1;
    snprintf(sender.name, sizeof sender.name, "sender-%d-%ld", (int)getpid(), now.tv_nsec);
}

static uint64_t number_of(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc != 10 || !(sender.ledger = fopen(argv[3], "a"))) {
        fprintf(stderr, "sender SOCKET ADDRESS LEDGER FIRST COUNT WINDOW LEVEL SEED BODY\n");
        return 2;
    }
    sender.to = argv[2];
    sender.first = number_of(argv[4]);
    sender.count = number_of(argv[5]);
    sender.window = number_of(argv[6]);
    sender.level = atoi(argv[7]);
    sender.body = number_of(argv[9]);
    sender.base = 1;
    sender.states = calloc(sender.count + 1, 1);
    choose_names(number_of(argv[8]));
    dial(argv[1]);
    while (sender.base <= sender.sent || (sender.sent < sender.count && !sender.refused)) {
        send_some();
        take_bytes();
    }
    end(0);
}
