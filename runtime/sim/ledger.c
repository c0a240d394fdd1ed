/* The ledger. A message has a sheet, and on it an account with each node that has had it:
 *
 *   accepted  copies taken into its mailbox        STORED
 *   settled   copies that came to an end there     HANDLED, DEAD, EXPIRED, DROPPED
 *   in hand   deliveries that have not ended       DELIVERED until any of these or RETRYING,
 * DEFERRED
 *
 * A delivery needs a copy that is open and in nobody's hand, has the number of attempts that came
 * before it, and does not begin before it is due, nor beside or before another that it is to
 * follow. Receipts must name what is durable somewhere. What is sent exactly once is handled once
 * by all nodes together. */
#include "sim/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include "core/array.h"
#include "core/frame.h"
#include "core/map.h"

struct tally {
    uint32_t accepted, settled;
    uint32_t failures; /* attempts that failed, of the one copy there was */
    uint32_t times_handled;
    int64_t due_ms;
    bool handled, dead, expired, dropped, duplicate;
};

/* What one node has to do with one message. */
struct account {
    struct account *next;      /* of the sheet */
    struct account *next_here; /* of the book */
    struct sheet *sheet;
    struct book *book;
    struct tally now, durable;
    bool recognised;    /* its agent recognises duplicates by their id */
    bool notice;        /* of a dead letter: two copies that die have one each, of one id */
    int64_t expires_ms; /* the last copy; 0: never */
    uint32_t in_hand;
    uint32_t deliveries;         /* ever */
    uint64_t lane_epoch, number; /* under which it was sent last */
    bool sent;                   /* by this node, stored first */
    bool told_stored;            /* it heard `stored`, and waits for more */
    struct peer *sent_to;        /* by this node, last ... */
    uint32_t sent_over;          /* ... when its links had died so often */
    uint64_t line;               /* of messages that follow each other; 0: none */
    uint64_t place;              /* in it: when it came; 0: where is not known */
    uint32_t deaths;             /* of the process, when its attempts were last known */
};

struct sheet {
    struct sheet *next; /* oldest first */
    char *id;
    uint8_t profile, level;
    bool known;                                     /* profile and level are */
    bool stored, handled, dead, expired, duplicate; /* durably, somewhere, once */
    bool confirmed;    /* somebody was told that it is stored, or more */
    bool ended;        /* its sender has had its last word */
    bool excused;      /* it was in a store that is gone */
    bool damaged;      /* ... or in one in which a bit flipped */
    bool at_most_once; /* its agent settles it before its handler begins */
    struct account *accounts;
};

enum note_kind { NOTE_ACCEPTED, NOTE_SETTLED, NOTE_FAILED, NOTE_DEFERRED, NOTE_REQUEUED };

struct note {
    struct account *account;
    enum note_kind kind;
    enum fact_kind fact;
    uint32_t failures;
    int64_t due_ms;
};

/* How often the links to a peer died. */
struct peer {
    struct peer *next;
    char *name;
    uint32_t deaths;
};

struct book {
    struct book *next;
    struct ledger *ledger;
    const char *name;
    bool durable;
    struct account *accounts;
    struct note *notes;
    size_t note_count, note_capacity, sealed;
    struct peer *peers;
    uint32_t deaths; /* of the process */
    struct ledger_agent (*look)(void *user, struct span address);
    void *user;
    uint64_t places;    /* in lines, ever */
    struct span nacked; /* the message whose sender was just told no, as its sheet has it */
};

struct ledger {
    struct map sheets;
    struct sheet *first, **tail;
    struct book *books;
    bool jumped;
    char *broken;
};

/* ---- life ---- */

struct ledger *ledger_new(void)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    ensure(ledger != NULL);
    ledger->tail = &ledger->first;
    return ledger;
}

static void sheet_free(struct sheet *sheet)
{
    while (sheet->accounts) {
        struct account *next = sheet->accounts->next;
        free(sheet->accounts);
        sheet->accounts = next;
    }
    free(sheet->id);
    free(sheet);
}

