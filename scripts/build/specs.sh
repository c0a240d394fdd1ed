#!/bin/sh
# Run every spec with the executable given: those that start processes and wait for them beside the
# others. Ends with one line for both, `N passed, N failed`, and fails when one failed.
set -u
moonpost=$1
aside=$(mktemp)
trap 'rm -f "$aside" "$aside.own"' EXIT

"$moonpost" test spec/process >"$aside" 2>&1 &
process=$!
trap 'kill $process 2>/dev/null; exit 130' INT TERM
others=$(find spec -mindepth 1 -maxdepth 1 -type d ! -name process ! -name support | sort)
# shellcheck disable=SC2086 # folders, one word each
"$moonpost" test $others | tee "$aside.own" | sed '$d'
wait $process
sed '$d' "$aside"

tail -qn1 "$aside.own" "$aside" | awk '
    /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; parts++ }
    END {
        if (parts != 2) { print "a part of the specs has no result" > "/dev/stderr"; failed++ }
        printf "%d passed, %d failed\n", passed, failed
        exit failed > 0
    }'
