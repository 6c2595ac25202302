#!/bin/sh
# Measures hotpool beside bare sockets, bare Asio and libcurl; `sh benchmarks/run.sh --help` says how.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
. "$root/benchmarks/server.sh"

usage() {
    cat <<END
usage: sh benchmarks/run.sh [options]

Installs what is missing (Debian packages, through apt), builds, starts an nginx with one worker on loopback and
measures every row on every kind of work, in alternating rounds. Then measures get + put. Prints Markdown tables
and leaves them in build/bench/results.md, and the exchanges also in build/bench/results.csv.

  --quick        3 short rounds
  --rounds N     N rounds instead of 21
  --only REGEX   only where "WORK ROW", such as "tls-32-16k curl", or "getput" matches; the bare loop is measured
                 all the same
  --two-cores    server and client on one core each, instead of both on the same
  --strace       count system calls under strace. It slows the client down so much that the server is always done
                 before the client looks again; without it the kernel counts (which needs root)
  --help         this text
END
}

fail_usage() {
    echo "error: $1" >&2
    usage >&2
    exit 2
}

works="plain-seq-100 plain-32-100 plain-seq-16k plain-32-16k tls-seq-100 tls-32-100 tls-seq-16k tls-32-16k"
rounds=21
size=4000
only=.
cores=same
count=kernel
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
    --two-cores) cores=two ;;
    --strace) count=strace ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) fail_usage "unknown option $1" ;;
    esac
    shift
done

need_toolchain
need_header asio.hpp libasio-dev
need_header curl/curl.h libcurl4-openssl-dev
need_command nginx nginx-light
need_command openssl openssl
need_command strace strace
need_command taskset util-linux
install_missing

build=$root/build/bench
mkdir -p "$build"
echo "building (half a minute the first time)" >&2
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
        -DHOTPOOL_BUILD_TESTS=OFF -DHOTPOOL_BUILD_EXAMPLES=OFF -DHOTPOOL_BUILD_BENCHMARKS=ON &&
        cmake --build "$build" -j "$(nproc)" --target hotpool_bench hotpool_bench_getput
} >"$build/build.log" 2>&1; then
    cat "$build/build.log" >&2
    echo "error: the benchmarks do not build" >&2
    exit 1
fi
bench=$build/benchmarks/bench
raw=$build/raw.tsv  # a line for each measurement
plan=$build/plan    # a line for each row of each kind of work
results=$build/results.md
started=$(date +%s)

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
server_core=$client_core
if [ $cores = two ]; then
    server_core=$(allowed_cores | sed -n 2p)
    [ -n "$server_core" ] || fail_usage "--two-cores needs two cores"
fi

# Both sides go before whatever else runs on this machine, where that is allowed.
first=
[ "$(nice -n -20 nice 2>/dev/null)" != -20 ] || first="nice -n -20"

# The bare epoll loop comes with whatever is compared with it.
make_plan() {
    for work in $works; do
        "$bench" --list "$work" | awk -F '\t' -v work="$work" '{ print work, $1 }'
    done | awk -v only="$only" '
        $0 ~ only { wanted[$1] = 1 }
        { line[NR] = $0; work[NR] = $1 }
        END {
            for (i = 1; i <= NR; i++)
                if (line[i] ~ only || ((work[i] in wanted) && line[i] ~ / epoll$/)) print line[i]
        }' >"$plan"
}

# run_bench ROW WORK REQUESTS [COMMAND...]: prints the row's line of name=value fields, run under COMMAND
bench_options=
run_bench() {
    row=$1
    work=$2
    requests=$3
    shift 3
    case $work in
    plain-*) port=$server_plain_port ;;
    *) port=$server_tls_port ;;
    esac
    # shellcheck disable=SC2086
    $first taskset -c "$client_core" "$@" "$bench" --row "$row" --work "$work" --requests "$requests" \
        --port "$port" --ca "$server_ca" $bench_options
}

measure() {
    requests=$size
    case $2 in *-16k) requests=$((size / 2)) ;; esac
    printf 'round=%s\t' "$round" >>"$raw"
    run_bench "$1" "$2" $requests >>"$raw"
}

# strace_calls ROW WORK: system calls under strace; start and warm-up drop out in the difference of two runs
strace_calls() {
    for requests in 1000 3000; do
        run_bench "$1" "$2" $requests strace -f -c -o "$server_dir/strace" >/dev/null
        awk '$4 ~ /^[0-9]+$/ && $NF != "total" { calls += $4 } END { print calls }' "$server_dir/strace"
    done | awk -v row="$1" -v work="$2" '
        { calls[NR] = $1 }
        END { printf "row=%s\twork=%s\tstrace=%.4f\n", row, work, (calls[2] - calls[1]) / 2000 }'
}

count_calls() {
    bench_options="--count 1"
    counted=$(run_bench "$1" "$2" 4000)
    bench_options=
    echo "$counted" >>"$raw"
    case $counted in *syscalls=*) ;; *) count=strace ;; esac
    [ $count = kernel ] || strace_calls "$1" "$2" >>"$raw"
}

# progress PHASE STEP WORK ROW
progress() {
    if [ -t 2 ]; then
        printf '\r\033[K%s, %s of %s: %s %s, %s s' "$1" "$2" "$total" "$3" "$4" $(($(date +%s) - started)) >&2
    elif [ "$2" -eq 1 ]; then
        echo "$1: $total rows, $(($(date +%s) - started)) s so far" >&2
    fi
}

# each_row PHASE COMMAND: calls COMMAND ROW WORK for every line of the plan
each_row() {
    step=0
    while read -r work row; do
        step=$((step + 1))
        progress "$1" $step "$work" "$row"
        $2 "$row" "$work" </dev/null
    done <"$plan"
}

exchanges() {
    trap stop_server EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if ! start_server "$server_core"; then
        echo "error: nginx does not start" >&2
        exit 1
    fi
    : >"$raw"
    round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        each_row "round $round of $rounds" measure
    done
    each_row "counting" count_calls
    [ ! -t 2 ] || printf '\r\033[K' >&2
    stop_server
    awk -v csv="$build/results.csv" -v cores=$cores \
        -v processor="$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
        -f "$root/benchmarks/report.awk" "$raw" >>"$results"
}

: >"$results"
make_plan
total=$(awk 'END { print NR }' "$plan")
[ "$total" -eq 0 ] || exchanges
if echo getput | awk -v only="$only" '$0 !~ only { exit 1 }'; then
    echo "get + put" >&2
    $first "$build/benchmarks/bench_getput" "$rounds" >>"$results"
elif [ "$total" -eq 0 ]; then
    fail_usage "nothing matches $only"
fi
cat "$results"