static void book_free(struct book *book)
{
    while (book->peers) {
        struct peer *next = book->peers->next;
        free(book->peers->name);
        free(book->peers);
        book->peers = next;
    }
    free(book->notes);
    free(book);
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger) return;
    while (ledger->first) {
        struct sheet *next = ledger->first->next;
        sheet_free(ledger->first);
        ledger->first = next;
    }
    while (ledger->books) {
        struct book *next = ledger->books->next;
        book_free(ledger->books);
        ledger->books = next;
    }
    map_deinit(&ledger->sheets);
    free(ledger->broken);
    free(ledger);
}

struct book *ledger_book(struct ledger *ledger, const char *name)
{
    struct book *book = calloc(1, sizeof *book);
    ensure(book != NULL);
    book->ledger = ledger;
    book->name = name;
    book->next = ledger->books;
    return ledger->books = book;
}

void ledger_ask(struct book *book, struct ledger_agent (*look)(void *user, struct span address),
                void *user)
{
    book->look = look;
    book->user = user;
}

void ledger_begins(struct book *book, bool durable)
{
    book->durable = durable;
}

void ledger_break(struct ledger *ledger, int64_t now_ms, const char *format, ...)
{
    char text[512], all[600];
    va_list arguments;
    if (ledger->broken) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(all, sizeof all, "at %.3f s: %s", (double)now_ms / 1000, text);
    ledger->broken = strdup(all);
}

const char *ledger_broken(const struct ledger *ledger)
{
    return ledger->broken;
}

bool ledger_handled(const struct ledger *ledger, struct span id)
{
    const struct sheet *sheet = map_find(&ledger->sheets, id);
    return sheet && sheet->handled;
}

/* ---- sheets and accounts ---- */

static struct sheet *sheet_of(struct ledger *ledger, struct span id)
{
    struct sheet *sheet = map_find_again(&ledger->sheets, id);
    if (sheet) return sheet;
    sheet = calloc(1, sizeof *sheet);
    ensure(sheet != NULL);
    sheet->id = strndup(id.bytes, id.size);
    ensure(sheet->id != NULL);
    map_add(&ledger->sheets, span_text(sheet->id), sheet);
    *ledger->tail = sheet;
    ledger->tail = &sheet->next;
    return sheet;
}

static struct account *account_of(struct book *book, struct sheet *sheet)
{
    for (struct account *at = sheet->accounts; at; at = at->next)
        if (at->book == book) return at;
    struct account *account = calloc(1, sizeof *account);
    ensure(account != NULL);
    account->sheet = sheet;
    account->book = book;
    account->next = sheet->accounts;
    sheet->accounts = account;
    account->next_here = book->accounts;
    return book->accounts = account;
}

static void describe(struct sheet *sheet, const struct block *block)
{
    if (sheet->known || !block) return;
    struct message message = message_of(block);
    sheet->profile = message.profile;
    sheet->level = message.level;
    sheet->known = true;
}

/* ---- notes ---- */

static void settle(struct tally *tally, enum fact_kind fact)
{
    tally->duplicate |= fact == FACT_DUPLICATE; /* of which copy is not said */
    if (fact == FACT_DUPLICATE) return;
    tally->settled++;
    tally->handled |= fact == FACT_HANDLED;
    tally->times_handled += fact == FACT_HANDLED;
    tally->dead |= fact == FACT_DEAD;
    tally->expired |= fact == FACT_EXPIRED;
    tally->dropped |= fact == FACT_DROPPED || fact == FACT_PURGED;
    tally->failures = 0;
    tally->due_ms = 0;
}

