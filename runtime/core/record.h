/* Keys and values of the store. Numbers in keys are big-endian, so the store's order is age.
 *
 *   'm' sequence                       a message: kind of queue, its name, number, data frame
 *   'f' sequence                       delivery facts, only when something happened
 *   'd' sequence                       a dead letter: why, and every failure; the message stays in
 * 'm' 'l' origin epoch destination       a lane: base, end and its runs 'e' store id the highest
 * epoch seen of it
 */
#ifndef MOONPOST_RECORD_H
#define MOONPOST_RECORD_H

#include "core/buffer.h"
#include "core/lane.h"
#include "core/queue.h"

enum record_kind {
    RECORD_MESSAGE = 'm',
    RECORD_FACTS = 'f',
    RECORD_DEAD = 'd',
    RECORD_LANE = 'l',
    RECORD_EPOCH = 'e',
};

enum { RECORD_KEY_MAX = 1 + LANE_KEY_MAX };

/* Compose a key into `buffer` (RECORD_KEY_MAX bytes). */
struct span record_key(char *buffer, enum record_kind kind, uint64_t sequence);
struct span record_lane_key(char *buffer, const struct lane *lane);
struct span record_epoch_key(char *buffer, struct span store_id);

/* Values, appended to `out`. A message's value is what record_message_head writes, followed by its
 * data frame. */
void record_message_head(const struct entry *entry, struct buffer *out);
void record_facts(const struct entry *entry, struct buffer *out);
void record_dead(const struct entry *entry, struct span word, struct span reason,
                 struct buffer *out);
void record_lane(const struct lane *lane, struct buffer *out);

#endif
