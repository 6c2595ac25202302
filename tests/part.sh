#!/bin/sh
# Runs every Nth test case of a Catch2 program: sh tests/part.sh I N PROGRAM FILTER LISTING...
#
# Of the test cases that FILTER finds, in the order in which PROGRAM lists them, these are the (I + 1)th, the
# (I + 1 + N)th and so on: the parts 0 to N - 1 together are all of them, each once. LISTING is the option by which this
# version of Catch2 prints names only.
set -eu
part=$1
parts=$2
program=$3
filter=$4
shift 4

names=$(mktemp)
again=$(mktemp)
trap 'rm -f "$names" "$again"' EXIT
listed=0
"$program" "$@" "$filter" >"$again" || listed=$?
found=$(wc -l <"$again")
# Catch2 2 says with its exit code how many there are.
[ "$listed" -eq 0 ] || [ "$listed" -eq "$((found < 255 ? found : 255))" ] || exit 1
awk -v part="$part" -v parts="$parts" '(NR - 1) % parts == part' "$again" >"$names"
if [ ! -s "$names" ]; then
    echo "No tests ran"
    exit 0
fi
# Read back, the names find these test cases and no others.
"$program" "$@" --input-file "$names" >"$again" || true
cmp "$names" "$again"
"$program" --input-file "$names"
