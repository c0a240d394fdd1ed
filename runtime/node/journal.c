/* Facts and envelopes as lines for people, with fields for programs. */
#include "node/journal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { BODY_SHOWN = 48 };

uint32_t journal_facts(void)
{
    static const enum fact_kind kinds[] = {
        FACT_TIMED_OUT, FACT_RETRYING,  FACT_DEFERRED, FACT_DEAD,      FACT_EXPIRED,
        FACT_DROPPED,   FACT_DUPLICATE, FACT_LINK_UP,  FACT_LINK_DOWN, FACT_LINK_FAILED,
        FACT_ATTACHED,  FACT_REFUSED,   FACT_REQUEUED, FACT_STOP,
    };
    uint32_t mask = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) mask |= 1u << kinds[i];
    return mask;
}

__attribute__((format(printf, 2, 3))) static void say(char *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, JOURNAL_TEXT_MAX, format, arguments);
    va_end(arguments);
}

/* "250 ms", "1.0 s", "2.5 m": a duration for people. */
static const char *duration(char out[24], int64_t ms)
{
    if (ms < 1000)
        snprintf(out, 24, "%lld ms", (long long)ms);
    else if (ms < 120000)
        snprintf(out, 24, "%.1f s", (double)ms / 1000);
    else
        snprintf(out, 24, "%.1f m", (double)ms / 60000);
    return out;
}

/* The code as its word: a script's own, or one of ours. */
static struct span word_of(const struct fact *fact)
{
    return fact->word.size > 0 ? fact->word : span_text(code_name((enum code)fact->code));
}

static enum log_level say_retrying(const struct fact *fact, char *text)
{
    char when[24];
    duration(when, fact->delay_ms);
    if (fact->attempt > 0) {
        say(text, "attempt %u failed: %.*s; retry in %s", fact->attempt, SPAN_ARGS(fact->reason),
            when);
        return LOG_WARN;
    }
    say(text, "cannot be sent now: %s: %.*s; again in %s", code_name((enum code)fact->code),
        SPAN_ARGS(fact->reason), when);
    return LOG_WARN;
}

static enum log_level say_dead(const struct fact *fact, char *text)
{
    struct span word = word_of(fact);
    bool plain = fact->code == CODE_DEAD; /* "dead" says it already */
    say(text, "dead letter after %u attempt%s: %.*s%s%.*s", fact->attempt,
        fact->attempt == 1 ? "" : "s", SPAN_ARGS(plain ? span_of("", 0) : word), plain ? "" : ": ",
        SPAN_ARGS(fact->reason));
    return LOG_ERROR;
}

static enum log_level say_link_down(const struct fact *fact, char *text)
{
    char when[24];
    if (fact->delay_ms < 0) {
        say(text, "link down: %.*s: %.*s", SPAN_ARGS(fact->subject), SPAN_ARGS(fact->reason));
        return fact->role == ROLE_CLIENT ? LOG_DEBUG : LOG_INFO;
    }
    say(text, "link down: %.*s: %.*s; dial %u in %s; %u message%s waiting",
        SPAN_ARGS(fact->subject), SPAN_ARGS(fact->reason), fact->attempt + 1,
        duration(when, fact->delay_ms), fact->waiting, fact->waiting == 1 ? "" : "s");
    return LOG_WARN;
}

static enum log_level say_refused(const struct fact *fact, char *text)
{
    say(text, "%.*s: %s: %.*s", SPAN_ARGS(fact->subject), code_name((enum code)fact->code),
        SPAN_ARGS(fact->reason));
    return fact->code == CODE_PROFILE_MISMATCH ? LOG_WARN : LOG_ERROR;
}

