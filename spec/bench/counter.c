/* The Lua module `moonpost_bench`: counts and times message bodies for the peers' benchmark. It is
 * one for all Lua states of the process. */
#define _GNU_SOURCE
#include "counter.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct flow {
    _Atomic uint64_t received; /* the first member of the harness' own struct */
};

static struct counter *counter;
static size_t counter_bytes;
static struct flow *flow;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *map(const char *path, size_t *size)
{
    struct stat file;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *at = MAP_FAILED;
    if (fstat(fd, &file) == 0)
        at = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                  0);
    close(fd);
    *size = (size_t)file.st_size;
    return at == MAP_FAILED ? NULL : at;
}

/* end(): nothing is counted any more. */
static int count_end(lua_State *L)
{
    (void)L;
    if (counter) munmap(counter, counter_bytes);
    if (flow) munmap(flow, sizeof *flow);
    counter = NULL;
    flow = NULL;
    return 0;
}

/* begin(file [, flow file]): count into that shared memory. */
static int count_begin(lua_State *L)
{
    size_t flow_size;
    const char *file = luaL_checkstring(L, 1), *flow_file = luaL_optstring(L, 2, "");
    count_end(L);
    counter = map(file, &counter_bytes);
    if (!counter) return luaL_error(L, "cannot map %s", file);
    if (!flow_file[0]) return 0;
    flow = map(flow_file, &flow_size);
    if (!flow) return luaL_error(L, "cannot map %s", flow_file);
    return 0;
}

/* open() -> may messages be counted now? */
static int count_open(lua_State *L)
{
    lua_pushboolean(L, counter != NULL);
    return 1;
}

/* Is this number new? */
static bool note_number(uint64_t number)
{
    uint8_t *seen = counter_seen(counter);
    bool bad = number >= counter->n, duplicate = !bad && seen[number];
    counter->bad += bad;
    counter->duplicates += duplicate;
    if (bad || duplicate) return false;
    seen[number] = 1;
    counter->disordered += number != counter->next;
    counter->next = number + 1;
    return true;
}

static void note(const char *body)
{
    uint64_t words[2], now = now_ns(); /* when it was published, and its number */
    memcpy(words, body, sizeof words);
    if (counter->first_ns == 0) counter->first_ns = now;
    if (!note_number(words[1])) return;
    counter->last_ns = now;
    counter_latencies(counter)[counter->handled] = now - words[0];
    atomic_fetch_add_explicit(&counter->handled, 1, memory_order_release);
    if (flow) atomic_fetch_add_explicit(&flow->received, 1, memory_order_relaxed);
}

/* take(body) */
static int count_take(lua_State *L)
{
    size_t size;
    const char *body = luaL_checklstring(L, 1, &size);
    if (!counter) return luaL_error(L, "nobody has begun to count");
    if (size == counter->body_size)
        note(body);
    else
        counter->bad++;
    return 0;
}

int luaopen_moonpost_bench(lua_State *L);
int luaopen_moonpost_bench(lua_State *L)
{
    static const luaL_Reg functions[] = {{"begin", count_begin},
                                         {"finish", count_end},
                                         {"open", count_open},
                                         {"take", count_take},
                                         {NULL, NULL}};
    lua_newtable(L);
    for (const luaL_Reg *each = functions; each->name; each++) {
        lua_pushcfunction(L, each->func);
        lua_setfield(L, -2, each->name);
    }
    return 1;
}
