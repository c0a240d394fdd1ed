/* Patterns of addresses: segments between dots and the "@", where "*" stands for one segment and a
 * last ">" for one or more. */
#ifndef MOONPOST_PATTERN_H
#define MOONPOST_PATTERN_H

#include "core/span.h"

bool pattern_matches(const char *pattern, struct span address);

#endif
