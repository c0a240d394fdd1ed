/* A fact as a JSON object, for those who follow what happens. Made without Lua: it may be asked for
 * as often as messages pass. */
#include "script/host.h"

#include <stdio.h>

static void put(struct buffer *out, const char *text)
{
    buffer_put(out, span_text(text));
}

static void put_letter(struct buffer *out, unsigned char letter)
{
    char text[8];
    if (letter == '"' || letter == '\\')
        snprintf(text, sizeof text, "\\%c", letter);
    else if (letter < 0x20 || letter == 0x7f)
        snprintf(text, sizeof text, "\\u%04x", letter);
    else
        snprintf(text, sizeof text, "%c", letter);
    put(out, text);
}

/* What is not UTF-8 shows as a question mark: names compare as bytes, and a reader wants text. */
static void put_text(struct buffer *out, struct span text)
{
    const unsigned char *at = (const unsigned char *)text.bytes, *end = at + text.size;
    put(out, "\"");
    while (at < end) {
        size_t length = json_utf8_length(at, (size_t)(end - at));
        if (length == 0)
            put(out, "?");
        else if (length == 1)
            put_letter(out, *at);
        else
            buffer_put(out, span_of((const char *)at, length));
        at += length ? length : 1;
    }
    put(out, "\"");
}

static void set_text(struct buffer *out, const char *name, struct span text)
{
    if (text.size == 0) return;
    put(out, ",\"");
    put(out, name);
    put(out, "\":");
    put_text(out, text);
}

static void set_count(struct buffer *out, const char *name, uint64_t number)
{
    char text[64];
    if (number == 0) return;
    snprintf(text, sizeof text, ",\"%s\":%llu", name, (unsigned long long)number);
    put(out, text);
}

static void set_seconds(struct buffer *out, const char *name, int64_t ms)
{
    char text[64];
    if (ms < 0) return;
    snprintf(text, sizeof text, ",\"%s\":%lld.%03lld", name, (long long)(ms / 1000),
             (long long)(ms % 1000));
    put(out, text);
}

static void set_message(struct buffer *out, const struct message *message)
{
    set_text(out, "id", message->id);
    set_text(out, "to", message->to);
    set_text(out, "from", message->from);
    set_text(out, "key", message->key);
    set_text(out, "method", message->method);
    set_text(out, "profile", span_text(profile_name(message->profile)));
    set_count(out, "bytes", message->body.size);
}

/* What a fact without a message is about: a link, an address, or a message's id. */
static const char *subject_name(const struct fact *fact)
{
    switch (fact->kind) {
    case FACT_LINK_UP:
    case FACT_LINK_DOWN:
    case FACT_LINK_FAILED: return "link";
    case FACT_ATTACHED:
    case FACT_REFUSED:
    case FACT_RELOADED: return "to";
    case FACT_START:
    case FACT_STOP: return "node";
    default: return "id";
    }
}

static struct span word_of(const struct fact *fact)
{
    if (fact->word.size > 0) return fact->word;
    return fact->code ? span_text(code_name((enum code)fact->code)) : span_of(NULL, 0);
}

void script_fact_json(struct buffer *out, const struct fact *fact, int64_t wall_ms)
{
    char head[96];
    snprintf(head, sizeof head, "{\"at\":%lld.%03lld,\"fact\":\"%s\"", (long long)(wall_ms / 1000),
             (long long)(wall_ms % 1000), fact_name(fact->kind));
    put(out, head);
    if (fact->block) {
        struct message message = message_of(fact->block);
        set_message(out, &message);
    } else
        set_text(out, subject_name(fact), fact->subject);
    set_count(out, "attempt", fact->attempt);
    set_count(out, "transmission", fact->transmission);
    set_seconds(out, "delay", fact->delay_ms);
    set_text(out, "level", fact->level ? span_text(level_name(fact->level)) : span_of(NULL, 0));
    set_text(out, "code", word_of(fact));
    set_text(out, "reason", fact->reason);
    set_text(out, "link", fact->link);
    put(out, fact->dup ? ",\"dup\":true}" : "}");
}
