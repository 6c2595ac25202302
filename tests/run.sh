#!/bin/sh
# Installs what is missing, builds the tests and runs them; `sh tests/run.sh --help` says how.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 2
. tools/packages.sh

usage() {
    cat <<END
usage: sh tests/run.sh [options]

Installs what is missing (Debian packages, through apt), builds and runs the tests: the presets default (headers,
examples, lints, and of the tests in programs only those that count allocations), asan (all tests in programs, under the
address and undefined behaviour sanitizers) and, for what uses several threads, tsan (thread sanitizer).
The last line is "N passed, N failed", in test cases over all presets; the exit code is 0 when none failed.

  --quick         only the default preset, with all tests
  --preset NAME   only this preset of CMakePresets.json (default, dev, asan, tsan, release)
  --clang         the default preset once more with clang++
  --fuzz [SECONDS]
                  instead of tests: every fuzzer of tests/fuzz for so long (default 60), built with clang++; an input
                  that breaks something is kept in build/fuzz/findings
  --storm [N]     nothing but the long storm: N requests (default 200000) four times, over TCP and over TLS, on one
                  client thread and on four, while connections break in every way; prints what became of them
  --siege [N]     nothing but the long siege: a server's good clients measured without and with each kind of bad ones
                  beside them, N rounds each (default 5)
  --seed N        of the storm's faults (default: another one each time)
  --asio DIR      with the Asio headers in DIR (which holds asio.hpp) instead of the system's
  --help          this text

Environment: JOBS, how many compilers run at once (default: one per processor, fewer when memory is short).
END
}

fail_usage() {
    echo "error: $1" >&2
    usage >&2
    exit 2
}

presets="default asan tsan"
with_clang=
asio=
fuzz_seconds=
storm=
siege=
seed=$(date +%s)
while [ $# -gt 0 ]; do
    case $1 in
    --quick) presets=default ;;
    --preset)
        [ $# -ge 2 ] || fail_usage "--preset needs a name"
        case $2 in
        default | dev | asan | tsan | release) presets=$2 ;;
        *) fail_usage "no preset is called $2" ;;
        esac
        shift
        ;;
    --clang) with_clang=yes ;;
    --fuzz)
        presets=
        fuzz_seconds=60
        case ${2:-} in
        '' | -*) ;;
        *[!0-9]* | 0*) fail_usage "--fuzz takes a number of seconds, not $2" ;;
        *)
            fuzz_seconds=$2
            shift
            ;;
        esac
        ;;
    --storm)
        presets=
        storm=200000
        case ${2:-} in
        '' | -* | *[!0-9]*) ;;
        *)
            storm=$2
            shift
            ;;
        esac
        ;;
    --siege)
        presets=
        siege=5
        case ${2:-} in
        '' | -* | *[!0-9]*) ;;
        *)
            siege=$2
            shift
            ;;
        esac
        ;;
    --seed)
        case ${2:-} in
        '' | *[!0-9]*) fail_usage "--seed needs a number" ;;
        esac
        seed=$2
        shift
        ;;
    --asio)
        [ $# -ge 2 ] || fail_usage "--asio needs a directory"
        asio=$(cd "$2" 2>/dev/null && pwd) || fail_usage "no directory $2"
        [ -f "$asio/asio.hpp" ] || fail_usage "no asio.hpp in $asio"
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

need_toolchain
[ -n "$asio" ] || need_header asio.hpp libasio-dev
need_file /etc/ssl/certs/ca-certificates.crt ca-certificates
has_header catch2/catch_all.hpp || need_header catch2/catch.hpp catch2
need_command nginx nginx-light
need_command openssl openssl
need_command curl curl
need_command valgrind valgrind
[ -z "$with_clang$fuzz_seconds" ] || need_command clang++ clang
install_missing
if [ -n "$fuzz_seconds" ]; then
    # Clang leaves its runtime libraries to a package of their own, which has clang's version in its name.
    set -- "$(clang++ -print-runtime-dir)"/libclang_rt.fuzzer*
    need_file "$1" "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
    install_missing
fi
# Tests that need one of these are skipped without it.
want_command clang-format clang-format
want_command haproxy haproxy
want_command tinyproxy tinyproxy-bin
want_command python3 python3
want_header boost/beast/http.hpp libboost-dev
want_header nlohmann/json.hpp nlohmann-json3-dev
want_command node nodejs
want_command wrk wrk
want_file /usr/share/nodejs/ws node-ws
install_wanted

if has_command ninja; then
    CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
    export CMAKE_GENERATOR
fi
if has_command ccache; then
    CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}
    export CMAKE_CXX_COMPILER_LAUNCHER
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    export CCACHE_SLOPPINESS
fi

# A compiler takes up to 2 GB for several test files at once.
processors=$(nproc)
by_memory=$(awk '/^MemAvailable:/ { print int($2 / 2000000) }' /proc/meminfo 2>/dev/null)
jobs=${JOBS:-$processors}
[ -n "${JOBS:-}" ] || [ "${by_memory:-$jobs}" -ge "$jobs" ] || jobs=$by_memory
[ "$jobs" -ge 1 ] || jobs=1

passed=0
failed=0
summary=

# add_result LABEL PASSED FAILED SKIPPED SECONDS
add_result() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    summary="$summary$(printf '%-24s %5d passed %4d failed %3d skipped  %4d s' "$@")
"
}

