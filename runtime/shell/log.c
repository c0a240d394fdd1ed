/* Log lines: made in a buffer, written in one piece. */
#include "shell/log.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "core/buffer.h"
#include "core/ensure.h"
#include "shell/clock.h"

enum { COLUMN_MAX = 16, LEVELS = 4 };

static const char *const level_names[LEVELS] = {"debug", "info", "warn", "error"};
static const char *const level_colours[LEVELS] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"};

struct log log_to_stderr(void)
{
    const char *no_colour = getenv("NO_COLOR");
    bool colours = isatty(STDERR_FILENO) && !(no_colour && no_colour[0]);
    return (struct log){.file = STDERR_FILENO, .level = LOG_INFO, .colours = colours, .column = 4};
}

static bool choose_word(struct log *log, struct span word)
{
    for (int level = 0; level < LEVELS; level++)
        if (span_equal(word, span_text(level_names[level]))) {
            log->level = (enum log_level)level;
            return true;
        }
    bool json = span_equal(word, span_text("json"));
    if (!json && !span_equal(word, span_text("text"))) return false;
    log->json = json;
    return true;
}

bool log_choose(struct log *log, struct span words)
{
    struct log chosen = *log;
    while (words.size) {
        const char *comma = memchr(words.bytes, ',', words.size);
        size_t size = comma ? (size_t)(comma - words.bytes) : words.size;
        if (!choose_word(&chosen, span_of(words.bytes, size))) return false;
        size_t step = comma ? size + 1 : size;
        words = span_of(words.bytes + step, words.size - step);
    }
    *log = chosen;
    return true;
}

/* ---- the line, in bytes ---- */

static void put(struct buffer *line, const char *text)
{
    buffer_put(line, span_text(text));
}

static void put_number(struct buffer *line, const char *format, long long number)
{
    char text[32];
    snprintf(text, sizeof text, format, number);
    put(line, text);
}

/* Text of strangers must not move a terminal's cursor; further lines are indented. */
static void put_plain(struct buffer *line, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char at = (unsigned char)text.bytes[i];
        if (at == '\n')
            put(line, i + 1 < text.size ? "\n    " : "");
        else if ((at < 32 && at != '\t') || at == 127)
            put(line, "?");
        else
            buffer_put(line, span_of(text.bytes + i, 1));
    }
}

static void put_colour(const struct log *log, struct buffer *line, const char *colour)
{
    if (log->colours) put(line, colour);
}

/* ---- fields ---- */

static struct json_t *fields_of(struct span fields)
{
    json_t *object = fields.size ? json_loadb(fields.bytes, fields.size, 0, NULL) : NULL;
    return object ? object : json_object();
}

static bool is_bare(const char *text)
{
    return *text && !strpbrk(text, " \t\r\n\"=");
}

static void put_value(struct buffer *line, const json_t *value)
{
    if (json_is_string(value) && is_bare(json_string_value(value)))
        return put_plain(line, span_text(json_string_value(value)));
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    put_plain(line, span_text(text));
    free(text);
}

static void put_field(struct buffer *line, const char *name, struct span value)
{
    if (!value.size) return;
    put(line, "  ");
    put(line, name);
    put(line, "=");
    put_plain(line, value);
}

/* The text about a fact or an envelope says in words what its fields say to programs. */
static bool is_said(const json_t *object)
{
    return json_object_get(object, "fact") || json_object_get(object, "envelope");
}

/* What the line says itself: `own` is the value, which may be empty. */
static void yield_name(json_t *object, const char *name, struct span own)
{
    json_t *value = json_object_get(object, name);
    if (!value || !own.size) return;
    bool same = json_is_string(value) && span_equal(span_text(json_string_value(value)), own);
    char other[64];
    snprintf(other, sizeof other, "field_%s", name);
    if (!same) json_object_set(object, other, value);
    json_object_del(object, name);
}

/* A script's field is shown once, and never in the place of one of ours. */
static void put_fields(struct buffer *line, const struct log_record *record)
{
    json_t *object = fields_of(record->fields), *value;
    const char *name;
    if (is_said(object)) json_object_clear(object);
    yield_name(object, "agent", record->agent);
    yield_name(object, "id", record->id);
    json_object_foreach(object, name, value)
    {
        put(line, "  ");
        put_plain(line, span_text(name));
        put(line, "=");
        put_value(line, value);
    }
    json_decref(object);
}

/* ---- text ---- */

static void put_time(struct buffer *line, const char *format, struct tm *time, int64_t wall_ms)
{
    char text[40];
    strftime(text, sizeof text, format, time);
    put(line, text);
    put_number(line, ".%03lld", (long long)(wall_ms % 1000));
}

