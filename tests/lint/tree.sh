#!/bin/sh
# Fails when something lies in the tree that does not belong there: sh tests/lint/tree.sh [ROOT]
#
#   a binary, outside of the inputs for fuzzers in tests/fuzz/corpus
#   a file of more than 200 KB, outside of docs/bench
#   a header of more than 400 lines, or a page of docs/ that is written by hand
#   sleeping in a unit test
#   a script that others source beside those that a person calls: they are in tools/ and benchmarks/parts/
set -eu
cd "${1:-$(dirname "$0")/../..}"
failures=0
complain() {
    echo "$1"
    failures=$((failures + 1))
}

# What git would take, where there is git; else everything but what is built.
list() {
    git ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . \( -name build -o -name .git \) -prune -o -type f -print | sed 's|^\./||'
}
files=$(mktemp)
trap 'rm -f "$files"' EXIT
list | LC_ALL=C sort >"$files"

count=0
while IFS= read -r file; do
    [ -f "$file" ] || continue
    count=$((count + 1))
    case $file in
    docs/bench/*) ;;
    *) [ "$(wc -c <"$file")" -le 204800 ] || complain "$file: more than 200 KB" ;;
    esac
    case $file in
    tests/fuzz/corpus/*) ;;
    *)
        # What a text loses without its NUL bytes.
        [ "$(tr -d '\000' <"$file" | wc -c)" -eq "$(wc -c <"$file")" ] || complain "$file: a binary"
        ;;
    esac
    case $file in
    include/*.hpp | docs/*.md)
        case $file in
        docs/bench/*) ;;
        *) [ "$(wc -l <"$file")" -le 400 ] || complain "$file: $(wc -l <"$file") lines, more than 400" ;;
        esac
        ;;
    tests/unit/*)
        sleeps=$(grep -nE '\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\(' "$file") || continue
        complain "$file: sleeps in line $(echo "$sleeps" | cut -d: -f1 | tr '\n' ' ')"
        ;;
    tools/*.sh | benchmarks/parts/*.sh)
        head -n 5 "$file" | grep -q '^# Sourced' || complain "$file: does not say that it is to be sourced"
        ;;
    *.sh)
        ! head -n 5 "$file" | grep -q '^# Sourced' || complain "$file: is sourced, and so belongs in tools/ or parts/"
        ;;
    esac
done <"$files"

echo "tree: $count files, $failures failures"
[ "$failures" -eq 0 ] && [ "$count" -gt 0 ]
