// Each fault alone: the error it gives, who survives it, and that no POST is sent twice.
#include "hotpool/http_client.hpp"
#include "support/fault_bench.hpp"
#include "support/fault_verdict.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

request_builder get_of(request_id id) { return {"GET", "/" + std::to_string(id)}; }
request_builder post_of(request_id id) {
    request_builder post("POST", "/" + std::to_string(id));
    return std::move(post.body(body_of(id)));
}

/// One origin behind one proxy, a pool on it, and a client.
template <class Side>
class fault_stage {
public:
    explicit fault_stage(const pool_options& options = {}, duration request_timeout = plenty)
        : bench(1, 16, {}),
          pool(io.get_executor(), bench.target(), options, Side::options()),
          client(pool, {.request_timeout = request_timeout}) {}

    answer send(const request_builder& request) {
        answer a;
        client.async_send(request, [&a](std::error_code error, response reply) {
            ++a.completions;
            a.error = error;
            a.reply = std::move(reply);
        });
        REQUIRE(until([&] { return a.completions != 0; }));
        io.restart();
        io.poll();
        REQUIRE(a.completions == 1);
        if (a.error) CHECK(is_named(a.error));
        return a;
    }

    /// A connection that nobody has used yet.
    void open_one() {
        bool done = false;
        pool.async_warm(1, [&](std::error_code error) {
            CHECK_FALSE(error);
            done = true;
        });
        // With TLS the origin has something to say first: two session tickets.
        REQUIRE(until([&] {
            const pool_stats now = pool.stats();
            return done && now.now.idle == 1 && (!Side::is_tls || now.transport.sessions_cached == 2);
        }));
    }
    /// One that has been used; request 0 is spent on it.
    void use_one() {
        REQUIRE_FALSE(send(get_of(0)).error);
        REQUIRE(until([&] { return pool.stats().now.idle == 1; }));
    }
    void arm(way w, const fault_order& order) { bench.proxy().arm(w, order); }

    template <class Condition>
    bool until(Condition done) {
        const auto limit = std::chrono::steady_clock::now() + plenty;
        while (!done()) {
            if (std::chrono::steady_clock::now() > limit) return false;
            io.restart();
            io.run_one_for(2ms);
        }
        return true;
    }
    /// Nothing is left on the way; how often the request has been processed then.
    unsigned times_in_the_end(request_id id) {
        pool.close();
        REQUIRE(until([&] { return pool.stats().now == connection_counts{}; }));
        REQUIRE(bench.quiet());
        CHECK(bench.log.garbled_requests() == 0);
        CHECK_FALSE(bench.proxy().is_armed());
        return bench.log.times(id);
    }

    asio::io_context io;
    fault_bench<Side> bench;
    typename Side::pool_type pool;
    http_client<typename Side::pool_type> client;
};

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
    {"request lost, reset",
     way::up,
     {.what = fault::reset},
     false,
     errc::connection_reset,
     errc::connection_reset},
    {"response lost, reset",
     way::down,
     {.what = fault::reset},
     true,
     errc::connection_reset,
     errc::connection_reset},
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

TEMPLATE_TEST_CASE("what_comes_late_or_drop_by_drop_is_as_good", "[faults]", over_tcp, over_tls) {
    fault_stage<TestType> s;
    request_id id = 1;
    for (const way w : {way::up, way::down})
        for (const fault_order& order :
             {fault_order{.what = fault::delay, .wait = 5ms}, fault_order{.what = fault::drip_feed}}) {
            CAPTURE(to_string(order.what), w == way::up);
            s.arm(w, order);  // the first one meets a handshake, with TLS
            CHECK(s.send(get_of(id)).body() == body_of(id));
            s.arm(w, order);
            CHECK(s.send(post_of(id + 1)).body() == body_of(id + 1));
            id += 2;
        }
    CHECK(s.pool.stats().total.opened == 1);
    for (request_id sent = 1; sent < id; ++sent) CHECK(s.times_in_the_end(sent) == 1);
}

TEMPLATE_TEST_CASE("silence_ends_with_the_deadline_and_nothing_is_sent_again", "[faults]", over_tcp,
                   over_tls) {
    const descriptors_kept no_leak;
    const way w = GENERATE(way::up, way::down);
    const bool posted = GENERATE(false, true);
    CAPTURE(w == way::up, posted);
    fault_stage<TestType> s({}, 60ms);
    s.use_one();
    s.arm(w, {.what = fault::silence});
    const answer a = s.send(posted ? post_of(1) : get_of(1));
    INFO(a.error.message());
    CHECK(a.error == errc::request_timed_out);
    CHECK(a.error == condition::timed_out);
    CHECK_FALSE(says_unprocessed(a.error));
    CHECK(s.pool.stats().total.retired_for(retire_reason::lease_deadline) == 1);
    CHECK(s.pool.stats().total.opened == 1);
    CHECK(s.times_in_the_end(1) == (w == way::down ? 1 : 0));
}

