/* The executable: the command line in Lua, the shell under it, and worlds for specs. */
#include "shell/front.h"
#include "shell/syncs.h"
#include "sim/world.h"

int main(int argc, char **argv)
{
    static const struct preload preloads[] = {{"moonpost.world", luaopen_moonpost_world},
                                              {NULL, NULL}};
    syncs_count();
    return front_run(argc - 1, argv + 1, preloads);
}
