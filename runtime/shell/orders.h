/* Orders to stop a node: the second SIGINT or SIGTERM ends the process at once, also when the loop
 * does not turn. Whose handler ran then is not to blame for it. */
#ifndef MOONPOST_ORDERS_H
#define MOONPOST_ORDERS_H

#include "core/inhand.h"

/* From now on; libuv watches both signals already and goes on being told of the first. `inhand`
 * (NULL: there is none) must stay where it is until orders_forget. */
void orders_watch(struct inhand *inhand);

/* The page is gone: the node has left. Orders count on. */
void orders_forget(void);

#endif
