#!/bin/sh
# Where the instructions of one request go, step by step: sh benchmarks/breakdown.sh [WORK [ROW]]
#
# Runs a row of bench (hotpool-client unless told) on a kind of work (plain-seq-100 unless told) under callgrind, for
# 2000 and for 6000 requests, so that start-up drops out, and prints instructions per request in user space by part as
# a Markdown table. The kernel's share is not in it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
. "$root/benchmarks/parts/server.sh"
work=${1:-plain-seq-100}
row=${2:-hotpool-client}

need_toolchain
need_header asio.hpp libasio-dev
need_command nginx nginx-light
need_command openssl openssl
need_command valgrind valgrind
install_missing

build=$root/build/breakdown
mkdir -p "$build"
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -g -DNDEBUG" \
        -DHOTPOOL_BUILD_TESTS=OFF -DHOTPOOL_BUILD_EXAMPLES=OFF -DHOTPOOL_BUILD_BENCHMARKS=ON &&
        cmake --build "$build" -j "$(nproc)" --target hotpool_bench
} >"$build/build.log" 2>&1; then
    cat "$build/build.log" >&2
    echo "error: the benchmarks do not build" >&2
    exit 1
fi

first=
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if ! start_server "$(taskset -pc $$ | sed 's/.*[:,-] *//')"; then
    echo "error: nginx does not start" >&2
    exit 1
fi
case $work in
plain-*) port=$server_plain_port ;;
*) port=$server_tls_port ;;
esac

for requests in 2000 6000; do
    if ! valgrind --tool=callgrind --callgrind-out-file="$build/out.$requests" "$build/benchmarks/bench" \
        --row "$row" --work "$work" --requests "$requests" --port "$port" --ca "$server_ca" >"$build/run.log" 2>&1; then
        cat "$build/run.log" >&2
        echo "error: no row $row for $work, or it failed" >&2
        exit 1
    fi
    callgrind_annotate --threshold=100 --auto=no "$build/out.$requests" >"$build/costs.$requests"
done
awk -v work="$work" -v row="$row" -v requests=4000 -f "$root/benchmarks/report/breakdown.awk" \
    "$build/costs.2000" "$build/costs.6000"
