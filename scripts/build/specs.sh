#!/bin/sh
# Run every spec with the executable given: those that start processes or wait for a disk beside the
# others. WITHOUT='NAME|NAME' leaves these folders of spec out. Ends with one line for all, `N passed, N
# failed`, and fails when one failed.
set -u
moonpost=$1
results=$(mktemp -d)
aside=
trap 'rm -rf "$results"' EXIT
trap 'kill $aside 2>/dev/null; exit 130' INT TERM

# Run what follows aside, as one part.
part() {
    name=$1
    shift
    "$moonpost" test "$@" >"$results/$name" 2>&1 &
    aside="$aside $!"
}

# shellcheck disable=SC2046 # files, one word each
part process $(find spec/process -name '*_spec.lua' ! -name 'example_spec.lua' ! -name 'command_spec.lua' | sort)
part commands spec/process/command_spec.lua spec/process/example_spec.lua
folders=$(find spec -mindepth 1 -maxdepth 1 -type d | grep -Ev "/(process|support${WITHOUT:+|$WITHOUT})\$" | sort)
disk='/(rock|store|shell|build)$'
# shellcheck disable=SC2046 # folders, one word each
part disk $(echo "$folders" | grep -E "$disk")
others=$(echo "$folders" | grep -Ev "$disk")
# shellcheck disable=SC2086 # folders, one word each
"$moonpost" test $others | tee "$results/others" | sed '$d'
# shellcheck disable=SC2086
wait $aside
for name in process commands disk; do sed '$d' "$results/$name"; done

tail -qn1 "$results"/* | awk '
    /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; parts++ }
    END {
        if (parts != 4) { print "a part of the specs has no result" > "/dev/stderr"; failed++ }
        printf "%d passed, %d failed\n", passed, failed
        exit failed > 0
    }'