static void apply(struct tally *tally, const struct note *note)
{
    switch (note->kind) {
    case NOTE_ACCEPTED: tally->accepted++; break;
    case NOTE_SETTLED: settle(tally, note->fact); break;
    case NOTE_FAILED:
        tally->failures = note->failures;
        tally->due_ms = note->due_ms;
        break;
    case NOTE_DEFERRED: tally->due_ms = note->due_ms; break;
    case NOTE_REQUEUED:
        tally->settled--;
        tally->failures = 0;
        tally->due_ms = 0;
        break;
    }
}

static uint32_t times_handled(const struct sheet *sheet)
{
    uint32_t times = 0;
    for (const struct account *at = sheet->accounts; at; at = at->next)
        times += at->durable.times_handled;
    return times;
}

static void check_once(struct ledger *ledger, const struct sheet *sheet)
{
    uint32_t times = times_handled(sheet);
    if (sheet->profile != EXACTLY_ONCE || sheet->excused || times <= 1) return;
    if (times == 2)
        ledger_break(ledger, 0, "%s, exactly once, was handled twice", sheet->id);
    else
        ledger_break(ledger, 0, "%s, exactly once, was handled %u times", sheet->id, times);
}

static bool is_handled_again(const struct account *account)
{
    const struct tally *durable = &account->durable;
    return account->recognised &&
           durable->times_handled > (account->notice ? durable->accepted : 1);
}

static void apply_durably(const struct note *note)
{
    struct account *account = note->account;
    struct sheet *sheet = account->sheet;
    apply(&account->durable, note);
    if (is_handled_again(account) && !sheet->excused)
        ledger_break(account->book->ledger, 0,
                     "%s was handled twice on %s, which has a dedup policy", sheet->id,
                     account->book->name);
    check_once(account->book->ledger, sheet);
    sheet->stored |= account->durable.accepted > 0;
    sheet->handled |= account->durable.handled;
    sheet->dead |= account->durable.dead;
    sheet->expired |= account->durable.expired || account->durable.dropped;
    sheet->duplicate |= account->durable.duplicate;
}

static void take_note(const struct note *note)
{
    struct book *book = note->account->book;
    apply(&note->account->now, note);
    if (!book->durable) {
        apply_durably(note);
        return;
    }
    array_reserve(book->notes, book->note_count, book->note_capacity);
    book->notes[book->note_count++] = *note;
}

void ledger_sealed(struct book *book)
{
    book->sealed = book->note_count;
}

void ledger_durable(struct book *book)
{
    if (book->sealed == 0) return;
    for (size_t i = 0; i < book->sealed; i++) apply_durably(&book->notes[i]);
    book->note_count -= book->sealed;
    memmove(book->notes, book->notes + book->sealed, book->note_count * sizeof *book->notes);
    book->sealed = 0;
}

/* A store in memory is gone, and with it what was confirmed. */
static void forget(struct account *account)
{
    if (account->now.accepted > 0 || account->sent) account->sheet->excused = true;
    account->durable = (struct tally){.accepted = 0};
}

void ledger_died(struct book *book, bool kept)
{
    if (kept) ledger_durable(book);
    book->note_count = book->sealed = 0;
    for (struct account *at = book->accounts; at; at = at->next_here) {
        if (!book->durable) forget(at);
        at->now = at->durable;
        at->in_hand = 0;
        at->told_stored = false;
    }
    for (struct peer *peer = book->peers; peer; peer = peer->next) peer->deaths++;
    book->deaths++;
}

void ledger_clocks_jumped(struct ledger *ledger)
{
    ledger->jumped = true;
}

void ledger_damaged(struct book *book)
{
    for (struct account *at = book->accounts; at; at = at->next_here)
        at->sheet->excused = at->sheet->damaged = true;
    book->ledger->jumped = true;
}

/* ---- deliveries ---- */

static bool has_one_copy(const struct account *account)
{
    return account->now.accepted == 1 && account->durable.accepted <= 1;
}

/* A death may be charged durably by a start that dies before it tells: then the next attempt is
 * what tells. */
