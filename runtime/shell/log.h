/* Log lines on standard error: text for people, or one JSON object a line.
 *
 *   12:00:01.002 info  node | text  key=value
 *   {"ts":"2026-01-01T12:00:01.002345Z","level":"info","node":"node","text":"text","key":"value"}
 */
#ifndef MOONPOST_LOG_H
#define MOONPOST_LOG_H

#include "script/script.h"

struct log {
    int file;             /* file descriptor, borrowed */
    enum log_level level; /* lines below it are not written */
    bool silent;          /* no line at all */
    bool json;
    bool colours;
    size_t column; /* width of the widest node name so far */
};

/* Text at `info` on standard error; colours on a terminal unless NO_COLOR is set. */
struct log log_to_stderr(void);

/* Read "debug", "json", "warn,text" ...: a level, a format, or both. False: it is none of these. */
bool log_choose(struct log *log, struct span words);

/* Write one line, whole. */
void log_write(struct log *log, struct span node, const struct log_record *record);

/* Write a line without fields. */
void log_say(struct log *log, enum log_level level, struct span node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
