/* What an operation of ours answers. */
#ifndef MOONPOST_STATUS_H
#define MOONPOST_STATUS_H

#define STATUS_MAP(X)                                                                              \
    X(OK, "ok")                                                                                    \
    X(MORE, "not all bytes are there yet")                                                         \
    X(BAD_FRAME, "bytes that are not a frame")                                                     \
    X(TOO_LARGE, "larger than the limit")                                                          \
    X(UNKNOWN_TYPE, "a frame type this version does not know")                                     \
    X(NOT_FOUND, "no such thing")                                                                  \
    X(BAD_VALUE, "a value that is not allowed")                                                    \
    X(TAKEN, "already in use")                                                                     \
    X(IO, "the operating system refused")                                                          \
    X(SCRIPT, "a script failed")                                                                   \
    X(DAMAGED, "bytes that do not match their checksum")                                           \
    X(FULL, "no room left")

enum status {
#define X(name, text) STATUS_##name,
    STATUS_MAP(X)
#undef X
};

/* A few words for people. */
const char *status_text(enum status status);

#endif
