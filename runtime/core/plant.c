/* Names of planted bugs, and which one is at work. */
#include "core/plant.h"

#include <string.h>

static const char *const names[PLANT_COUNT] = {
    [PLANT_NONE] = "none",
    [PLANT_ACK_BEFORE_COMMIT] = "ack-before-commit",
    [PLANT_ATTEMPT_NOT_COUNTED] = "attempt-not-counted",
    [PLANT_DEDUP_KEY_TRUNCATED] = "dedup-key-truncated",
    [PLANT_LEASE_NOT_RETURNED] = "lease-not-returned",
    [PLANT_STALE_LEASE_ACCEPTED] = "stale-lease-accepted",
    [PLANT_DUE_OUTSIDE_COMMIT] = "due-outside-commit",
    [PLANT_BASE_MOVED_TOO_EARLY] = "base-moved-too-early",
    [PLANT_UNKNOWN_IS_HANDLED] = "unknown-is-handled",
    [PLANT_AWAITING_RESENT] = "awaiting-resent",
    [PLANT_DEAD_WITHOUT_CAUSE] = "dead-without-cause",
    [PLANT_ROOM_NOT_RESERVED] = "room-not-reserved",
    [PLANT_POISON_CHARGED_TO_NEIGHBOUR] = "poison-charged-to-neighbour",
    [PLANT_RESEND_TAKEN_ANEW] = "resend-taken-anew",
    [PLANT_EXPIRED_DELIVERED] = "expired-delivered",
    [PLANT_LANE_NOT_WRITTEN] = "lane-not-written",
    [PLANT_SETTLED_NOT_DELETED] = "settled-not-deleted",
    [PLANT_PAUSE_NOT_KEPT] = "pause-not-kept",
    [PLANT_STATE_OUTSIDE_COMMIT] = "state-outside-commit",
    [PLANT_EFFECTS_BEFORE_COMMIT] = "effects-before-commit",
    [PLANT_STATE_CONFLICT_UNSEEN] = "state-conflict-unseen",
    [PLANT_ORDER_NOT_KEPT] = "order-not-kept",
    [PLANT_OVERTAKING_TAKEN] = "overtaking-taken",
    [PLANT_RESULT_FORGOTTEN] = "result-forgotten",
    [PLANT_SEEN_NOT_KEPT] = "seen-not-kept",
    [PLANT_FENCE_OPEN] = "fence-open",
    [PLANT_LANE_NOT_OPENED] = "lane-not-opened",
    [PLANT_PURGE_NOT_KEPT] = "purge-not-kept",
    [PLANT_CANCELLED_DELIVERED] = "cancelled-delivered",
    [PLANT_SWEPT_TOO_EARLY] = "swept-too-early",
    [PLANT_FORESEEN_VERSION_KEPT] = "foreseen-version-kept",
    [PLANT_WRITER_NOT_KEPT] = "writer-not-kept",
};

const char *plant_name(enum plant plant)
{
    return plant < PLANT_COUNT ? names[plant] : NULL;
}

#ifdef MOONPOST_PLANTS
enum plant plant_chosen;

bool plant_choose(const char *name)
{
    for (int plant = 0; plant < PLANT_COUNT; plant++)
        if (strcmp(names[plant], name) == 0) {
            plant_chosen = (enum plant)plant;
            return true;
        }
    return false;
}
#else
bool plant_choose(const char *name)
{
    (void)name;
    return false;
}
#endif
