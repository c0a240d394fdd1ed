/* The executable: the command line in Lua, the shell under it, and worlds for specs. */
#include <stdbool.h>
#include <string.h>

#include "shell/front.h"
#include "shell/syncs.h"
#include "sim/hash_seed.h"
#include "sim/world.h"

/* Commands whose scripts run in worlds only. */
static bool is_about_worlds(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "test") == 0 || strcmp(argv[1], "sim") == 0);
}

int main(int argc, char **argv)
{
    static const struct preload preloads[] = {{"moonpost.world", luaopen_moonpost_world},
                                              {NULL, NULL}};
    if (is_about_worlds(argc, argv)) {
        addresses_fix(argv);
        hash_seed_fix();
    }
    syncs_count();
    return front_run(argc - 1, argv + 1, preloads);
}
