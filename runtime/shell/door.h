/* Doors others knock at, and dials of our own. */
#ifndef MOONPOST_DOOR_H
#define MOONPOST_DOOR_H

#include "shell/seat.h"

enum { DIAL_WAIT_MS = 10000 };

/* Listen at an address; the real one (port 0 resolved) is written to `real`. A TCP door outside
 * loopback needs `insecure`. False and a complaint with the way out. */
bool door_open(struct seat *seat, struct span address, bool insecure, struct address *real,
               struct complaint *complaint);

/* Serve moonpost.sock (0600) in the seat's folder, which is there and locked (store/folder.h). A
 * socket that a dead process left is replaced; a living one is a complaint. */
bool door_open_folder(struct seat *seat, const char *folder, struct address *real,
                      struct complaint *complaint);

/* For node_io: see there. Gives up after DIAL_WAIT_MS. */
void door_dial(struct seat *seat, uint32_t dial, struct span address);

void doors_close(struct seat *seat);
void dials_cancel(struct seat *seat);

/* Fail the dials whose time is up. */
void dials_expire(struct seat *seat, int64_t now_ms);

#endif
