/* Pages of messages. */
#include "core/load.h"

#include <stdlib.h>
#include "core/ensure.h"

struct load *load_new(struct queue *queue)
{
    struct load *load = calloc(1, sizeof *load);
    ensure(load != NULL);
    load->queue = queue;
    return load;
}

void load_free(struct load *load)
{
    if (!load) return;
    for (size_t i = 0; i < load->count; i++) block_release(load->items[i].value);
    free(load);
}
