#!/bin/sh
# The checks check: a tree with a fault must make layers.sh and claims.sh fail, the same tree without must not; and
# count_tests.awk counts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# A small tree in good order.
fresh_tree() {
    rm -rf "$tree"
    mkdir -p "$tree/include/hotpool/base" "$tree/include/hotpool/http" "$tree/include/hotpool/manager" \
        "$tree/include/hotpool/transport" "$tree/docs"
    cat >"$tree/include/hotpool/base/clock.hpp" <<'END'
#include <chrono>
/// Ticks; see `tick_count` and `clock_now()`, `base/clock.hpp`, `std::chrono::no_such_clock`, `SSL_read()`.
inline int tick_count = 0;  // not code: "`tick_count`"
inline const char* text = "// `not_a_comment`";
inline const char* raw = R"x(
// `not_a_comment_either`
)x";
/* Over lines:
   `clock_now` */
inline int clock_now() { return 1'000; }
END
    printf '#include <hotpool/base/clock.hpp>\nstruct limits;\n' >"$tree/include/hotpool/http/limits.hpp"
    printf '#include <hotpool/base/clock.hpp>\nstruct slot;\n' >"$tree/include/hotpool/manager/slot.hpp"
    printf '#include <asio.hpp>\nstruct tcp;\n' >"$tree/include/hotpool/transport/tcp.hpp"
    printf '// Bounds.\n#pragma once\n#include <hotpool/http/limits.hpp>\n' >"$tree/include/hotpool/limits.hpp"
    printf 'See `http/limits.hpp`, `docs/`, `manager/*.hpp`.\n```\n`no_such_thing`\n```\n' >"$tree/README.md"
    echo "One page." >"$tree/docs/design.md"
    mkdir -p "$tree/tests"
    cp "$here/claims.allow" "$tree/tests/"
}

# expect pass|fail SCRIPT SENTENCE
expect() {
    outcome=pass
    sh "$here/$2" "$tree" >"$tree/output" 2>&1 || outcome=fail
    if [ "$outcome" = "$1" ]; then
        echo "ok: $2: $3"
    else
        echo "FAILED: $2: $3: expected $1, got $outcome"
        cat "$tree/output"
        failures=$((failures + 1))
    fi
    fresh_tree
}

# add_line FILE LINE
add_line() {
    printf '%s\n' "$2" >>"$tree/$1"
}

fresh_tree
expect pass layers.sh 'a tree in order'
add_line include/hotpool/base/clock.hpp '#include <hotpool/http/limits.hpp>'
expect fail layers.sh 'an arrow from base up to http'
add_line include/hotpool/manager/slot.hpp '#  include <hotpool/http/limits.hpp>'
expect fail layers.sh 'manager knows http'
add_line include/hotpool/http/limits.hpp '#include <hotpool/manager/slot.hpp>'
expect fail layers.sh 'http knows manager'
add_line include/hotpool/http/limits.hpp '#include <asio/ip/tcp.hpp>'
expect fail layers.sh 'http knows Asio'
add_line include/hotpool/manager/slot.hpp '#include <openssl/ssl.h>'
expect fail layers.sh 'manager knows OpenSSL'
add_line include/hotpool/stray.hpp 'struct stray;'
expect fail layers.sh 'a header that is no door in no layer'
add_line include/hotpool/http/uri.hpp '#include <hotpool/limits.hpp>
struct uri;'
expect fail layers.sh 'a room that includes a door'
add_line include/hotpool/http/limits.hpp '#include "clock.hpp"'
expect fail layers.sh 'an include relative to its file'
rm -r "$tree/include/hotpool" && mkdir "$tree/include/hotpool"
expect fail layers.sh 'no headers at all'

expect pass claims.sh 'a tree in order'
add_line include/hotpool/http/limits.hpp '// see `no_such_name`'
expect fail claims.sh 'a comment names what does not exist'
add_line include/hotpool/http/limits.hpp '/* see `no_such()` */'
expect fail claims.sh 'a block comment names a function that does not exist'
add_line include/hotpool/http/limits.hpp '/// `hotpool::nothing` is gone'
expect fail claims.sh 'a qualified name that does not exist'
add_line include/hotpool/http/limits.hpp '// as in `http/gone.hpp`'
expect fail claims.sh 'a file that does not exist'
add_line README.md 'Set `max_nothing = 3`.'
expect fail claims.sh 'the README names what does not exist'
add_line docs/design.md 'In `gone/` there is nothing.'
expect fail claims.sh 'a page names a directory that does not exist'
add_line include/hotpool/http/limits.hpp '// `only_in_comments` and only_in_comments'
expect fail claims.sh 'a name that only comments mention'

cat >"$tree/log" <<'END'
1/7 Testing: fine
All tests passed (12 assertions in 4 test cases)
2/7 Testing: faulty
test cases:  5 |  3 passed | 2 failed
3/7 Testing: leaking
All tests passed (1 assertion in 1 test case)
4/7 Testing: empty
No test cases matched '[thread]'
END
cat >"$tree/junit" <<'END'
	<testcase name="fine" classname="fine" time="0" status="run">
	<testcase name="faulty" classname="faulty" time="0" status="fail">
	<testcase name="leaking" classname="leaking" time="0" status="fail">
	<testcase name="empty" classname="empty" time="0" status="run">
	<testcase name="script" classname="script" time="0" status="run">
	<testcase name="gone" classname="gone" time="0" status="notrun">
		<skipped message="Unable to find executable"/>
	<testcase name="absent" classname="absent" time="0" status="notrun">
		<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
END
counts=$(awk -f "$here/count_tests.awk" "$tree/log" "$tree/junit")
if [ "$counts" = "9 4 1" ]; then
    echo "ok: count_tests.awk: passed, failed, skipped"
else
    echo "FAILED: count_tests.awk: expected 9 4 1, got $counts"
    failures=$((failures + 1))
fi

[ "$failures" -eq 0 ]
