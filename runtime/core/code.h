/* Why something was refused or failed: the words users see in receipts, logs and errors. */
#ifndef MOONPOST_CODE_H
#define MOONPOST_CODE_H

#include <stdbool.h>
#include "core/span.h"

enum code_class {
    CODE_CLASS_NONE,
    CODE_RETRYABLE, /* trying again may help; an unanswered or failed try costs an attempt */
    CODE_WAITING,   /* retryable, and costs a sender time, not attempts */
    CODE_FINAL,     /* trying again cannot help */
};

/* name, number on the wire, class */
#define CODE_MAP(X)                                                                                \
    X(NONE, 0, CODE_CLASS_NONE)                                                                    \
    X(NO_ROUTE, 1, CODE_WAITING)                                                                   \
    X(UNREACHABLE, 2, CODE_WAITING)                                                                \
    X(BUSY, 3, CODE_WAITING)                                                                       \
    X(STORE_FULL, 4, CODE_WAITING)                                                                 \
    X(OUT_OF_ORDER, 5, CODE_WAITING)                                                               \
    X(TIMEOUT, 6, CODE_RETRYABLE)                                                                  \
    X(HANDLER_ERROR, 7, CODE_RETRYABLE)                                                            \
    X(OVER_BUDGET, 8, CODE_RETRYABLE)                                                              \
    X(IN_PROGRESS, 9, CODE_RETRYABLE)                                                              \
    X(STREAM_BROKEN, 10, CODE_RETRYABLE)                                                           \
    X(REJECTED, 32, CODE_FINAL)                                                                    \
    X(DEAD, 33, CODE_FINAL)                                                                        \
    X(EXPIRED, 34, CODE_FINAL)                                                                     \
    X(TOO_LARGE, 35, CODE_FINAL)                                                                   \
    X(BAD_SCHEMA, 36, CODE_FINAL)                                                                  \
    X(BAD_VALUE, 37, CODE_FINAL)                                                                   \
    X(NO_METHOD, 38, CODE_FINAL)                                                                   \
    X(NO_KEY, 39, CODE_FINAL)                                                                      \
    X(PROFILE_MISMATCH, 40, CODE_FINAL)                                                            \
    X(FENCED, 41, CODE_FINAL)                                                                      \
    X(NAME_TAKEN, 42, CODE_FINAL)                                                                  \
    X(ADDRESS_TAKEN, 43, CODE_FINAL)                                                               \
    X(IN_DOUBT, 44, CODE_FINAL)                                                                    \
    X(UNSUPPORTED, 45, CODE_FINAL)                                                                 \
    X(DENIED, 46, CODE_FINAL)                                                                      \
    X(CANCELLED, 47, CODE_FINAL)                                                                   \
    X(BAD_FRAME, 48, CODE_FINAL)                                                                   \
    X(BAD_VERSION, 49, CODE_FINAL)                                                                 \
    X(STOPPING, 50, CODE_WAITING)                                                                  \
    X(PURGED, 51, CODE_FINAL)                                                                      \
    X(OTHER, 255, CODE_FINAL) /* a script's own word; the text is in the reason */

enum code {
#define X(name, number, class) CODE_##name = number,
    CODE_MAP(X)
#undef X
};

/* The word, such as "NO_ROUTE"; "" for CODE_NONE, "OTHER" for an unknown number. */
const char *code_name(enum code code);

/* The code with this word; CODE_OTHER when there is none. */
enum code code_from_name(struct span name);

enum code_class code_class(enum code code);

#endif