static void take_untold_charges(struct account *account, uint32_t attempt)
{
    uint32_t untold = account->book->deaths - account->deaths;
    uint32_t failures = account->now.failures;
    if (attempt > failures + 1 && attempt - 1 - failures <= untold)
        account->now.failures = account->durable.failures = attempt - 1;
    account->deaths = account->book->deaths;
}

static void check_attempt(struct account *account, int64_t now_ms, const struct fact *fact)
{
    struct ledger *ledger = account->book->ledger;
    const char *id = account->sheet->id, *node = account->book->name;
    if (!has_one_copy(account)) return;
    take_untold_charges(account, fact->attempt);
    if (fact->attempt != account->now.failures + 1)
        ledger_break(ledger, now_ms, "%s on %s is handed over as attempt %u, and %u had failed", id,
                     node, fact->attempt, account->now.failures);
    if (account->expires_ms > 0 && now_ms >= account->expires_ms && !ledger->jumped)
        ledger_break(ledger, now_ms, "%s on %s is handed over after it expired", id, node);
    if (now_ms < account->now.due_ms && !ledger->jumped)
        ledger_break(ledger, now_ms, "%s on %s is handed over %lld ms before it is due", id, node,
                     (long long)(account->now.due_ms - now_ms));
}

/* What is in hand, or came earlier and has not ended, holds its line. */
static bool holds_line(const struct account *other, const struct account *account)
{
    if (other == account || other->line != account->line) return false;
    if (other->in_hand > 0) return true;
    bool earlier = other->place > 0 && other->place < account->place;
    return earlier && other->now.accepted > other->now.settled;
}

static void check_line(const struct account *account, int64_t now_ms)
{
    const struct book *book = account->book;
    if (account->line == 0 || account->sheet->excused) return;
    for (const struct account *at = book->accounts; at; at = at->next_here)
        if (holds_line(at, account) && !at->sheet->excused)
            ledger_break(book->ledger, now_ms, "%s on %s is handed over %s %s, which it follows",
                         account->sheet->id, book->name, at->in_hand > 0 ? "beside" : "before",
                         at->sheet->id);
}

static void delivered(struct account *account, int64_t now_ms, const struct fact *fact)
{
    struct ledger *ledger = account->book->ledger;
    struct sheet *sheet = account->sheet;
    const struct tally *now = &account->now;
    account->deliveries++;
    if (sheet->excused) return;
    if (sheet->known && sheet->profile == AT_MOST_ONCE) {
        if (account->deliveries > 1)
            ledger_break(ledger, now_ms, "%s, at most once, is handed over again on %s", sheet->id,
                         account->book->name);
        return;
    }
    if (now->accepted <= now->settled)
        ledger_break(ledger, now_ms, "%s is handed over on %s after its end there", sheet->id,
                     account->book->name);
    else if (++account->in_hand > now->accepted - now->settled)
        ledger_break(ledger, now_ms, "%s is in two hands at once on %s", sheet->id,
                     account->book->name);
    check_attempt(account, now_ms, fact);
    check_line(account, now_ms);
}

static uint64_t line_of(const struct ledger *ledger, const struct ledger_agent *agent,
                        const struct message *message)
{
    if (agent->order == ORDER_NONE || agent->at_most_once) return 0;
    uint64_t line = map_hash(&ledger->sheets, message->to) | 1;
    return agent->order == ORDER_STRICT ? line : line + 2 * map_hash(&ledger->sheets, message->key);
}

/* A delayed one takes its place when it is due; when one does that waited for another with its
 * dedup key, and which of two copies is meant, is not said. */
static void take_place(struct account *account, const struct ledger_agent *agent,
                       const struct message *message)
{
    bool one = account->now.accepted == account->now.settled;
    bool known = one && !agent->dedup && message->due_ms == 0;
    account->line = line_of(account->book->ledger, agent, message);
    account->place = known ? ++account->book->places : 0;
}

