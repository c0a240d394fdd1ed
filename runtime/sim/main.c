/* build/sim: worlds without the shell. Runs a Lua file in which require "moonpost.test" makes
 * worlds:
 *
 *     build/sim FILE [ARG...]
 *
 * In a build with planted bugs (core/plant.h) MOONPOST_PLANT names the one at work.
 *
 * It links without libuv, which is what keeps the folder rule honest. Exit code 0; 1 when the file
 * raised; 2 for wrong usage. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "core/plant.h"
#include "core/random.h"
#include "sim/hash_seed.h"
#include "sim/world.h"

struct sim {
    uint64_t random;
    int exit_code;
};

static int64_t sim_now_ms(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t sim_wall_ms(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t sim_random(void *user)
{
    return random_next(&((struct sim *)user)->random);
}

static void sim_log(void *user, const struct log_record *record)
{
    (void)user;
    fprintf(stderr, "%.*s\n", SPAN_ARGS(record->text));
}

static void sim_post(void *user, const struct event *event)
{
    (void)user;
    (void)event; /* this state has no engine: nothing in it can wait */
}

static void sim_done(void *user, int exit_code, struct span error)
{
    struct sim *sim = user;
    sim->exit_code = exit_code;
    if (error.size > 0) fprintf(stderr, "sim: %.*s\n", SPAN_ARGS(error));
}

static int sim_run(struct sim *sim, const char *path, int argc, char *const *argv)
{
    struct script_env env = {.user = sim,
                             .now_ms = sim_now_ms,
                             .wall_ms = sim_wall_ms,
                             .random = sim_random,
                             .log = sim_log,
                             .post = sim_post,
                             .program_done = sim_done};
    struct script_host *host = script_host_new(&env);
    struct script *script = script_new(host, SCRIPT_SPEC, ".");
    script_preload(script, "moonpost.world", luaopen_moonpost_world);
    script_program(script, path, NULL, argc, argv);
    script_host_free(host);
    return sim->exit_code;
}

/* Without MOONPOST_PLANT there is nothing to choose. A wrong name, such as "?", lists the right
 * ones. */
static bool choose_plant(void)
{
    const char *name = getenv("MOONPOST_PLANT");
    if (!name || plant_choose(name)) return true;
    for (int plant = PLANT_NONE + 1; plant < PLANT_COUNT; plant++)
        puts(plant_name((enum plant)plant));
    return false;
}

int main(int argc, char **argv)
{
    struct sim sim = {.random = 1, .exit_code = 1};
    addresses_fix(argv);
    hash_seed_fix();
    if (!choose_plant()) return 2;
    if (argc >= 2) return sim_run(&sim, argv[1], argc - 2, argv + 2);
    fprintf(stderr, "usage: sim FILE [ARG...]\n");
    return 2;
}
