/* The list of effects of a step. */
#include "core/effect.h"

#include "core/array.h"

const char *fact_name(enum fact_kind kind)
{
    switch (kind) {
#define X(name, text)                                                                              \
    case FACT_##name: return text;
        FACT_MAP(X)
#undef X
    case FACT_COUNT: break;
    }
    return "unknown";
}

struct effect *effects_add(struct effects *effects, enum effect_kind kind)
{
    array_reserve(effects->items, effects->count, effects->capacity);
    struct effect *effect = &effects->items[effects->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void effects_reset(struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        struct effect *effect = &effects->items[i];
        if (effect->kind == EFFECT_WRITE || effect->kind == EFFECT_ADMIN)
            block_release(effect->block);
        if (effect->kind == EFFECT_FACT) block_release(effect->fact.block);
    }
    effects->count = 0;
    arena_reset(&effects->arena);
}

void effects_deinit(struct effects *effects)
{
    effects_reset(effects);
    arena_deinit(&effects->arena);
    free(effects->items);
    *effects = (struct effects){0};
}