static void accepted(struct account *account, int64_t now_ms, const struct fact *fact)
{
    struct message message = message_of(fact->block);
    bool forever = message.remaining_ms == REMAINING_FOREVER;
    struct ledger_agent agent = account->book->look(account->book->user, message.to);
    account->recognised = agent.by_id && (account->recognised || account->now.accepted == 0);
    account->notice = span_equal(message.method, span_text("on.dead"));
    account->sheet->at_most_once |= agent.at_most_once;
    take_place(account, &agent, &message);
    account->expires_ms = forever ? 0 : after_ms(now_ms, message.remaining_ms);
    account->deaths = account->book->deaths;
    take_note(&(struct note){account, NOTE_ACCEPTED, fact->kind, 0, 0});
}

static void ended_in_hand(struct account *account)
{
    if (account->in_hand > 0) account->in_hand--;
}

static void settled(struct account *account, const struct fact *fact)
{
    ended_in_hand(account);
    if (account->now.accepted == account->now.settled) return; /* it was at most once */
    take_note(&(struct note){account, NOTE_SETTLED, fact->kind, 0, 0});
}

/* What a death is charged for is durable before the fact that tells of it, so earlier charges may
 * be news here. */
static bool is_charge(const struct fact *fact)
{
    static const char words[] = "the process died";
    return fact->reason.size >= sizeof words - 1 &&
           memcmp(fact->reason.bytes, words, sizeof words - 1) == 0;
}

static bool counts(const struct account *account, const struct fact *fact)
{
    uint32_t next = account->now.failures + 1;
    return fact->attempt == next || (is_charge(fact) && fact->attempt > next);
}

static void failed(struct account *account, int64_t now_ms, const struct fact *fact)
{
    ended_in_hand(account);
    account->deaths = account->book->deaths;
    if (has_one_copy(account) && !counts(account, fact) && !account->sheet->excused)
        ledger_break(account->book->ledger, now_ms,
                     "attempt %u of %s on %s is told, and %u had failed", fact->attempt,
                     account->sheet->id, account->book->name, account->now.failures);
    take_note(
        &(struct note){account, NOTE_FAILED, fact->kind, fact->attempt, now_ms + fact->delay_ms});
}

/* ---- the sender's side ---- */

static struct peer *peer_of(struct book *book, struct span name)
{
    for (struct peer *at = book->peers; at; at = at->next)
        if (span_equal(span_text(at->name), name)) return at;
    struct peer *peer = calloc(1, sizeof *peer);
    ensure(peer != NULL);
    peer->name = strndup(name.bytes ? name.bytes : "", name.size);
    ensure(peer->name != NULL);
    peer->next = book->peers;
    return book->peers = peer;
}

static void sent(struct account *account, const struct fact *fact)
{
    struct sheet *sheet = account->sheet;
    if (sheet->profile == AT_MOST_ONCE) return;
    account->sent = true;
    account->sent_to = peer_of(account->book, fact->link);
    account->sent_over = account->sent_to->deaths;
}

/* A lane that was asked for and not opened is no transmission of the message. */
static void timed_out(struct account *account, int64_t now_ms, const struct fact *fact)
{
    if (fact->transmission == 0) return;
    if (account->sent_to && account->sent_over != account->sent_to->deaths)
        ledger_break(account->book->ledger, now_ms,
                     "%s spends an attempt on %s although the link died under it",
                     account->sheet->id, account->book->name);
}

/* Somebody is told how far it got. */
static void told(struct ledger *ledger, struct sheet *sheet, int64_t now_ms, enum level level,
                 enum code code, bool ok)
{
    if (!sheet->known || level == LEVEL_SENT || sheet->damaged) return; /* or it was for $node */
    if (ok && level >= LEVEL_STORED && !sheet->stored && !sheet->duplicate)
        ledger_break(ledger, now_ms, "%s is said to be stored, and is durable nowhere", sheet->id);
    if (ok && level == LEVEL_HANDLED && !sheet->handled && !sheet->duplicate &&
        !sheet->at_most_once)
        ledger_break(ledger, now_ms, "%s is said to be handled, and was not", sheet->id);
    if (!ok && level >= LEVEL_STORED && code == CODE_DEAD && !sheet->dead && !sheet->expired)
        ledger_break(ledger, now_ms, "%s is said to be dead, and is not", sheet->id);
    sheet->confirmed |= ok && level >= LEVEL_STORED;
    sheet->ended = true;
}

