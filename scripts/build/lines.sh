#!/bin/sh
# Say which lines of the core and of the stores ran since their counters were removed: of each file
# the share, how many it has, and which did not. Usage: lines.sh BUILD_FOLDER
set -eu
build=$1

# A line of gcov: how often it ran (-: it is none, #####: never), its number, itself.
# shellcheck disable=SC2046 # files, one word each
gcov -t -r -s "$(pwd)" $(find "$build/core" "$build/store" -name '*.gcda') 2>/dev/null | awk -F: '
    function share(some, whole) { return whole ? 100 * (whole - some) / whole : 0 }
    $2 + 0 == 0 && $3 == "Source" { file = $4 }
    file !~ /^runtime.(core|store).[^.]*[.]c$/ || $2 + 0 == 0 || $1 ~ /^ *-$/ { next }
    { all[file]++ }
    $1 ~ /#####|=====/ { missed[file]++; lines[file] = lines[file] " " ($2 + 0) }
    END {
        for (file in all) {
            printf "%6.2f %% of %4d  %s %s\n", share(missed[file], all[file]), all[file], file, lines[file] | "sort -k5"
            sum += all[file]
            without += missed[file]
        }
        close("sort -k5")
        printf "%6.2f %% of %d lines\n", share(without, sum), sum
    }'
