/* Requests of `$node`, answered by lua/moonpost/admin.lua in the node's own state. */
#include "script/host.h"

struct admin_request {
    uint64_t token;
    const struct block *block;
    const struct page *page;
};

/* Push moonpost.admin.answer and its arguments: the request, method, body, who asks, the page. */
static void push_question(lua_State *L, const struct admin_request *request)
{
    struct message message = message_of(request->block);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moonpost.admin");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "answer");
    lua_pushnumber(L, (double)request->token);
    push_span(L, message.method);
    push_body(L, script_of(L), message.encoding, message.body);
    push_span(L, message.from);
    inside_push_page(L, script_of(L), request->page);
}

/* Leaves code or nil, reason, result, its encoding; false: it is asked once more. */
static int ask(lua_State *L, void *user)
{
    push_question(L, user);
    lua_call(L, 5, 4);
    return 4;
}

static struct span text_at(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TSTRING ? span_at(L, index) : span_text(NULL);
}

static void read_answer(lua_State *L, struct administered *answer)
{
    code_take(text_at(L, -4), &answer->code, &answer->word);
    answer->reason = text_at(L, -3);
    answer->result = text_at(L, -2);
    answer->encoding = span_equal(text_at(L, -1), span_text("raw")) ? ENCODING_RAW : ENCODING_JSON;
}

/* A body that is no JSON, or a bug of ours. */
static void read_failure(struct script_host *host, lua_State *L, const struct turn *turn,
                         struct administered *answer)
{
    struct span text = turn->over ? block_span(turn->reason) : error_text(host, L, -1);
    host_log(host, LOG_ERROR, span_text("$node"), "%.*s", SPAN_ARGS(text));
    answer->code = CODE_REJECTED;
    answer->reason = text;
}

static bool comes_again(lua_State *L, bool ok)
{
    return ok && lua_isboolean(L, -4) && !lua_toboolean(L, -4);
}

void script_admin(struct script_host *host, uint64_t request, const struct block *block,
                  const struct page *page)
{
    struct script *script = host_node_state(host);
    struct admin_request question = {request, block, page};
    struct administered answer = {.encoding = ENCODING_JSON};
    struct turn turn;
    int top = lua_gettop(script->L);
    turn_enter(&turn, host, script, PLACE_HOOK, NULL, LOAD_BUDGET_MS);
    bool ok = turn_invoke(&turn, ask, &question, 0, 4);
    turn_leave(&turn);
    if (ok)
        read_answer(script->L, &answer);
    else
        read_failure(host, script->L, &turn, &answer);
    if (!comes_again(script->L, ok))
        host->env.post(host->env.user, &(struct event){.kind = EVENT_ADMINISTERED,
                                                       .waiter = request,
                                                       .administered = &answer});
    turn_forget(&turn);
    lua_settop(script->L, top);
}