void ledger_answer(struct ledger *ledger, int64_t now_ms, const struct answer *answer)
{
    struct sheet *sheet = sheet_of(ledger, answer->ref);
    sheet->at_most_once |= (answer->facts & FACT_OWNER_AT_MOST_ONCE) != 0;
    if (answer->profile == AT_MOST_ONCE || answer->code == CODE_TIMEOUT) return;
    told(ledger, sheet, now_ms, (enum level)answer->level, (enum code)answer->code, answer->ok);
}

/* ---- what is said ---- */

static void about_copy(struct account *account, int64_t now_ms, const struct fact *fact)
{
    bool open = account->now.accepted > account->now.settled;
    bool nacked = account->book->nacked.bytes == account->sheet->id;
    switch (fact->kind) {
    case FACT_STORED: accepted(account, now_ms, fact); break;
    case FACT_DELIVERED: delivered(account, now_ms, fact); break;
    case FACT_HANDLED:
    case FACT_DROPPED:
    case FACT_PURGED: settled(account, fact); break;
    case FACT_EXPIRED:
        if (open) settled(account, fact);
        break;
    case FACT_DEAD:
        if (!nacked) settled(account, fact);
        break;
    case FACT_RETRYING:
        if (fact->attempt > 0 && open) failed(account, now_ms, fact);
        break;
    case FACT_CONFLICTED: ended_in_hand(account); break;
    case FACT_DEFERRED:
        ended_in_hand(account);
        take_note(&(struct note){account, NOTE_DEFERRED, fact->kind, 0, now_ms + fact->delay_ms});
        break;
    case FACT_REQUEUED:
        if (account->now.dead) take_note(&(struct note){account, NOTE_REQUEUED, fact->kind, 0, 0});
        break;
    case FACT_DUPLICATE: take_note(&(struct note){account, NOTE_SETTLED, fact->kind, 0, 0}); break;
    case FACT_SENT: sent(account, fact); break;
    case FACT_TIMED_OUT: timed_out(account, now_ms, fact); break;
    case FACT_ACKED:
    case FACT_NACKED:
        account->told_stored = false;
        if (account->sheet->profile != AT_MOST_ONCE)
            told(account->book->ledger, account->sheet, now_ms, (enum level)fact->level,
                 (enum code)fact->code, fact->kind == FACT_ACKED);
        break;
    default: break;
    }
    account->book->nacked =
        fact->kind == FACT_NACKED ? span_text(account->sheet->id) : span_of(NULL, 0);
}

void ledger_fact(struct book *book, int64_t now_ms, const struct fact *fact)
{
    if (fact->kind == FACT_LINK_DOWN) peer_of(book, fact->subject)->deaths++;
    if (fact->kind == FACT_STOP)
        for (struct account *at = book->accounts; at; at = at->next_here) at->in_hand = 0;
    if (!fact->block || message_to(fact->block).bytes[0] == '$') return; /* stored by nobody */
    struct sheet *sheet = sheet_of(book->ledger, fact->subject);
    describe(sheet, fact->block);
    about_copy(account_of(book, sheet), now_ms, fact);
}

/* ---- frames ---- */

/* The sender learns that it is stored; or that its owner does not know it, or says no. */
static void learns(struct account *account, const struct receipt *receipt)
{
    struct sheet *sheet = account->sheet;
    bool stored = !(receipt->flags & RECEIPT_NACK) && receipt->level == LEVEL_STORED;
    sheet->at_most_once |= (receipt->facts & FACT_OWNER_AT_MOST_ONCE) != 0;
    account->told_stored = stored && sheet->level > LEVEL_STORED && !sheet->ended;
}