TEMPLATE_TEST_CASE("refused_connection_is_named_and_later_ones_are_not_held_back_for_long", "[faults]",
                   over_tcp, over_tls) {
    fault_stage<TestType> s;
    s.bench.proxy().refuse(true);
    for (const request_id id : {1, 2}) {
        const answer a = s.send(id == 1 ? post_of(id) : get_of(id));
        CHECK(a.error == errc::connect_refused);
        CHECK(a.error == condition::open_failed);
        CHECK(says_unprocessed(a.error));
    }
    s.bench.proxy().refuse(false);
    CHECK(s.send(post_of(3)).body() == body_of(3));
    CHECK(s.pool.stats().total.open_failures == 2);
    CHECK(s.times_in_the_end(1) == 0);
    CHECK(s.times_in_the_end(3) == 1);
}

// The connection ends between two requests, and the loop does not turn in between.
TEMPLATE_TEST_CASE("connection_closed_between_requests", "[faults]", over_tcp, over_tls) {
    const bool checked = GENERATE(true, false);
    const bool posted = GENERATE(false, true);
    CAPTURE(checked, posted);
    fault_stage<TestType> s({.check_after_idle = checked ? 0ms : 3'600'000ms});
    s.use_one();
    s.arm(way::down, {.what = fault::stale_close});
    answer first;
    s.client.async_send(get_of(2), [&](std::error_code error, response) {
        ++first.completions;
        first.error = error;
    });
    while (first.completions == 0) {
        s.io.restart();
        s.io.run_one();
    }
    REQUIRE_FALSE(first.error);
    REQUIRE(s.bench.quiet());

    const answer a = s.send(posted ? post_of(1) : get_of(1));
    INFO(a.error.message());
    if (posted && !checked) {
        // Nobody can know: the request went out, and nothing came back.
        CHECK(a.error == errc::maybe_processed);
        CHECK(s.times_in_the_end(1) == 0);
    } else {
        CHECK(a.body() == body_of(1));
        CHECK(s.pool.stats().total.opened == 2);
        CHECK(s.times_in_the_end(1) == 1);
    }
}

TEMPLATE_TEST_CASE("connection_closed_while_idle_is_noticed_at_once", "[faults]", over_tcp, over_tls) {
    const fault how = GENERATE(fault::stale_close, fault::half_close, fault::reset);
    CAPTURE(to_string(how));
    fault_stage<TestType> s;
    s.use_one();
    s.arm(way::down, {.what = how, .after = true});
    CHECK_FALSE(s.send(get_of(2)).error);
    REQUIRE(s.until([&] { return s.pool.stats().now == connection_counts{}; }));
    CHECK(s.send(post_of(1)).body() == body_of(1));
    CHECK(s.times_in_the_end(1) == 1);
}

TEST_CASE("faults_of_a_handshake_are_named", "[faults]") {
    struct broken_handshake {
        way where;
        fault_order order;
        errc expected;
    };
    for (const auto& [where, order, expected] : std::vector<broken_handshake>{
             {way::up, {.what = fault::reset}, errc::handshake_closed},
             {way::down, {.what = fault::reset}, errc::handshake_closed},
             {way::down, {.what = fault::half_close}, errc::handshake_closed},
             {way::down, {.what = fault::truncate, .at = 50}, errc::handshake_closed},
             {way::down, {.what = fault::corrupt, .at = 100'000}, errc::handshake_failed},
             {way::up, {.what = fault::silence}, errc::handshake_timed_out},
             {way::down, {.what = fault::silence}, errc::handshake_timed_out}}) {
        const int direction = where == way::up ? 1 : 2;
        CAPTURE(to_string(order.what), direction);
        fault_stage<over_tls> s({.connect_timeout = 60ms});
        s.arm(where, order);
        const answer a = s.send(post_of(1));
        INFO(a.error.message());
        CHECK(a.error == expected);
        CHECK(a.error == condition::open_failed);
        CHECK(says_unprocessed(a.error));
        CHECK(s.send(post_of(2)).body() == body_of(2));
        CHECK(s.times_in_the_end(1) == 0);
        CHECK(s.times_in_the_end(2) == 1);
    }
}
