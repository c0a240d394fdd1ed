/* Programs: a script with arguments that runs as a coroutine until it ends. */
#include "script/host.h"

#include <math.h>

enum { EXIT_DECLARATION = 2 };

static const char *environment_of(const struct script *script)
{
    return script->kind == SCRIPT_SPEC ? "spec" : "program";
}

/* `arg` as the stand-alone interpreter has it: the script's own name is arg[0]. */
static void push_arg(lua_State *L, const struct program_source *source)
{
    lua_createtable(L, source->argc, 1);
    lua_pushstring(L, source->path);
    lua_rawseti(L, -2, 0);
    for (int i = 0; i < source->argc; i++) {
        lua_pushstring(L, source->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_arg(lua_State *L, int function, const struct program_source *source)
{
    lua_getfenv(L, function);
    lua_pushliteral(L, "arg");
    push_arg(L, source);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

int program_prepare(lua_State *L, struct task *task)
{
    const struct program_source *source = task->source;
    luaL_checkstack(L, source->argc + 8, "too many arguments");
    state_compile(task->script, L, source->path, source->text, environment_of(task->script));
    set_arg(L, 1, source);
    for (int i = 0; i < source->argc; i++) lua_pushstring(L, source->argv[i]);
    task->source = NULL; /* from here on it runs */
    return 1 + source->argc;
}

void script_program(struct script *script, const char *path, const char *text, int argc,
                    char *const *argv)
{
    struct program_source source = {path, text, argc, argv};
    struct task *task = task_new(script->host, script, TASK_PROGRAM);
    task->source = &source;
    task_start(task);
}

/* What a program returns: nothing or true is 0, false is 1, a number is itself. */
static int exit_code(lua_State *co)
{
    if (lua_gettop(co) == 0 || lua_isnil(co, 1)) return 0;
    if (lua_isboolean(co, 1)) return lua_toboolean(co, 1) ? 0 : 1;
    if (lua_type(co, 1) != LUA_TNUMBER) return 0;
    double number = lua_tonumber(co, 1);
    return number >= 0 && number <= 255 ? (int)lround(number) : 1;
}

static const struct {
    const char *type, *text;
} declarations[] = {
    {"moonpost.agent", "this is an agent, which a node runs: moonpost run FILE"},
    {"moonpost.node", "these are a node's settings: moonpost run FILE"},
    {"moonpost.hook", "this is a hook, which a node's settings name: hooks = { ... }"},
};

/* What is wrong with a program that only declares something; NULL: it does not. */
static const char *declaration(lua_State *co)
{
    for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++)
        if (lua_gettop(co) > 0 && value_is(co, 1, declarations[i].type))
            return declarations[i].text;
    return NULL;
}

/* The error's text and, when it ran already, where it was raised. */
static struct block *program_error(struct task *task)
{
    lua_State *co = task->worker->co;
    struct span text = error_text(task->host, co, -1);
    if (task->source) return block_copy(text);
    luaL_traceback(co, co, NULL, 0);
    struct buffer both = {0};
    buffer_put(&both, text);
    buffer_put(&both, span_text("\n"));
    buffer_put(&both, span_at(co, -1));
    return buffer_take(&both);
}

struct program_result program_end(struct task *task, int status)
{
    struct program_result result = {.env = task->host->env, .exit_code = 1};
    const char *declared = status == 0 ? declaration(task->worker->co) : NULL;
    if (declared) {
        result.exit_code = EXIT_DECLARATION;
        result.error = block_copy(span_text(declared));
    } else if (status == 0)
        result.exit_code = exit_code(task->worker->co);
    else
        result.error = program_error(task);
    return result;
}

void program_tell(struct program_result *result)
{
    struct script_env *env = &result->env;
    if (env->program_done)
        env->program_done(env->user, result->exit_code, block_span(result->error));
    block_release(result->error);
}
