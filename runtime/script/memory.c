/* What a Lua state holds, and how much it may.
 *
 * LuaJIT's own allocator does the work; this stands before it and counts. What would be too much is
 * denied, but only while a handler runs, where an error of memory is caught: the state raises, and
 * after the turn what is garbage is collected. LuaJIT knows no collection in need, so from half of
 * the cap on one is begun early. */
#include "script/host.h"

#include <stdio.h>

enum {
    SLACK = 8 /* one part of so many: what handling the error may need, and each early start */
};

static bool is_denied(struct memory *memory, size_t used, size_t more)
{
    if (!memory->armed || more == 0) return false;
    size_t slack = memory->denied ? memory->cap / SLACK : 0;
    if (used <= memory->cap + slack) return false;
    memory->denied = true;
    return true;
}

/* Begin to collect at the next chance. Only sets a number, so the allocator may do it. */
static void press(struct memory *memory, size_t used)
{
    memory->press_at = used + memory->cap / SLACK;
    if (memory->press_at > memory->cap) memory->press_at = memory->cap;
    lua_gc(memory->L, LUA_GCRESTART, 0);
}

static void *alloc_above(struct memory *memory, void *block, size_t old_size, size_t new_size)
{
    size_t used = memory->used - old_size + new_size;
    if (is_denied(memory, used, new_size > old_size ? new_size - old_size : 0)) return NULL;
    memory->used = used;
    press(memory, used);
    return memory->alloc(memory->alloc_user, block, old_size, new_size);
}

/* Some ten times a message, so the way of every day is short. */
static void *memory_alloc(void *user, void *block, size_t old_size, size_t new_size)
{
    struct memory *memory = user;
    size_t used = memory->used - old_size + new_size;
    if (used > memory->press_at) return alloc_above(memory, block, old_size, new_size);
    memory->used = used;
    return memory->alloc(memory->alloc_user, block, old_size, new_size);
}

void memory_limit(struct memory *memory, lua_State *L, size_t cap)
{
    memory_unlimit(memory);
    if (cap == 0) return;
    int kib = lua_gc(L, LUA_GCCOUNT, 0), rest = lua_gc(L, LUA_GCCOUNTB, 0);
    *memory = (struct memory){.L = L, .cap = cap, .press_at = cap / 2};
    memory->used = (size_t)kib * 1024 + (size_t)rest;
    memory->alloc = lua_getallocf(L, &memory->alloc_user);
    lua_setallocf(L, memory_alloc, memory);
}

/* LuaJIT ends its allocator as a whole, if it finds it. */
void memory_unlimit(struct memory *memory)
{
    if (memory->alloc) lua_setallocf(memory->L, memory->alloc, memory->alloc_user);
    *memory = (struct memory){.L = NULL};
}

void memory_arm(struct memory *memory)
{
    memory->denied = false;
    memory->armed = memory->cap > 0;
}

void memory_disarm(struct memory *memory)
{
    memory->armed = false;
    if (memory->cap > 0 && memory->used < memory->cap / 2) memory->press_at = memory->cap / 2;
}

static double megabytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Twice: what has a finalizer is freed at the second. */
static int collect(lua_State *L, void *user)
{
    (void)user;
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void memory_relieve(struct task *task)
{
    struct script *script = task->script;
    struct turn turn;
    turn_enter(&turn, task->host, script, PLACE_LOAD, NULL, 0);
    if (!turn_invoke(&turn, collect, NULL, 0, 0)) lua_pop(script->L, 1);
    turn_leave(&turn);
    turn_forget(&turn);
    const struct memory *memory = &script->memory;
    if (memory->used <= memory->cap - memory->cap / SLACK) return;
    host_log(task->host, LOG_ERROR, span_text(task->agent->address),
             "%s keeps %.1f MB of its memory of %.1f MB for good; messages will go on failing",
             task->agent->origin, megabytes(memory->used), megabytes(memory->cap));
}

struct span memory_reason(struct task *task)
{
    char text[128];
    int size = snprintf(text, sizeof text, "not enough memory: the agent may use %.1f MB (memory)",
                        megabytes(task->script->memory.cap));
    return arena_copy(&task->arena, span_of(text, (size_t)size));
}