static void put_head(struct log *log, struct buffer *line, struct span node, enum log_level level)
{
    int64_t wall_ms = clock_wall_ms();
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    put_colour(log, line, "\033[2m");
    put_time(line, "%H:%M:%S", localtime_r(&seconds, &local), wall_ms);
    put_colour(log, line, "\033[0m");
    char words[64];
    snprintf(words, sizeof words, "%-5s ", level_names[level]);
    put(line, " ");
    put_colour(log, line, level_colours[level]);
    put(line, words);
    put_colour(log, line, "\033[0m");
    put_plain(line, node);
    if (node.size > log->column) log->column = node.size < COLUMN_MAX ? node.size : COLUMN_MAX;
    for (size_t width = node.size; width < log->column; width++) put(line, " ");
    put(line, " | ");
}

static void put_text_line(struct log *log, struct buffer *line, struct span node,
                          const struct log_record *record)
{
    put_head(log, line, node, record->level);
    put_plain(line, record->text);
    put_fields(line, record);
    put_colour(log, line, "\033[2m");
    put_field(line, "agent", record->agent);
    if (record->generation > 1 && record->agent.size > 0)
        put_number(line, "  generation=%lld", record->generation);
    put_field(line, "id", record->id);
    put_colour(log, line, "\033[0m");
    put(line, "\n");
}

/* ---- JSON ---- */

/* Bytes that are not UTF-8 become question marks: a log line is never refused. */
static json_t *json_text(struct span text)
{
    json_t *whole = json_stringn(text.bytes ? text.bytes : "", text.size);
    if (whole) return whole;
    char *ascii = malloc(text.size);
    ensure(ascii != NULL);
    for (size_t i = 0; i < text.size; i++) ascii[i] = text.bytes[i] & 0x80 ? '?' : text.bytes[i];
    whole = json_stringn(ascii, text.size);
    free(ascii);
    return whole;
}

static json_t *json_moment(void)
{
    int64_t wall_us = clock_wall_us();
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm utc;
    char day[40], text[64];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    snprintf(text, sizeof text, "%s.%06dZ", day, (int)(wall_us % 1000000));
    return json_string(text);
}

static void set_text(json_t *object, const char *name, struct span text)
{
    if (text.size) json_object_set_new(object, name, json_text(text));
}

static json_t *json_head(struct span node, const struct log_record *record)
{
    json_t *object = json_object();
    json_object_set_new(object, "ts", json_moment());
    json_object_set_new(object, "level", json_string(level_names[record->level]));
    set_text(object, "node", node);
    set_text(object, "agent", record->agent);
    if (record->generation)
        json_object_set_new(object, "generation", json_integer(record->generation));
    set_text(object, "id", record->id);
    json_object_set_new(object, "text", json_text(record->text));
    return object;
}

/* A script's field never hides one of ours: it is kept as "field_NAME" when it differs. */
static void merge_fields(json_t *object, struct span text)
{
    json_t *fields = fields_of(text), *value;
    const char *name;
    json_object_foreach(fields, name, value)
    {
        char other[256];
        const json_t *ours = json_object_get(object, name);
        if (ours && json_equal(ours, value)) continue;
        snprintf(other, sizeof other, "field_%s", name);
        json_object_set(object, ours ? other : name, value);
    }
    json_decref(fields);
}

static void put_json_line(struct buffer *line, struct span node, const struct log_record *record)
{
    json_t *object = json_head(node, record);
    merge_fields(object, record->fields);
    char *text = json_dumps(object, JSON_COMPACT);
    put(line, text);
    put(line, "\n");
    free(text);
    json_decref(object);
}

/* ---- out ---- */

static void write_whole(int file, struct span bytes)
{
    while (bytes.size) {
        ssize_t written = write(file, bytes.bytes, bytes.size);
        if (written < 0 && errno == EAGAIN) poll(&(struct pollfd){file, POLLOUT, 0}, 1, 1000);
        if (written < 0 && errno != EAGAIN && errno != EINTR) return;
        if (written > 0) bytes = span_of(bytes.bytes + written, bytes.size - (size_t)written);
    }
}

void log_write(struct log *log, struct span node, const struct log_record *record)
{
    if (log->silent || record->level < log->level) return;
    struct buffer line = {0};
    if (log->json)
        put_json_line(&line, node, record);
    else
        put_text_line(log, &line, node, record);
    write_whole(log->file, buffer_span(&line));
    buffer_deinit(&line);
}

void log_say(struct log *log, enum log_level level, struct span node, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_write(log, node, &(struct log_record){.level = level, .text = span_text(text)});
}
