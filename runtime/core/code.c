/* Codes and their words, from one table. */
#include "core/code.h"

static const struct {
    enum code code;
    const char *name;
    enum code_class class;
} codes[] = {
#define X(name, number, class) {CODE_##name, #name, class},
    CODE_MAP(X)
#undef X
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

const char *code_name(enum code code)
{
    if (code == CODE_NONE) return "";
    for (size_t i = 0; i < CODE_COUNT; i++)
        if (codes[i].code == code) return codes[i].name;
    return "OTHER";
}

enum code code_from_name(struct span name)
{
    for (size_t i = 1; i < CODE_COUNT; i++)
        if (span_equal(name, span_text(codes[i].name))) return codes[i].code;
    return CODE_OTHER;
}

enum code_class code_class(enum code code)
{
    for (size_t i = 0; i < CODE_COUNT; i++)
        if (codes[i].code == code) return codes[i].class;
    return CODE_FINAL;
}
