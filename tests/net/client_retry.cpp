// Requests that are sent again, and those that must not be.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <atomic>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

enum class manner { closes, resets };

/// Answers the first request of a connection as it should, and ends the connection when the second has come.
class two_timer {
public:
    explicit two_timer(manner how = manner::closes) : how_(how) {}

    loopback_server::script script() {
        return [this](server_connection& c) {
            note(read_request(c));
            c.write(ok("first"));
            note(read_request(c));
            if (how_ == manner::resets) return c.reset();
            c.close_notify();
            c.end_sending();
            c.stay();
        };
    }
    std::vector<std::string> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    void note(std::string request) {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
    }
    const manner how_;
    std::mutex mutex_;
    std::vector<std::string> requests_;
};

/// Three connections answer one request each and go away with the next; further ones never answer.
class dying_three {
public:
    loopback_server::script script() {
        return [this](server_connection& c) {
            read_request(c);
            if (++answered_ <= 3) {
                c.write(ok("first"));
                read_request(c);
            }
            ++resent_;
            c.close_notify();
            c.end_sending();
            c.stay();
        };
    }
    int resent() const { return resent_; }

private:
    std::atomic<int> answered_{0}, resent_{0};
};

struct oldest_policies : default_policies {
    using reuse_order = hotpool::oldest_first;
};
template <class Side>
struct lends_oldest : Side {
    using transport_type = typename Side::pool_type::transport_type;
    using pool_type = connection_pool<transport_type, oldest_policies>;
};

/// So many connections lie idle, each since another tick of the clock, and each has been used once.
template <class Side>
void fill_one_by_one(stage<Side>& s, std::size_t n) {
    std::vector<typename stage<Side>::lease_type> leases;
    while (leases.size() < n) leases.push_back(s.get());
    for (auto& lease : leases) {
        CHECK(s.exchange(lease, request_builder("GET", "/")).body() == "first");
        const time_point tick = base::coarse_now();
        s.pool.put(std::move(lease));
        REQUIRE(s.until([&] { return base::coarse_now() != tick; }));
    }
    REQUIRE(s.until([&] { return s.pool.stats().now.idle == n; }));
}

}  // namespace

TEMPLATE_TEST_CASE("idempotent_request_on_a_stale_connection_succeeds_on_another", "[client]", over_tcp, over_tls) {
    const manner how = GENERATE(manner::closes, manner::resets);
    two_timer origin(how);
    stage<TestType> s(origin.script());
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/1")).body() == "first");
    CHECK(send(s, client, request_builder("GET", "/2")).body() == "first");
    const auto seen = origin.requests();
    REQUIRE(seen.size() == 3);
    CHECK(seen[1] == seen[2]);
    CHECK(s.server.accepted() == 2);
    CHECK(s.retired() == 1);
}

TEMPLATE_TEST_CASE("request_that_may_have_been_processed_is_not_resent", "[client]", over_tcp, over_tls) {
    const manner how = GENERATE(manner::closes, manner::resets);
    two_timer origin(how);
    stage<TestType> s(origin.script());
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/1")).body() == "first");
    request_builder post("POST", "/2");
    SECTION("a POST") {
        const answer a = send(s, client, post);
        CHECK(a.error == errc::maybe_processed);
        CHECK(a.error == condition::maybe_processed);
        CHECK(origin.requests().size() == 2);
        CHECK(s.server.accepted() == 1);
    }
    SECTION("unless it carries a key") {
        post.header("Idempotency-Key", "\"7\"");
        CHECK(send(s, client, post).body() == "first");
        CHECK(s.server.accepted() == 2);
    }
}

TEMPLATE_TEST_CASE("request_of_which_nothing_left_is_sent_again_whatever_it_is", "[client]", over_tcp, over_tls) {
    fact may_close, over;
    std::atomic<int> posts{0};
    stage<TestType> s(
        [&](server_connection& c) {
            if (read_request(c).starts_with("POST")) ++posts;
            c.write(ok("first"));
            if (posts != 0) return c.stay();
            may_close.await();
            c.reset();
            over.state();
        },
        {.check_after_idle = 1h});
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");
    REQUIRE(s.one_idle());
    may_close.state();
    REQUIRE(over.await());
    // The loop has not turned since: the first write finds out.
    CHECK(send(s, client, request_builder("POST", "/")).body() == "first");
    CHECK(posts == 1);
    CHECK(s.server.accepted() == 2);
}

TEMPLATE_TEST_CASE("fresh_connection_that_fails_is_the_end_of_it", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        read_request(c);
        c.close_notify();
        c.end_sending();
        c.stay();
    });
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::response_missing);
    CHECK(s.server.accepted() == 1);
    CHECK(s.ended_for(retire_reason::peer_closed));
}

TEMPLATE_TEST_CASE("begun_response_is_never_asked_for_again", "[client]", over_tcp, over_tls) {
    const std::string begun =
        GENERATE("H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    stage<TestType> s([&begun](server_connection& c) {
        read_request(c);
        c.write(ok("first"));
        read_request(c);
        c.write(begun);
        c.close_notify();
        c.end_sending();
        c.stay();
    });
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::response_truncated);
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("try_after_a_stale_connection_is_at_once_and_on_a_fresh_one", "[client]", lends_oldest<over_tcp>,
                   lends_oldest<over_tls>) {
    // The oldest first, so that those left are younger than what was found dead, and not in doubt.
    dying_three origin;
    stage<TestType> s(origin.script(), {.max_connections = 3});
    fill_one_by_one(s, 3);
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::response_missing);
    CHECK(origin.resent() == 2);
    CHECK(s.server.accepted() == 4);  // two of the three idle ones were left, and not used
    CHECK(s.retired(retire_reason::distrusted) == 0);
}

