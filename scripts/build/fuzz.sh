#!/bin/sh
# Search with each fuzzer for so many seconds, from its corpus and from what earlier searches found
# (build/fuzz/found). What fails is left in build/fuzz/failed, to be played again.
# Usage: fuzz.sh SECONDS FUZZER...
set -eu
seconds=$1
shift
# What a peer or a file may make this process hold.
bounds='-max_len=4096 -rss_limit_mb=2048 -malloc_limit_mb=256 -timeout=20'

for fuzzer; do
    found=build/fuzz/found/$fuzzer failed=build/fuzz/failed/$fuzzer
    mkdir -p "$found" "$failed"
    echo "fuzz: $fuzzer for $seconds s"
    # shellcheck disable=SC2086 # words
    "build/fuzz/fuzz/$fuzzer" "$found" "spec/fuzz/corpus/$fuzzer" $bounds -max_total_time="$seconds" \
        -artifact_prefix="$failed/" -print_final_stats=1 -verbosity="${VERBOSITY:-0}" || {
        echo "fuzz: $fuzzer failed; play it again with  build/fuzz/fuzz/$fuzzer $failed/FILE" >&2
        exit 1
    }
done