/* The text of a fact and its level; false when it has no line. */
static bool say_fact(const struct fact *fact, char *text, enum log_level *level)
{
    char when[24];
    struct span reason = fact->reason;
    *level = LOG_INFO;
    switch (fact->kind) {
    case FACT_TIMED_OUT:
        *level = LOG_WARN;
        duration(when, fact->delay_ms);
        if (fact->code == CODE_NONE)
            say(text, "no ack after %s, resend %u", when, fact->attempt);
        else
            say(text, "no ack after %s, the last of %u attempts", when, fact->attempt);
        return true;
    case FACT_RETRYING:
        if (fact->again) return false; /* one line for a destination, not one for each message */
        *level = say_retrying(fact, text);
        return true;
    case FACT_DEFERRED:
        say(text, "deferred: %.*s; again in %s", SPAN_ARGS(reason), duration(when, fact->delay_ms));
        return true;
    case FACT_DEAD: *level = say_dead(fact, text); return true;
    case FACT_EXPIRED: say(text, "expired before it was handled"); return true;
    case FACT_DROPPED:
        if (fact->notice) *level = LOG_ERROR;
        say(text, "dropped: %.*s", SPAN_ARGS(reason));
        return true;
    case FACT_DUPLICATE: say(text, "duplicate recognised, acknowledged again"); return true;
    case FACT_LINK_UP:
        *level = fact->role == ROLE_CLIENT ? LOG_DEBUG : LOG_INFO;
        say(text, "link up: %.*s", SPAN_ARGS(fact->subject));
        return true;
    case FACT_LINK_DOWN: *level = say_link_down(fact, text); return true;
    case FACT_LINK_FAILED:
        *level = LOG_ERROR;
        say(text, "link failed: %.*s: %s: %.*s", SPAN_ARGS(fact->subject),
            code_name((enum code)fact->code), SPAN_ARGS(reason));
        return true;
    case FACT_ATTACHED:
        say(text, "attached %.*s at %.*s", SPAN_ARGS(fact->subject), SPAN_ARGS(fact->link));
        return true;
    case FACT_REFUSED: *level = say_refused(fact, text); return true;
    case FACT_REQUEUED: say(text, "requeued: its attempts count anew"); return true;
    case FACT_STOP: say(text, "stopping"); return true;
    case FACT_SENT:
    case FACT_STORED:
    case FACT_DELIVERED:
    case FACT_HANDLED:
    case FACT_STALE:
    case FACT_ACKED:
    case FACT_NACKED:
    case FACT_REPLIED:
    case FACT_START:
    case FACT_RELOADED:
    case FACT_REMOVED:
    case FACT_PURGED:
    case FACT_CONFLICTED:
    case FACT_COUNT: return false;
    }
    return false;
}

bool journal_fact(const struct fact *fact, struct log_record *record, char *text, char *fields)
{
    enum log_level level;
    if (!say_fact(fact, text, &level)) return false;
    int used = snprintf(fields, JOURNAL_TEXT_MAX, "{\"fact\":\"%s\"", fact_name(fact->kind));
    if (fact->attempt > 0)
        used += snprintf(fields + used, JOURNAL_TEXT_MAX - (size_t)used, ",\"attempt\":%u",
                         fact->attempt);
    if (fact->transmission > 0)
        used += snprintf(fields + used, JOURNAL_TEXT_MAX - (size_t)used, ",\"transmission\":%u",
                         (unsigned)fact->transmission);
    if (fact->delay_ms >= 0)
        used += snprintf(fields + used, JOURNAL_TEXT_MAX - (size_t)used, ",\"delay\":%.3f",
                         (double)fact->delay_ms / 1000);
    if (fact->code)
        used += snprintf(fields + used, JOURNAL_TEXT_MAX - (size_t)used, ",\"code\":\"%s\"",
                         code_name((enum code)fact->code));
    snprintf(fields + used, JOURNAL_TEXT_MAX - (size_t)used, "}");
    *record =
        (struct log_record){.level = level, .text = span_text(text), .fields = span_text(fields)};
    if (!fact->block) return true;
    struct message message = message_of(fact->block);
    record->id = message.id;
    record->agent = message.to;
    return true;
}

