/* Invariants that stay on in every build: a broken one is a bug of ours, and the process stops. */
#ifndef MOONPOST_ENSURE_H
#define MOONPOST_ENSURE_H

#define ensure(condition) ((condition) ? (void)0 : ensure_failed(#condition, __FILE__, __LINE__))

/* Write what was broken to standard error and abort. */
_Noreturn void ensure_failed(const char *condition, const char *file, int line);

#endif
