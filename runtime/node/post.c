/* Deep copies of events. */
#include "node/post.h"

#include "core/array.h"

static void copy_message(struct arena *arena, struct message *message)
{
    struct span *spans[] = {&message->id,       &message->origin, &message->to,     &message->from,
                            &message->reply_to, &message->key,    &message->method, &message->topic,
                            &message->headers,  &message->body};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        *spans[i] = arena_copy(arena, *spans[i]);
}

static void *copy_struct(struct arena *arena, const void *from, size_t size)
{
    if (!from) return NULL;
    void *copy = arena_take(arena, size);
    memcpy(copy, from, size);
    return copy;
}

static void copy_submit(struct arena *arena, struct submit *submit)
{
    copy_message(arena, &submit->message);
    submit->retry = copy_struct(arena, submit->retry, sizeof *submit->retry);
}

static const struct submit *copy_sends(struct arena *arena, const struct outcome *outcome)
{
    if (outcome->send_count == 0) return NULL;
    struct submit *sends =
        copy_struct(arena, outcome->sends, outcome->send_count * sizeof *outcome->sends);
    for (size_t i = 0; i < outcome->send_count; i++) copy_submit(arena, &sends[i]);
    return sends;
}

static void copy_state(struct arena *arena, struct outcome *outcome)
{
    struct state_read *reads =
        copy_struct(arena, outcome->reads, outcome->read_count * sizeof *reads);
    struct state_write *writes =
        copy_struct(arena, outcome->writes, outcome->write_count * sizeof *writes);
    for (size_t i = 0; i < outcome->read_count; i++) reads[i].key = arena_copy(arena, reads[i].key);
    for (size_t i = 0; i < outcome->write_count; i++) {
        writes[i].key = arena_copy(arena, writes[i].key);
        writes[i].value = arena_copy(arena, writes[i].value);
    }
    outcome->reads = reads;
    outcome->writes = writes;
}

static const struct transaction *copy_transaction(struct arena *arena,
                                                  const struct transaction *from)
{
    struct transaction *transaction = copy_struct(arena, from, sizeof *from);
    if (!transaction) return NULL;
    struct submit *sends = copy_struct(arena, from->sends, from->count * sizeof *from->sends);
    for (size_t i = 0; i < from->count; i++) copy_submit(arena, &sends[i]);
    transaction->sends = sends;
    return transaction;
}

static void copy_texts(struct arena *arena, struct outcome *outcome)
{
    struct span *spans[] = {&outcome->word, &outcome->reason, &outcome->traceback,
                            &outcome->result};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        *spans[i] = arena_copy(arena, *spans[i]);
}

static const struct outcome *copy_parts(struct arena *arena, const struct outcome *outcome)
{
    size_t count = outcome->part_count;
    struct outcome *parts =
        count > 0 ? copy_struct(arena, outcome->parts, count * sizeof *parts) : NULL;
    for (size_t i = 0; i < count; i++) copy_texts(arena, &parts[i]);
    return parts;
}

static const struct span *copy_spans(struct arena *arena, const struct span *from, size_t count)
{
    struct span *spans = count > 0 ? copy_struct(arena, from, count * sizeof *from) : NULL;
    for (size_t i = 0; i < count; i++) spans[i] = arena_copy(arena, spans[i]);
    return spans;
}

static const struct outcome *copy_outcome(struct arena *arena, const struct outcome *from)
{
    struct outcome *outcome = copy_struct(arena, from, sizeof *from);
    if (!outcome) return NULL;
    copy_texts(arena, outcome);
    outcome->parts = copy_parts(arena, outcome);
    outcome->sends = copy_sends(arena, outcome);
    outcome->cancels = copy_spans(arena, outcome->cancels, outcome->cancel_count);
    if (outcome->read_count + outcome->write_count > 0) copy_state(arena, outcome);
    return outcome;
}

static const struct agent_declaration *copy_agent(struct arena *arena,
                                                  const struct agent_declaration *from)
{
    struct agent_declaration *agent = copy_struct(arena, from, sizeof *from);
    if (agent) agent->address = arena_copy(arena, agent->address);
    return agent;
}

static const struct requeue *copy_requeue(struct arena *arena, const struct requeue *from)
{
    struct requeue *requeue = copy_struct(arena, from, sizeof *from);
    if (!requeue) return NULL;
    requeue->body = arena_copy(arena, requeue->body);
    requeue->to = arena_copy(arena, requeue->to);
    return requeue;
}

static const struct administered *copy_administered(struct arena *arena,
                                                    const struct administered *from)
{
    struct administered *answer = copy_struct(arena, from, sizeof *from);
    if (!answer) return NULL;
    struct span *spans[] = {&answer->word, &answer->reason, &answer->result};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        *spans[i] = arena_copy(arena, *spans[i]);
    return answer;
}

static const struct part *copy_part(struct arena *arena, const struct part *from)
{
    struct part *part = copy_struct(arena, from, sizeof *from);
    if (part) part->body = arena_copy(arena, part->body);
    return part;
}

static const struct peek *copy_peek(struct arena *arena, const struct peek *from)
{
    struct peek *peek = copy_struct(arena, from, sizeof *from);
    if (peek) peek->address = arena_copy(arena, peek->address);
    return peek;
}

static const struct purge *copy_purge(struct arena *arena, const struct purge *from)
{
    struct purge *purge = copy_struct(arena, from, sizeof *from);
    if (purge) purge->address = arena_copy(arena, purge->address);
    return purge;
}

void post_add(struct post *post, const struct event *event)
{
    array_reserve(post->events, post->count, post->capacity);
    struct event *copy = &post->events[post->count++];
    *copy = *event;
    copy->bytes = arena_copy(&post->arena, event->bytes);
    copy->reason = arena_copy(&post->arena, event->reason);
    copy->address = arena_copy(&post->arena, event->address);
    copy->requeue = copy_requeue(&post->arena, event->requeue);
    copy->administered = copy_administered(&post->arena, event->administered);
    copy->part = copy_part(&post->arena, event->part);
    copy->peek = copy_peek(&post->arena, event->peek);
    copy->purge = copy_purge(&post->arena, event->purge);
    copy->agent = copy_agent(&post->arena, event->agent);
    copy->transaction = copy_transaction(&post->arena, event->transaction);
    copy->outcome = copy_outcome(&post->arena, event->outcome);
    struct submit *submit = copy_struct(&post->arena, event->submit, sizeof *event->submit);
    if (submit) copy_submit(&post->arena, submit);
    copy->submit = submit;
}

void post_reset(struct post *post)
{
    post->count = 0;
    arena_reset(&post->arena);
}

void post_deinit(struct post *post)
{
    free(post->events);
    arena_deinit(&post->arena);
    *post = (struct post){0};
}
