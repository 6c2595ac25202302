#!/bin/sh
# Fails when a test case is not named as the others are, or stands in another namespace: sh tests/lint/names.sh [ROOT]
#
# Names are sentences in snake_case; parts of the tests live in hotpool::test, and fuzzers in hotpool::fuzz.
set -eu
cd "${1:-$(dirname "$0")/../..}/tests"

find . \( -name '*.cpp' -o -name '*.hpp' \) | sed 's|^\./||' | sort | xargs awk '
function complain(text) { print "tests/" FILENAME ":" FNR ": " text; failures++ }

/^(TEMPLATE_|TEMPLATE_PRODUCT_)?TEST_CASE(_METHOD)?\(|^TEMPLATE_LIST_TEST_CASE/ {
    cases++
    if (!match($0, /"[^"]*"/)) { complain("the name of a test case stands on the line of its macro"); next }
    name = substr($0, RSTART + 1, RLENGTH - 2)
    if (name !~ /^[a-z0-9]+(_[a-z0-9]+)+$/) complain("\"" name "\" is no sentence in snake_case")
}
/^(inline )?namespace [a-z_:]+ *\{/ {
    name = $0
    sub(/^(inline )?namespace /, "", name)
    sub(/ *\{.*/, "", name)
    # Specialisations and what argument-dependent lookup must find stand with their types.
    if (name !~ /^(hotpool(::inbound|::detail)?|hotpool::test(::[a-z_]+)?|hotpool::fuzz|std)$/) complain("namespace " name)
}
END {
    printf "names: %d test cases, %d failures\n", cases, failures
    exit failures > 0 || cases == 0
}'
