# Moonpost in the peers' benchmark: a node with one agent, whose handler reads msg.body.
#
# `make bench` sets MOONPOST_BENCH (the folder of the client, the counter and the agents) and MOONPOST (the
# executable). The store is durable where the executable has one; MOONPOST_BENCH_STORE=memory chooses the other.
durable() {
    [ "${MOONPOST_BENCH_STORE:-durable}" = durable ] && "$MOONPOST" run --help 2>&1 | grep -q -- --no-respawn
}

if durable; then
    SUT_DESC="Moonpost, sync on commit" SUT_CLASS=a
else
    SUT_DESC="Moonpost, store in memory" SUT_CLASS=mem
fi
SUT_BIN=$MOONPOST
SUT_CLIENT=$MOONPOST_BENCH/client
SUT_WORKLOADS="w1 w2 w3"

sut_start() { # DIR PORT
    local respawn="" data=""
    if durable; then respawn=--no-respawn data=$1/store; fi
    cp "$MOONPOST_BENCH/node.lua" "$1/node.lua"
    ${data:+env BENCH_DATA="$data"} env BENCH_DOOR="$2" BENCH_AGENTS="$MOONPOST_BENCH/agents" \
        LUA_CPATH="$MOONPOST_BENCH/?.so" MOONPOST_LOG=warn \
        "$MOONPOST" run "$1/node.lua" $respawn >"$1.log" 2>&1 &
    SUT_PID=$! # env becomes the executable
}
