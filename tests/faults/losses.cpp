// A connection lost under a request, in every way: the error it gives, who survives it, and that no POST is sent twice.
#include "support/fault_stage.hpp"

#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// What a fault of a running connection comes to. The codes are those of a GET on a connection never used before.
struct loss {
    const char* name;
    way where;
    fault_order order;
    bool reaches_origin;  ///< the request does
    errc over_tcp;
    errc over_tls;
    bool begins_over_tcp = false;  ///< without TLS, some byte of the response comes through
};

const std::vector<loss> losses{
    {"request lost, reset", way::up, {.what = fault::reset}, false, errc::connection_reset, errc::connection_reset},
    {"response lost, reset", way::down, {.what = fault::reset}, true, errc::connection_reset, errc::connection_reset},
    {"request lost, half closed",
     way::up,
     {.what = fault::half_close},
     false,
     errc::response_missing,
     errc::tls_truncated},
    {"response lost, half closed",
     way::down,
     {.what = fault::half_close},
     true,
     errc::response_missing,
     errc::tls_truncated},
    {"request truncated",
     way::up,
     {.what = fault::truncate, .at = 9},
     false,
     errc::response_missing,
     errc::tls_truncated},
    {"response truncated before its begin",
     way::down,
     {.what = fault::truncate},
     true,
     errc::response_missing,
     errc::tls_truncated},
    {"response truncated in its head",
     way::down,
     {.what = fault::truncate, .at = 9},
     true,
     errc::response_truncated,
     errc::tls_truncated,
     true},
    {"response corrupt",
     way::down,
     {.what = fault::corrupt, .at = 5},
     true,
     errc::bad_status_line,
     errc::tls_failed,
     true},
};

template <class Side>
errc expected(const loss& l) {
    return Side::is_tls ? l.over_tls : l.over_tcp;
}
/// Whether the client has seen a byte of the response: nothing is sent again then.
template <class Side>
bool begins(const loss& l) {
    return !Side::is_tls && l.begins_over_tcp;
}

}  // namespace

TEMPLATE_TEST_CASE("loss_on_a_new_connection_is_named_and_not_retried", "[faults]", over_tcp, over_tls) {
    const descriptors_kept no_leak;
    for (const loss& l : losses) {
        CAPTURE(l.name);
        fault_stage<TestType> s;
        s.open_one();
        s.arm(l.where, l.order);
        const answer a = s.send(get_of(1));
        INFO(a.error.message());
        CHECK(a.error == expected<TestType>(l));
        CHECK(s.pool.stats().total.opened == 1);
        CHECK(s.times_in_the_end(1) == (l.reaches_origin ? 1 : 0));
    }
}

TEMPLATE_TEST_CASE("get_survives_a_loss_on_a_reused_connection", "[faults]", over_tcp, over_tls) {
    for (const loss& l : losses) {
        CAPTURE(l.name);
        fault_stage<TestType> s;
        s.use_one();
        s.arm(l.where, l.order);
        const answer a = s.send(get_of(1));
        INFO(a.error.message());
        if (begins<TestType>(l)) {
            CHECK(a.error == expected<TestType>(l));
            CHECK(s.pool.stats().total.opened == 1);
            CHECK(s.times_in_the_end(1) == 1);
        } else {
            CHECK_FALSE(a.error);
            CHECK(a.body() == body_of(1));
            CHECK(s.pool.stats().total.opened == 2);
            CHECK(s.times_in_the_end(1) == (l.reaches_origin ? 2 : 1));
        }
    }
}

TEMPLATE_TEST_CASE("post_is_not_sent_again_after_a_loss", "[faults]", over_tcp, over_tls) {
    const bool reused = GENERATE(false, true);
    for (const loss& l : losses) {
        CAPTURE(l.name, reused);
        fault_stage<TestType> s;
        reused ? s.use_one() : s.open_one();
        s.arm(l.where, l.order);
        const answer a = s.send(post_of(1));
        INFO(a.error.message());
        CHECK(a.error == (begins<TestType>(l) ? expected<TestType>(l) : errc::maybe_processed));
        CHECK_FALSE(says_unprocessed(a.error));
        CHECK(s.pool.stats().total.opened == 1);
        CHECK(s.times_in_the_end(1) == (l.reaches_origin ? 1 : 0));
    }
}
