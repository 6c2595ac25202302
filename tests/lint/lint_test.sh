#!/bin/sh
# The checks check: a tree with a fault must make each of them fail, the same tree without must not; and count_tests.awk
# counts.
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
    mkdir -p "$tree/tests/lint"
    cp "$here/claims.allow" "$tree/tests/lint/"
    mkdir -p "$tree/tests/unit" "$tree/tools" "$tree/docs/bench"
    printf '#include <cstddef>\n\nint sleeper;\n' >"$tree/tests/unit/sums.cpp"
    printf 'namespace hotpool::test {\nTEST_CASE("one_and_one_are_two", "[sums]") {}\n}\n' >"$tree/tests/unit/names.cpp"
    printf '#!/bin/sh\n# Sourced by run.sh.\n' >"$tree/tools/packages.sh"
    cat >"$tree/include/hotpool/base/errc.hpp" <<'END'
enum class errc {
    // at first
    cancelled = 1,  ///< The caller stopped it.
    timed_out,      ///< It took
                    ///< too long.
};
END
    cat >"$tree/include/hotpool/base/errc_table.hpp" <<'END'
        {errc::cancelled, cancelled | maybe_processed, "cancelled"},
        {errc::timed_out, none, "timed out"},
END
    { echo '<!-- errors: all -->'; sh "$here/errors.sh" --print "$tree"; echo '<!-- errors end -->'; } >"$tree/docs/errors.md"
    printf '#pragma once\n#include "hotpool/manager/pool.hpp"\n' >"$tree/include/hotpool/pool.hpp"
    cat >"$tree/include/hotpool/manager/pool.hpp" <<'END'
/// Some.
/// @threads any thread
class pool {
    /// Gets one.
    /// @completes `void(int)`
    /// @errors none
    /// @cancels any type
    /// @lifetime none
    template <class Token>
    auto async_get(Token token);
    /// As `async_get`, with a limit.
    template <class Token>
    auto async_get_soon(Token token);
};
END
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

expect pass tree.sh 'a tree in order'
printf 'a\000b' >"$tree/tools/program"
expect fail tree.sh 'a binary'
awk 'BEGIN { while (i++ < 20000) print "a long file" }' >"$tree/docs/long.txt"
expect fail tree.sh 'a large file'
awk 'BEGIN { while (i++ < 20000) print "a long file" }' >"$tree/docs/bench/long.txt"
expect pass tree.sh 'a large file among the figures'
awk 'BEGIN { while (i++ < 401) print "// a line" }' >"$tree/include/hotpool/http/long.hpp"
expect fail tree.sh 'a long header'
awk 'BEGIN { while (i++ < 401) print "A line." }' >"$tree/docs/long.md"
expect fail tree.sh 'a long page'
add_line tests/unit/sums.cpp 'void rest() { std::this_thread::sleep_for(second); }'
expect fail tree.sh 'a unit test that sleeps'
add_line tools/run.sh '#!/bin/sh'
expect fail tree.sh 'a script that a person calls among those to be sourced'
printf '#!/bin/sh\n# Sourced by run.sh.\n' >"$tree/tests/parts.sh"
expect fail tree.sh 'a script to be sourced among those that a person calls'

add_line README.md '## A section, named: so' 
add_line README.md 'See [it](#a-section-named-so), [that](docs/errors.md#at-first), [all](docs/), [others](https://a.example/b#c).'
expect pass links.sh 'links to sections, pages, directories and hosts'
add_line README.md 'See [it](docs/gone.md).'
expect fail links.sh 'a page that is not there'
add_line docs/design.md 'See [it](errors.md#at-last).'
expect fail links.sh 'a section that is not there'
add_line docs/design.md 'See [it](../LICENSE).'
expect fail links.sh 'a file above that is not there'

expect pass errors.sh 'a tree in order'
add_line include/hotpool/base/errc_table.hpp '        {errc::more, none, "more"},'
expect fail errors.sh 'a row without an enumerator'
sed -i '$d' "$tree/include/hotpool/base/errc_table.hpp"
expect fail errors.sh 'an enumerator without a row'
sed -i 's/timed_out, none/timed_out, cancelled/' "$tree/include/hotpool/base/errc_table.hpp"
expect fail errors.sh 'a condition that the page does not know'
sed -i 's/The caller/Somebody/' "$tree/docs/errors.md"
expect fail errors.sh 'a sentence that is not that of the code'
sed -i 's|///< The caller.*||' "$tree/include/hotpool/base/errc.hpp"
expect fail errors.sh 'an enumerator without a sentence'

