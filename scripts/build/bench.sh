#!/bin/sh
# Moonpost beside its peers: bench.sh EXECUTABLE. Without the peers' harness (BENCH_PEERS names its folder) only
# `moonpost bench`. See spec/bench/README.md for the variables.
set -eu
moonpost=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
built=$here/build/bench
harness=${BENCH_PEERS:-}

if [ ! -f "$harness/run.sh" ] || [ ! -f "$harness/clients/bench.h" ]; then
    echo "make bench: BENCH_PEERS names no folder with the peers' harness (run.sh, clients/bench.h): Moonpost alone" >&2
    exec "$moonpost" bench ${COUNT:+--count "$COUNT"}
fi

mkdir -p "$built/peers"
cp -R "$harness/Makefile" "$harness/run.sh" "$harness/report.awk" "$harness/clients" "$harness/systems" \
    "$harness/phys" "$built/peers/"
make -s -k -C "$built/peers" || echo "make bench: not every client of the harness could be built; its systems are left out" >&2
cp -R "$here/spec/bench/agents" "$here/spec/bench/node.lua" "$built/"

compile="${CC:-cc} -O2 -g -std=gnu11 -Wall -Wextra"
# The harness takes a remainder of a size that the compiler does not know to be small.
$compile -Wno-array-bounds -Wno-stringop-overread -I"$built/peers/clients" -o "$built/client" "$here/spec/bench/client.c"
$compile -shared -fPIC $(pkg-config --cflags luajit) -o "$built/moonpost_bench.so" "$here/spec/bench/counter.c"

export MOONPOST="$moonpost" MOONPOST_BENCH="$built" BENCH_SYSTEMS_DIR="$here/spec/bench/systems"
exec "$built/peers/run.sh" -s "${SYSTEMS:-moonpost redis-always beanstalkd-f0 nats-js nats-core}" \
    -w "${WORKLOADS:-w1 w2 w3}" -r "${ROUNDS:-3}" -S "${SIZES:-128 1024}" -W "${WINDOWS:-1 100 1000}" \
    -T "${SECONDS_EACH:-3}" -N "${MESSAGES:-1000000}" -o "${OUT:-$built/out/$(date +%Y%m%d-%H%M%S)}"