TEMPLATE_TEST_CASE("connections_idle_as_long_as_a_dead_one_are_not_tried", "[client]", over_tcp, over_tls) {
    const std::string_view method = GENERATE("GET", "POST");
    dying_three origin;
    stage<TestType> s(origin.script(), {.max_connections = 3});
    fill_one_by_one(s, 3);
    http_client client(s.pool);
    const answer a = send(s, client, request_builder(method, "/"));
    CHECK(a.error == (method == "GET" ? errc::response_missing : errc::maybe_processed));
    CHECK(s.retired(retire_reason::distrusted) == 2);
    CHECK(origin.resent() == (method == "GET" ? 2 : 1));  // on the newest one, and on a fresh one at once
    CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
}

TEMPLATE_TEST_CASE("fresh_connection_that_dies_casts_no_doubt_on_others", "[client]", over_tcp, over_tls) {
    fact asked, may_die;
    std::atomic<int> connections{0};
    stage<TestType> s([&](server_connection& c) {
        if (++connections == 1) {
            read_request(c);
            c.write(ok("first"));
            return c.stay();
        }
        read_request(c);
        asked.state();
        may_die.await();
        c.close_notify();
        c.end_sending();
        c.stay();
    });
    auto lease = s.get();
    CHECK(s.exchange(lease, request_builder("GET", "/")).body() == "first");
    http_client client(s.pool);
    answer a;
    const request_builder get("GET", "/");
    client.async_send(get, s.into(a));
    REQUIRE(s.until([&] { return asked.is_stated(); }));
    s.pool.put(std::move(lease));
    may_die.state();
    REQUIRE(s.finish(a));
    CHECK(a.error == errc::response_missing);
    CHECK(s.retired(retire_reason::distrusted) == 0);
    CHECK(s.pool.stats().now.idle + s.pool.stats().now.probing == 1);
}

TEMPLATE_TEST_CASE("retries_end_with_the_budget", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (;;) {
            read_request(c);
            c.write(ok("first"));
            read_request(c);
            c.write("HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
        }
    });
    http_client client(s.pool, {.max_retry_after = 1s});
    // Every second request is asked back: with one retry for each request, three are free, 20 % are earned.
    int failed = 0, sent = 0;
    for (; failed == 0 && sent < 20; ++sent)
        if (send(s, client, request_builder("GET", "/")).reply.status() == 503) ++failed;
    CHECK(failed == 1);
    // The first is answered; each later one retries: the n-th is paid for by 3 + n / 5 of credit.
    CHECK(sent == 6);
}

TEMPLATE_TEST_CASE("streamed_body_is_read_again_from_its_beginning_or_not_sent_again", "[client]", over_tcp, over_tls) {
    two_timer origin;
    stage<TestType> s(origin.script());
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");

    int rewound = 0;
    pulled_text body{"streamed text"};
    const auto pull = [&](std::span<char> room) { return body.pull(room); };
    request_builder put("PUT", "/");
    SECTION("with a way back") {
        put.body_source({pull,
                         [&] {
                             ++rewound;
                             body.at = 0;
                             return true;
                         }},
                        body.text.size());
        CHECK(send(s, client, put).body() == "first");
        CHECK(rewound == 1);
        REQUIRE(origin.requests().size() == 3);
        CHECK(origin.requests()[2].ends_with(body.text));
    }
    SECTION("with a way back that is blocked") {
        put.body_source({pull, [&] { return false; }}, body.text.size());
        CHECK(send(s, client, put).error == errc::response_missing);
        CHECK(s.server.accepted() == 1);
    }
    SECTION("without a way back") {
        put.body_source(pull, body.text.size());
        CHECK(send(s, client, put).error == errc::response_missing);
        CHECK(s.server.accepted() == 1);
    }
}

TEMPLATE_TEST_CASE("failing_body_source_is_not_asked_again", "[client]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("first")));
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");
    int pulls = 0;
    request_builder put("PUT", "/");
    put.body_source({[&](std::span<char>, std::error_code& e) {
                         ++pulls;
                         e = std::make_error_code(std::errc::io_error);
                         return std::size_t{0};
                     },
                     [] { return true; }},
                    5);
    CHECK(send(s, client, put).error == std::errc::io_error);
    CHECK(pulls == 1);
}

TEMPLATE_TEST_CASE("garbage_is_not_asked_for_again", "[client]", over_tcp, over_tls) {
    std::atomic<int> seen{0};
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        c.write(ok("first"));
        read_request(c);
        ++seen;
        c.write("garbage");
        c.stay();
    });
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::bad_status_line);
    CHECK(seen == 1);
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("withheld_body_is_released_on_the_second_try_too", "[client]", over_tcp, over_tls) {
    std::atomic<int> connections{0};
    stage<TestType> s([&](server_connection& c) {
        const bool first = ++connections == 1;
        if (first) {
            read_request(c);
            c.write(ok("first"));
            c.read_until("\r\n\r\n");  // the second request's head: leave
            c.close_notify();
            c.end_sending();
            return c.stay();
        }
        c.write(ok(c.read_exactly(declared_length(c.read_until("\r\n\r\n")))));  // without a word of consent
        c.stay();
    });
    http_client client(s.pool, {.continue_timeout = 5ms});
    CHECK(send(s, client, request_builder("GET", "/")).body() == "first");
    request_builder put("PUT", "/");
    put.body("the body").expect_continue();
    CHECK(send(s, client, put).body() == "the body");
}
