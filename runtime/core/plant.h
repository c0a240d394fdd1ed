/* The test of the test: bugs that are in a build made for it (BUILD=plant), one of which is chosen
 * by name. In every other build `planted` is false when it is compiled, and nothing of them is
 * left. `make plants` shows that the simulator finds each. */
#ifndef MOONPOST_PLANT_H
#define MOONPOST_PLANT_H

#include <stdbool.h>
#include <stddef.h>

enum plant {
    PLANT_NONE,
    PLANT_ACK_BEFORE_COMMIT,
    PLANT_ATTEMPT_NOT_COUNTED,
    PLANT_DEDUP_KEY_TRUNCATED,
    PLANT_LEASE_NOT_RETURNED,
    PLANT_STALE_LEASE_ACCEPTED,
    PLANT_DUE_OUTSIDE_COMMIT,
    PLANT_BASE_MOVED_TOO_EARLY,
    PLANT_UNKNOWN_IS_HANDLED,
    PLANT_AWAITING_RESENT,
    PLANT_DEAD_WITHOUT_CAUSE,
    PLANT_ROOM_NOT_RESERVED,
    PLANT_POISON_CHARGED_TO_NEIGHBOUR,
    PLANT_RESEND_TAKEN_ANEW,
    PLANT_EXPIRED_DELIVERED,
    PLANT_LANE_NOT_WRITTEN,
    PLANT_SETTLED_NOT_DELETED,
    PLANT_PAUSE_NOT_KEPT,
    PLANT_STATE_OUTSIDE_COMMIT,
    PLANT_EFFECTS_BEFORE_COMMIT,
    PLANT_STATE_CONFLICT_UNSEEN,
    PLANT_ORDER_NOT_KEPT,
    PLANT_OVERTAKING_TAKEN,
    PLANT_RESULT_FORGOTTEN,
    PLANT_SEEN_NOT_KEPT,
    PLANT_FENCE_OPEN,
    PLANT_LANE_NOT_OPENED,
    PLANT_PURGE_NOT_KEPT,
    PLANT_CANCELLED_DELIVERED,
    PLANT_SWEPT_TOO_EARLY,
    PLANT_FORESEEN_VERSION_KEPT,
    PLANT_WRITER_NOT_KEPT,
    PLANT_COUNT
};

/* The name of a plant, as the command line has it, or NULL behind the last. */
const char *plant_name(enum plant plant);

/* Choose the bug of this process; false: there is none of this name here. */
bool plant_choose(const char *name);

#ifdef MOONPOST_PLANTS
extern enum plant plant_chosen;
static inline bool planted(enum plant plant)
{
    return plant == plant_chosen;
}
#else
#define planted(plant) false
#endif

#endif
