/* Notices: how an agent is told of a dead letter of its own (on.dead).
 *
 * A notice is a message that the mailbox puts into itself in the batch that buries the letter,
 * under the letter's key; its body is all there is to say, so that it does not matter what becomes
 * of the letter meanwhile. Nobody sends one, so no policy is asked whether it is a duplicate; one
 * that fails for good is dropped and said: there are no dead letters about dead letters. */
#ifndef MOONPOST_NOTICE_H
#define MOONPOST_NOTICE_H

#include "core/engine.h"

/* Read the body of a notice. Times in the letter are wall clock; the block of its message is given,
 * its failures are in the arena, its texts are borrowed from the body. DAMAGED. */
enum status notice_read(struct span body, struct arena *arena, struct dead_letter *letter);

#endif