expect pass async.sh 'a tree in order'
sed -i '/@cancels/d' "$tree/include/hotpool/manager/pool.hpp"
expect fail async.sh 'a function that does not say how it is cancelled'
sed -i '/@threads/d' "$tree/include/hotpool/manager/pool.hpp"
expect fail async.sh 'a class that does not say of threads'
sed -i 's/As `async_get`/Like the other/' "$tree/include/hotpool/manager/pool.hpp"
expect fail async.sh 'a function that is as none'
rm "$tree/include/hotpool/pool.hpp"
expect fail async.sh 'no asynchronous functions'

expect pass names.sh 'a tree in order'
add_line tests/unit/sums.cpp 'TEST_CASE("sums: one and one are two", "[sums]") {}'
expect fail names.sh 'a name with spaces'
add_line tests/unit/sums.cpp 'namespace hotpool::testing {'
expect fail names.sh 'another namespace'

if clang-format --version 2>/dev/null | grep -q 'version 14'; then
    mkdir -p "$tree/examples" "$tree/benchmarks"
    cp "$here/../../.clang-format" "$tree/"
    sh "$here/format.sh" --fix "$tree" >/dev/null
    failed=0
    sh "$here/format.sh" "$tree" >/dev/null || failed=1
    printf 'int  x ;\n' >>"$tree/tests/unit/sums.cpp"
    ! sh "$here/format.sh" "$tree" >/dev/null || failed=1
    [ $failed -eq 0 ] && echo "ok: format.sh: a source laid out otherwise" || {
        echo "FAILED: format.sh: a source laid out otherwise"
        failures=$((failures + 1))
    }
fi

# expect_observed pass|fail SENTENCE: of the notes in $tree/notes
observe_tree() {
    mkdir -p "$tree/notes"
    printf '1\tvoid observe() [with Op = hotpool::detail::get_op<hotpool::pool_core<int, tcp>, f()::<lambda()> >]\n' \
        >"$tree/notes/1"
    rm -rf "$tree/include" && mkdir -p "$tree/include/hotpool/base"
    for file in client/http_client inbound/detail/acceptor inbound/detail/connection exchange/exchange \
        exchange/response_reader connection/lease pool/connection_pool; do
        mkdir -p "$tree/include/hotpool/${file%/*}"
        echo '/// @errors `errc::cancelled`, `condition::refused`
/// @cancels any type, `errc::get_timed_out`
auto async_get(int);' >"$tree/include/hotpool/$file.hpp"
    done
    printf 'enum class errc {\n    cancelled = 1,\n    get_timed_out,\n    waiters_full,\n};\n' >"$tree/include/hotpool/base/errc.hpp"
    printf '{errc::cancelled, none, ""}\n{errc::get_timed_out, none, ""}\n{errc::waiters_full, refused, ""}\n' \
        >"$tree/include/hotpool/base/errc_table.hpp"
}
expect_observed() {
    outcome=pass
    sh "$here/../observed/compare.sh" "$tree/notes" "$tree" >"$tree/output" 2>&1 || outcome=fail
    if [ "$outcome" = "$1" ]; then
        echo "ok: compare.sh: $2"
    else
        echo "FAILED: compare.sh: $2: expected $1, got $outcome"
        cat "$tree/output"
        failures=$((failures + 1))
    fi
    observe_tree
}
observe_tree
expect_observed pass 'an error that is documented'
sed 's/^1/3/' "$tree/notes/1" >"$tree/notes/2"
expect_observed pass 'an error of a condition that is documented'
rm "$tree/notes/2"
sed 's/^1/2/' "$tree/notes/1" >"$tree/notes/3"
expect_observed fail 'an error that is not documented'
sed 's/^1/2/' "$tree/notes/1" >"$tree/notes/3"
printf '/// @errors `errc::get_timed_out`\nclass pool {\n    auto async_get(int);\n};\n' >"$tree/include/hotpool/pool/connection_pool.hpp"
sed -i '/^1/d' "$tree/notes/1"
expect_observed pass 'an error that the class documents'
rm "$tree/notes/3"
sed 's/get_op/strange_op/' "$tree/notes/1" >"$tree/notes/4"
expect_observed fail 'an operation that no function is known to start'
rm "$tree/notes/4"
printf '' >"$tree/notes/1"
expect_observed fail 'notes of nothing'
fresh_tree

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
counts=$(awk -f "$here/../../tools/count_tests.awk" "$tree/log" "$tree/junit")
if [ "$counts" = "9 4 1" ]; then
    echo "ok: count_tests.awk: passed, failed, skipped"
else
    echo "FAILED: count_tests.awk: expected 9 4 1, got $counts"
    failures=$((failures + 1))
fi

[ "$failures" -eq 0 ]