# run_preset PRESET LABEL [CMAKE-ARGUMENT...]: configures, builds and tests in build/LABEL
run_preset() {
    preset=$1
    label=$2
    build=build/$label
    shift 2
    started=$(date +%s)
    echo
    echo "== $label"

    targets=all
    labels='.*'
    as_is=
    case $preset in
    asan)
        targets=hotpool_tests
        labels='^(unit|net|faults|interop|ends)$'
        ;;
    tsan)
        targets=hotpool_thread_tests
        labels='^thread$'
        # This sanitizer's memory map collides with strongly randomised addresses.
        machine=$(uname -m)
        ! setarch "$machine" -R true 2>/dev/null || as_is="setarch $machine -R"
        ;;
    esac

    # shellcheck disable=SC2086
    if ! cmake --preset "$preset" -B "$build" ${asio:+"-DHOTPOOL_ASIO_INCLUDE_DIR=$asio"} "$@" ||
        ! cmake --build "$build" -j "$jobs" --target $targets; then
        echo "error: $label does not build" >&2
        add_result "$label (build failed)" 0 1 0 $(($(date +%s) - started))
        return
    fi

    log=$build/Testing/Temporary/LastTest.log
    junit=$build/Testing/junit.xml
    rm -f "$log" "$junit"
    outcome=0
    # Twice as many as there are processors: what mostly waits takes half of one (PROCESSORS in tests/CMakeLists.txt).
    # shellcheck disable=SC2086
    $as_is ctest --test-dir "$build" -j $((2 * processors)) --output-on-failure --output-junit "$root/$junit" -L "$labels" || outcome=1
    counts="0 0 0"
    [ ! -f "$junit" ] || counts=$(awk -f tools/count_tests.awk "$log" "$junit")
    # shellcheck disable=SC2086
    set -- $counts
    # Whatever the count says, ctest has the last word.
    [ "$outcome" -eq 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1 "$3"
    add_result "$label" "$1" "$2" "$3" $(($(date +%s) - started))
}

# run_fuzzers: builds the fuzzers in build/fuzz, which also keeps the inputs that have led somewhere, and runs each
run_fuzzers() {
    build=build/fuzz
    echo
    echo "== fuzz"
    if ! cmake --preset default -B "$build" -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" \
        -DHOTPOOL_SANITIZE=address,undefined -DHOTPOOL_FUZZ=ON ${asio:+"-DHOTPOOL_ASIO_INCLUDE_DIR=$asio"} ||
        ! cmake --build "$build" -j "$jobs" --target hotpool_fuzzers; then
        echo "error: the fuzzers do not build" >&2
        add_result "fuzz (build failed)" 0 1 0 0
        return
    fi
    mkdir -p "$build/findings"
    for seeds in tests/fuzz/corpus/*; do
        fuzzer=$(basename "$seeds")
        started=$(date +%s)
        echo
        echo "== fuzz $fuzzer"
        mkdir -p "$build/corpus/$fuzzer"
        outcome="1 0"
        "$build/tests/fuzz/hotpool_fuzz_$fuzzer" -max_total_time="$fuzz_seconds" -max_len=1024 -timeout=10 \
            -dict=tests/fuzz/http.dict -print_final_stats=1 -artifact_prefix="$build/findings/$fuzzer-" \
            "$build/corpus/$fuzzer" "$seeds" || outcome="0 1"
        # shellcheck disable=SC2086
        add_result "fuzz $fuzzer" $outcome 0 $(($(date +%s) - started))
    done
}

# build_storm NAME: optimised, with assertions, for programs whose output is what they are run for
build_storm() {
    build=build/storm
    program=$build/tests/hotpool_faults_tests
    echo
    echo "== $1"
    if ! cmake --preset default -B "$build" "-DCMAKE_CXX_FLAGS_DEBUG=-O2 -g1" \
        ${asio:+"-DHOTPOOL_ASIO_INCLUDE_DIR=$asio"} ||
        ! cmake --build "$build" -j "$jobs" --target hotpool_faults_tests; then
        echo "error: the $1 does not build" >&2
        add_result "$1 (build failed)" 0 1 0 0
        return 1
    fi
}

# run_storm REQUESTS SEED
run_storm() {
    build_storm storm || return
    for transport in tcp tls; do
        started=$(date +%s)
        if HOTPOOL_STORM_REQUESTS=$1 HOTPOOL_STORM_SEED=$2 "$program" "long_storm - over_$transport"; then
            add_result "storm over $transport" 1 0 0 $(($(date +%s) - started))
        else
            add_result "storm over $transport" 0 1 0 $(($(date +%s) - started))
            echo "the same faults again: sh tests/run.sh --storm $1 --seed $2" >&2
        fi
    done
}

# run_siege ROUNDS
run_siege() {
    build_storm siege || return
    for transport in tcp tls; do
        started=$(date +%s)
        outcome="1 0"
        HOTPOOL_SIEGE_ROUNDS=$1 "$program" "long_siege - accept_$transport" || outcome="0 1"
        # shellcheck disable=SC2086
        add_result "siege over $transport" $outcome 0 $(($(date +%s) - started))
    done
}

suffix=
[ -z "$asio" ] || suffix=-asio-$(awk '/#define ASIO_VERSION / { print $3 }' "$asio/asio/version.hpp")
for preset in $presets; do
    # What runs under the sanitizers need not be compiled once more without, unless nothing else is run.
    plain=ON
    [ "$preset $presets" != "default default asan tsan" ] || plain=OFF
    run_preset "$preset" "$preset$suffix" "-DHOTPOOL_PLAIN_TESTS=$plain"
done
[ -z "$storm" ] || run_storm "$storm" "$seed"
[ -z "$siege" ] || run_siege "$siege"
if [ -n "$with_clang" ]; then
    run_preset default "clang$suffix" -DCMAKE_CXX_COMPILER=clang++
fi
[ -z "$fuzz_seconds" ] || run_fuzzers

echo
echo "$summary"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