static void receipt_arrives(struct book *book, const struct receipt *receipt)
{
    for (struct account *at = book->accounts; at; at = at->next_here)
        if (at->sent && at->lane_epoch == receipt->lane_epoch && at->number >= receipt->first &&
            at->number <= receipt->last)
            learns(at, receipt);
}

/* What it knows to be stored and waits for, it only asks about. */
static void data_leaves(struct book *book, int64_t now_ms, const struct message *message)
{
    if (message->flags & (MESSAGE_ASK | MESSAGE_FAREWELL)) return;
    struct sheet *sheet = map_find(&book->ledger->sheets, message->id);
    struct account *account = sheet ? account_of(book, sheet) : NULL;
    if (!account || !account->sent) return;
    if (account->lane_epoch != message->lane_epoch) account->told_stored = false; /* it left it */
    account->lane_epoch = message->lane_epoch;
    account->number = message->seq;
    if (account->told_stored)
        ledger_break(book->ledger, now_ms, "%s is sent again by %s, which knows that it is stored",
                     sheet->id, book->name);
}

static void take_frames(struct book *book, int64_t now_ms, struct span bytes, uint8_t type)
{
    struct span whole;
    struct frame frame;
    while (frame_split(bytes, SIZE_MAX, &whole) == STATUS_OK) {
        bool wanted = (uint8_t)whole.bytes[FRAME_LENGTH_BYTES] == type;
        bytes = span_of(bytes.bytes + whole.size, bytes.size - whole.size);
        if (!wanted || frame_decode(whole, &frame) != STATUS_OK) continue;
        if (type == FRAME_RECEIPT)
            receipt_arrives(book, &frame.receipt);
        else
            data_leaves(book, now_ms, &frame.message);
    }
}

void ledger_arrives(struct book *book, int64_t now_ms, struct span bytes)
{
    take_frames(book, now_ms, bytes, FRAME_RECEIPT);
}

void ledger_leaves(struct book *book, int64_t now_ms, struct span bytes)
{
    take_frames(book, now_ms, bytes, FRAME_DATA);
}

/* ---- the end ---- */

static bool has_ended(const struct sheet *sheet)
{
    return sheet->handled || sheet->dead || sheet->expired || sheet->duplicate;
}

/* By one node; another store cannot know what the one before did. */
static uint32_t deliveries_of(const struct sheet *sheet)
{
    uint32_t most = 0;
    for (const struct account *at = sheet->accounts; at; at = at->next)
        if (at->deliveries > most) most = at->deliveries;
    return most;
}

static bool was_sent(const struct sheet *sheet)
{
    for (const struct account *at = sheet->accounts; at; at = at->next)
        if (at->sent) return true;
    return false;
}

void ledger_close(struct ledger *ledger, int64_t now_ms,
                  bool (*pending)(void *user, struct span id), void *user)
{
    for (struct sheet *sheet = ledger->first; sheet && !ledger->broken; sheet = sheet->next) {
        if (sheet->at_most_once && !sheet->excused && deliveries_of(sheet) > 1)
            ledger_break(ledger, now_ms, "%s, for an agent at most once, was handed over %u times",
                         sheet->id, deliveries_of(sheet));
        bool weak = sheet->profile == AT_MOST_ONCE || sheet->at_most_once;
        bool owed = sheet->known && !weak && !sheet->excused;
        if (!owed || pending(user, span_text(sheet->id))) continue;
        if (sheet->confirmed && !has_ended(sheet))
            ledger_break(ledger, now_ms, "%s was confirmed, and is lost", sheet->id);
        if (was_sent(sheet) && !sheet->ended)
            ledger_break(ledger, now_ms, "%s was sent, and its sender never had a last word",
                         sheet->id);
    }
}
