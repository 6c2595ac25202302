#!/bin/sh
# Fails when a source is not laid out as clang-format would: sh tests/lint/format.sh [ROOT]
# Lays all of them out: sh tests/lint/format.sh --fix [ROOT]
#
# By clang-format 14, Debian 12's, since other versions have other opinions; without it the check is skipped (exit code
# 77). `.clang-format` holds the rules.
set -eu
how='--dry-run --Werror'
[ "${1:-}" != --fix ] || { how=-i; shift; }
cd "${1:-$(dirname "$0")/../..}"

for tool in clang-format-14 clang-format ''; do
    [ -n "$tool" ] || { echo "skipped: clang-format 14 is not installed"; exit 77; }
    case $("$tool" --version 2>/dev/null) in
    *version\ 14.*) break ;;
    esac
done

files=$(find include examples tests benchmarks -name build -prune -o \( -name '*.hpp' -o -name '*.cpp' \) -print | LC_ALL=C sort)
failures=0
# One line of complaint for each file; what is wrong, --fix shows.
for file in $files; do
    # shellcheck disable=SC2086
    "$tool" $how "$file" 2>/dev/null || { echo "$file: run sh tests/lint/format.sh --fix"; failures=$((failures + 1)); }
done
echo "format: $(echo "$files" | wc -w) files, $failures failures"
[ "$failures" -eq 0 ]
