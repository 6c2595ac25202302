// The origin ends the connection at every point, politely and rudely.
#include "support/http_test.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

enum class manner { says_goodbye, just_closes, resets };

/// Ends the connection; what arrives meanwhile is read, so that closing does not turn into a reset.
void end(server_connection& c, manner how) {
    switch (how) {
        case manner::says_goodbye:
            c.close_notify();
            c.end_sending();
            return c.stay();
        case manner::just_closes: c.end_sending(); return c.stay();
        case manner::resets: return c.reset();
    }
}

struct ending {
    errc over_tcp;  ///< with FIN, and over TLS with close_notify
    errc torn;      ///< over TLS with FIN alone
    errc reset;
};

template <class Side>
errc expected(const ending& e, manner how) {
    if (how == manner::resets) return e.reset;
    return Side::is_tls && how == manner::just_closes ? e.torn : e.over_tcp;
}

template <class Side>
retire_reason reason(manner how) {
    const bool orderly = how == manner::says_goodbye || (!Side::is_tls && how == manner::just_closes);
    return orderly ? retire_reason::peer_closed : retire_reason::transport_error;
}

const manner manners[]{manner::says_goodbye, manner::just_closes, manner::resets};

}  // namespace

TEMPLATE_TEST_CASE("end_before_the_response_is_complete_has_its_name", "[http]", over_tcp, over_tls) {
    struct point {
        std::string sent;
        ending get;
        ending post;
    };
    using enum errc;
    const ending truncated{response_truncated, response_truncated, response_truncated};
    const ending maybe{maybe_processed, maybe_processed, maybe_processed};
    const std::vector<point> points{
        {"", {response_missing, tls_truncated, connection_reset}, maybe},
        {"H", truncated, truncated},
        {"HTTP/1.1 200 OK\r\nContent-Le", truncated, truncated},
        {"HTTP/1.1 100 Continue\r\n\r\n", truncated, truncated},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", truncated, truncated},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", truncated, truncated},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", truncated, truncated},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", truncated, truncated},
    };
    const std::size_t descriptors = open_descriptors();
    for (const point& at : points)
        for (const manner how : manners)
            for (const bool reused : {false, true}) {
                CAPTURE(at.sent, static_cast<int>(how), reused);
                for (const std::string_view method : {"GET", "POST"}) {
                    stage<TestType> s([&](server_connection& c) {
                        if (reused) {
                            read_request(c);
                            c.write(ok("first"));
                        }
                        read_request(c);
                        if (!at.sent.empty()) c.write(at.sent);
                        end(c, how);
                    });
                    if (reused) CHECK(s.fetch(request_builder("GET", "/")).body() == "first");
                    auto lease = s.get();
                    const answer a = s.exchange(lease, request_builder(method, "/"));
                    CHECK(a.error == expected<TestType>(method == "GET" ? at.get : at.post, how));
                    CHECK(a.reply.status() == 0);
                    s.pool.put(std::move(lease));
                    CHECK(s.ended_for(reason<TestType>(how)));
                }
            }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("body_until_close_needs_an_orderly_end", "[http]", over_tcp, over_tls) {
    for (const manner how : manners) {
        CAPTURE(static_cast<int>(how));
        stage<TestType> s([how](server_connection& c) {
            read_request(c);
            c.write("HTTP/1.1 200 OK\r\n\r\nall of it");
            end(c, how);
        });
        const answer a = s.fetch(request_builder("GET", "/"));
        const bool orderly = reason<TestType>(how) == retire_reason::peer_closed;
        CHECK(a.error == (orderly ? std::error_code() : make_error_code(errc::response_truncated)));
        CHECK(a.body() == (orderly ? "all of it" : ""));
        CHECK(s.ended_for(orderly ? retire_reason::connection_close : retire_reason::transport_error));
    }
}