void journal_agent(const struct agent_declaration *agent, struct log_record *record, char *text)
{
    static const char *const profiles[] = {"at-most-once", "at-least-once", "exactly-once"};
    size_t used = strlen(text);
    snprintf(text + used, JOURNAL_TEXT_MAX - used, ", profile %s, dedup %s",
             profiles[agent->profile], agent->dedup == DEDUP_KEY ? "by key" : "none");
    record->text = span_text(text);
}

/* ---- envelopes ---- */

/* The first bytes of a body, on one line. */
static const char *body_head(char out[BODY_SHOWN + 4], struct span body)
{
    size_t shown = body.size < BODY_SHOWN ? body.size : BODY_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)body.bytes[i];
        out[i] = isprint(c) ? (char)c : '.';
    }
    snprintf(out + shown, 4, "%s", body.size > shown ? "..." : "");
    return out;
}

static void say_data(const struct message *m, const char *arrow, struct span peer, size_t bytes,
                     char *text)
{
    char head[BODY_SHOWN + 4];
    if (m->flags & MESSAGE_FAREWELL) {
        say(text, "%s %-20.*s farewell to=%.*s  %zu B", arrow, SPAN_ARGS(peer), SPAN_ARGS(m->to),
            bytes);
        return;
    }
    say(text, "%s %-20.*s %-8s %.*s  to=%.*s transmission=%u  %zu B  %s", arrow, SPAN_ARGS(peer),
        m->flags & MESSAGE_ASK ? "ask" : "data", SPAN_ARGS(m->id), SPAN_ARGS(m->to),
        (unsigned)m->transmission, bytes, body_head(head, m->body));
}

static const char *level_name(unsigned level)
{
    static const char *const names[] = {"none", "sent", "stored", "handled", "unknown"};
    return level < sizeof names / sizeof names[0] ? names[level] : "?";
}

static void say_receipt(const struct receipt *r, const char *arrow, struct span peer, size_t bytes,
                        char *text)
{
    bool nack = r->flags & RECEIPT_NACK;
    say(text, "%s %-20.*s %-8s %.*s  level=%s%s%s attempt=%u%s  %zu B", arrow, SPAN_ARGS(peer),
        nack ? "nack" : "ack", SPAN_ARGS(r->ref), level_name(r->level), nack ? " code=" : "",
        nack ? code_name((enum code)r->code) : "", (unsigned)r->transmission,
        r->flags & RECEIPT_DUP ? " dup" : "", bytes);
}

bool journal_frame(bool outgoing, struct span peer, const struct frame *frame, size_t bytes,
                   struct log_record *record, char *text, char *fields)
{
    const char *arrow = outgoing ? "->" : "<-";
    if (frame->type == FRAME_DATA)
        say_data(&frame->message, arrow, peer, bytes, text);
    else if (frame->type == FRAME_RECEIPT)
        say_receipt(&frame->receipt, arrow, peer, bytes, text);
    else if (frame->type == FRAME_ATTACH || frame->type == FRAME_DETACH)
        say(text, "%s %-20.*s %-8s %.*s  %zu B", arrow, SPAN_ARGS(peer),
            frame_type_name(frame->type), SPAN_ARGS(frame->attach.address), bytes);
    else
        say(text, "%s %-20.*s %-8s  %zu B", arrow, SPAN_ARGS(peer), frame_type_name(frame->type),
            bytes);
    snprintf(fields, JOURNAL_TEXT_MAX, "{\"envelope\":\"%s\",\"direction\":\"%s\"}",
             frame_type_name(frame->type), outgoing ? "out" : "in");
    *record = (struct log_record){
        .level = LOG_INFO, .text = span_text(text), .fields = span_text(fields)};
    if (frame->type == FRAME_DATA && !(frame->message.flags & MESSAGE_FAREWELL))
        record->id = frame->message.id;
    if (frame->type == FRAME_RECEIPT) record->id = frame->receipt.ref;
    return true;
}
