/* What a node that stops leaves behind, for people. */
#ifndef MOONPOST_LEFT_H
#define MOONPOST_LEFT_H

#include "node/node.h"
#include "shell/log.h"

/* A line for each queue that holds something, up to a number of them, and one for the others.
 * `kept`: on disk; else it is lost with the process. */
void left_say(struct node *node, struct log *log, bool kept);

#endif
