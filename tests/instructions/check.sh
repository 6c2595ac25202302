#!/bin/sh
# How many instructions a hot operation takes, beside what it took when somebody last looked.
#
#   sh tests/instructions/check.sh PROGRAM            exit code 1: one has become slower; 77: not known, skipped
#   sh tests/instructions/check.sh --accept PROGRAM   writes down what there is now
#
# PROGRAM is hot_path as built by the target hotpool_hot_path, always optimised. It runs under valgrind for N and for
# 2 N operations: the difference is what N take, without start and end. Instructions of the kernel are not counted. What
# depends on the time that goes by, as whether a connection is looked at before a request, only ever adds to it: the
# least of three runs counts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
figures=$here/figures.txt
times=1000

accept=
if [ "${1:-}" = --accept ]; then
    accept=yes
    shift
fi
if [ $# -ne 1 ] || [ ! -x "$1" ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
program=$1

if ! command -v valgrind >/dev/null 2>&1; then
    echo "skipped: valgrind is not installed"
    exit 77
fi
key=$("$program" --key)
if [ -z "$accept" ] && ! grep -q "^$key " "$figures"; then
    echo "skipped: no figures for $key; to write them down: sh tests/instructions/check.sh --accept $program"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# instructions OPERATION TIMES
instructions() {
    for run in 1 2 3; do
        run_once "$@"
    done | sort -n | head -n 1
}
run_once() {
    if ! valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null "$program" "$1" "$2" \
        >"$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "error: $program $1 $2 failed under valgrind" >&2
        exit 2
    fi
    awk '/ I +refs: / { gsub(/,/, "", $NF); print $NF }' "$work/log"
}

for operation in get_put callback coroutine; do
    once=$(instructions $operation $times)
    twice=$(instructions $operation $((2 * times)))
    echo "$key $operation $(((twice - once) / times))"
done >"$work/now"

if [ -n "$accept" ]; then
    { grep -v "^$key " "$figures" || true; } >"$work/figures"
    sort "$work/now" >>"$work/figures"
    cat "$work/figures" >"$figures"
    cat "$work/now"
    exit 0
fi

awk -v key="$key" -v program="$program" '
    NR == FNR && $1 == "tolerance" { tolerance = $2 }
    NR == FNR { old[$1 " " $2 " " $3 " " $4] = $5; next }
    {
        was = old[$1 " " $2 " " $3 " " $4]
        if (was + 0 == 0) { printf "%-10s no figure for %s\n", $4, key; failed = 1; next }
        change = 100 * ($5 - was) / was
        verdict = change > tolerance ? "SLOWER" : change < -tolerance ? "faster, worth accepting" : "as before"
        printf "%-10s was %6d, is %6d instructions: %+.1f %%, %s\n", $4, was, $5, change, verdict
        if (change > tolerance) failed = 1
    }
    END {
        if (failed)
            printf "more than %s %% above the figure; if that is meant to be: sh tests/instructions/check.sh --accept %s\n",
                tolerance, program
        exit failed
    }' "$figures" "$work/now"
