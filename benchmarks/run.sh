#!/bin/sh
# Measures hotpool beside its alternatives, bare sockets first; `sh benchmarks/run.sh --help` says how.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/bench

usage() {
    cat <<EOF
usage: sh benchmarks/run.sh [options]

Installs what is missing (Debian packages, through apt), builds, starts an nginx with one worker on loopback and
measures every row on every kind of work, in alternating rounds; then what else there is to measure. Rows are bare
sockets, Asio, other HTTP clients in C and C++, clients in Go, Rust and JavaScript, and wrk; what cannot be had here
is named and left out. Prints Markdown tables and leaves them in build/bench: results.md, results.csv, and charts if
there is a gnuplot.

  --quick          3 short rounds
  --rounds N       N rounds instead of 7; wrk and bodies of 1 MiB only in every second
  --only REGEX     only where "WORK ROW", such as "tls-32-16k curl", or the name of a section such as "getput"
                   matches; the bare loop is measured all the same
  --two-cores      server and client on one core each, instead of both on the same
  --both           both ways, one after the other
  --strace         count system calls under strace, those of other languages too. It slows the client down so much
                   that the server is always done before the client looks again; without it the kernel counts (which
                   needs root)
  --save           put tables, charts and results.csv into docs/bench
  --compare FILE   compare with FILE, a results.csv of before
  --help           this text
EOF
}

fail_usage() {
    echo "error: $1" >&2
    usage >&2
    exit 2
}

fail() {
    echo "error: $1" >&2
    exit 1
}

rounds=7
size=4000
only=.
modes=same
count=kernel
save=no
compare=
while [ $# -gt 0 ]; do
    case $1 in
    --quick)
        rounds=3
        size=2000
        ;;
    --rounds)
        case ${2:-} in '' | *[!0-9]* | 0*) fail_usage "--rounds needs a number" ;; esac
        rounds=$2
        shift
        ;;
    --only)
        [ $# -ge 2 ] || fail_usage "--only needs a regular expression"
        only=$2
        shift
        ;;
    --two-cores) modes=two ;;
    --both) modes="same two" ;;
    --strace) count=strace ;;
    --save) save=yes ;;
    --compare)
        [ -r "${2:-}" ] || fail_usage "--compare needs a file that can be read"
        compare=$2
        shift
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) fail_usage "unknown option $1" ;;
    esac
    shift
done

mkdir -p "$build"
started=$(date +%s)
. "$root/tools/packages.sh"
. "$root/benchmarks/parts/server.sh"
. "$root/benchmarks/parts/plan.sh"
. "$root/benchmarks/parts/measure.sh"
. "$root/benchmarks/parts/prepare.sh"
. "$root/benchmarks/parts/results.sh"
sections_file=$root/benchmarks/parts/sections.sh
# shellcheck source=/dev/null
[ ! -f "$sections_file" ] || . "$sections_file"

need_toolchain
need_header asio.hpp libasio-dev
need_header curl/curl.h libcurl4-openssl-dev
need_command nginx nginx-light
need_command openssl openssl
need_command strace strace
need_command taskset util-linux
install_missing

want_header boost/beast.hpp libboost-dev
want_header httplib.h libcpp-httplib-dev
want_header Poco/Net/HTTPClientSession.h libpoco-dev
want_header liburing.h liburing-dev
want_command gnuplot gnuplot-nox
want_command wrk wrk
want_peers
install_wanted

build_target() {
    cmake --build "$build" -j "${JOBS:-$(nproc)}" --target "$1" >>"$build/build.log" 2>&1
}

echo "building (minutes the first time)" >&2
if ! cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    -DHOTPOOL_BUILD_TESTS=OFF -DHOTPOOL_BUILD_EXAMPLES=OFF -DHOTPOOL_BUILD_BENCHMARKS=ON >"$build/build.log" 2>&1 ||
    ! build_target hotpool_bench || ! build_target hotpool_bench_getput; then
    cat "$build/build.log" >&2
    fail "the benchmarks do not build"
fi
bench=$build/benchmarks/bench
programs="$bench
"
if cmake --build "$build" --target help 2>/dev/null | grep -q -w hotpool_bench_uring && build_target hotpool_bench_uring
then
    programs="$programs$build/benchmarks/bench_uring
"
elif wanted hotpool-client-uring; then
    not_measured "Asio and hotpool on io_uring" "no bench_uring, see build/bench/build.log; package liburing-dev"
fi
build_peers

# The cores this shell may use, one on each line.
allowed_cores() {
    taskset -pc $$ | awk '{
        count = split($NF, parts, ",")
        for (i = 1; i <= count; i++) {
            split(parts[i] "-" parts[i], ends, "-")
            for (core = ends[1]; core <= ends[2]; core++) print core
        }
    }'
}
client_core=$(allowed_cores | head -n 1)
case $modes in
*two*) [ "$(allowed_cores | wc -l)" -gt 1 ] || fail "two cores are needed for --two-cores and --both" ;;
esac

# Both sides go before whatever else runs on this machine, where that is allowed.
first=
[ "$(nice -n -20 nice 2>/dev/null)" != -20 ] || first="nice -n -20"

run_sections() {
    [ -f "$sections_file" ] || return 0
    kill -0 "$server_pid" 2>/dev/null || restart_server
    echo "sections, $(so_far)" >&2
    sections_run "$only" >>"$build/sections.md" || not_measured "sections" "one of them failed, see what it said"
}

# What needs the server. The sections have no use for a second time on other cores.
measure_mode() {
    cores=$1
    server_core=$client_core
    [ "$cores" = same ] || server_core=$(allowed_cores | sed -n 2p)
    start_server "$server_core" || fail "nginx does not start"
    drop_unserved_works
    [ "$total" -eq 0 ] || measure_all
    [ "$cores" != "${modes%% *}" ] || run_sections
    stop_server
}

IFS='
'
# shellcheck disable=SC2086
set -- $programs$peer_programs
unset IFS
make_plan "$@"
name_library beast boost/beast.hpp Boost.Beast libboost-dev
name_library httplib httplib.h cpp-httplib libcpp-httplib-dev
name_library poco Poco/Net/HTTPClientSession.h Poco libpoco-dev

: >"$raw"
: >"$results"
: >"$build/sections.md"
[ -z "$compare" ] || cp "$compare" "$build/before.csv"
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
estimate=
modes_in_all=$(echo "$modes" | wc -w)
setup_seconds=$(($(date +%s) - started))
for mode in $modes; do measure_mode "$mode"; done

if [ -s "$raw" ]; then
    write_tables
    draw_charts
    [ -z "$compare" ] || compare_with "$build/before.csv"
fi
cat "$build/sections.md" >>"$results"
if echo getput | grep -E -q -e "$only"; then
    echo "get + put, $(so_far)" >&2
    $first "$build/benchmarks/bench_getput" "$rounds" >>"$results"
elif [ ! -s "$results" ] && [ ! -s "$missing" ]; then
    fail_usage "nothing matches $only"
fi
name_missing >>"$results"
cat "$results"
[ $save = no ] || save_results
if [ $own_failures -gt 0 ]; then fail "$own_failures rows of bench failed, see what was not measured"; fi
