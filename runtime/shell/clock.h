/* The clocks and the chance of the real world. */
#ifndef MOONPOST_CLOCK_H
#define MOONPOST_CLOCK_H

#include <stdint.h>

/* Milliseconds since the machine started, time asleep included; read afresh at every call. */
int64_t clock_now_ms(void);

/* Milliseconds since 1970; only for people. */
int64_t clock_wall_ms(void);

/* The same in microseconds: fine enough to tell which of two processes spoke first. */
int64_t clock_wall_us(void);

/* 64 bits that nobody can foresee. */
uint64_t clock_random(void);

#endif