TEMPLATE_TEST_CASE("fresh_connection_that_is_over_before_the_request_fails_by_its_cause", "[http]", over_tcp,
                   over_tls) {
    for (const manner how : manners) {
        CAPTURE(static_cast<int>(how));
        fact over;
        fact may_close;
        stage<TestType> s([&](server_connection& c) {
            may_close.await();
            if (how == manner::says_goodbye) c.close_notify();
            if (how == manner::resets) c.reset();
            if (how != manner::resets) c.end_sending();
            over.state();
            if (how != manner::resets) c.stay();
        });
        auto lease = s.get();
        may_close.state();
        REQUIRE(over.await());
        const answer a = s.exchange(lease, request_builder("GET", "/"));
        CHECK(a.error == condition::connection_lost);
        CHECK(a.error != errc::stale_connection);
        CHECK(a.error ==
              expected<TestType>({errc::connection_closed, errc::tls_truncated, errc::connection_reset}, how));
        lease = {};
        CHECK(s.ended_for(reason<TestType>(how)));
    }
}

TEMPLATE_TEST_CASE("reused_connection_that_is_over_before_the_request_is_stale", "[http]", over_tcp, over_tls) {
    for (const manner how : manners) {
        CAPTURE(static_cast<int>(how));
        fact over, may_close;
        stage<TestType> s([&](server_connection& c) {
            read_request(c);
            c.write(ok("first"));
            may_close.await();
            if (how == manner::says_goodbye) c.close_notify();
            if (how == manner::resets) c.reset();
            if (how != manner::resets) c.end_sending();
            over.state();
            if (how != manner::resets) c.stay();
        });
        CHECK(s.fetch(request_builder("GET", "/")).body() == "first");
        auto lease = s.get();
        REQUIRE(lease.reused());
        may_close.state();
        REQUIRE(over.await());
        s.settle();  // the watch that it had while idle reports
        CHECK(s.exchange(lease, request_builder("POST", "/")).error == errc::stale_connection);
        lease = {};
        CHECK(s.ended_for(reason<TestType>(how)));
    }
}

TEMPLATE_TEST_CASE("end_after_a_response_retires_the_connection_at_once", "[http]", over_tcp, over_tls) {
    const std::size_t descriptors = open_descriptors();
    for (const manner how : manners)
        for (const bool idle : {false, true}) {
            CAPTURE(static_cast<int>(how), idle);
            fact may_close;
            stage<TestType> s([&](server_connection& c) {
                read_request(c);
                c.write(ok("first"));
                if (idle) may_close.await();
                end(c, how);
            });
            const answer a = s.fetch(request_builder("GET", "/"));
            CHECK(a.body() == "first");
            if (idle) {
                CHECK(s.one_idle());
                may_close.state();
            }
            CHECK(s.ended_for(retire_reason::peer_closed));
        }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("garbage_is_refused_by_name", "[http]", over_tcp, over_tls) {
    struct garbage {
        std::string sent;
        errc error;
    };
    const std::vector<garbage> all{
        {"SSH-2.0-OpenSSH_9.2\r\n", errc::bad_status_line},
        {std::string(100, '\0'), errc::bad_status_line},
        {"HTTP/2.0 200 OK\r\n\r\n", errc::bad_version},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", errc::bad_field_name},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", errc::conflicting_content_length},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", errc::bad_chunk_size},
        {"HTTP/1.1 200 OK\r\n" + std::string(100'000, 'a'), errc::head_too_large},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", errc::upgrade_not_requested},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", errc::body_too_large},
    };
    const std::size_t descriptors = open_descriptors();
    for (const garbage& g : all) {
        CAPTURE(g.error);
        stage<TestType> s([&g](server_connection& c) {
            read_request(c);
            c.write(g.sent);
            c.stay();
        });
        const answer a = s.fetch(request_builder("GET", "/"));
        CHECK(a.error == g.error);
        CHECK(a.error == condition::bad_response);
        CHECK(s.ended_for(retire_reason::protocol_error));
    }
    CHECK(open_descriptors() == descriptors);
}
