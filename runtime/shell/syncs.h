/* Counts fsync, fdatasync and msync of this process. */
#ifndef MOONPOST_SYNCS_H
#define MOONPOST_SYNCS_H

/* Count into the file of MOONPOST_BENCH_SYNCS (eight bytes in the machine's order), when there is
 * one. Once, at start. */
void syncs_count(void);

#endif
