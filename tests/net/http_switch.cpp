// Connections that stop speaking HTTP: upgrade and CONNECT.
#include "support/http_test.hpp"

#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

template <class Side>
struct talk {
    stage<Side>& s;
    typename stage<Side>::lease_type& lease;

    std::string read(std::size_t bytes) {
        std::string all;
        while (all.size() < bytes) {
            char room[7];
            std::size_t got = 0;
            std::error_code error;
            int completions = 0;
            lease.async_read_some(asio::buffer(room), [&](std::error_code e, std::size_t n) {
                ++completions;
                error = e;
                got = n;
            });
            REQUIRE(s.until([&] { return completions == 1; }));
            if (error) return all + "|" + error.message();
            all.append(room, got);
        }
        return all;
    }
    void write(std::string_view bytes) {
        std::size_t put = 0;
        lease.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                               [&](std::error_code, std::size_t n) { put = n; });
        REQUIRE(s.until([&] { return put != 0; }));
        CHECK(put == bytes.size());
    }
};

request_builder upgrade() { return request_builder("GET", "/chat").header("Upgrade", "echo"); }

loopback_server::script switching(std::string head, std::string behind) {
    return [=](server_connection& c) {
        read_request(c);
        c.write(head + behind);
        for (;;) c.write(c.read_some());
    };
}

constexpr const char* switching_head =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";

}  // namespace

TEMPLATE_TEST_CASE("upgraded_connection_is_handed_over_with_what_came_behind_the_head", "[http]", over_tcp, over_tls) {
    const std::string behind = GENERATE(std::string(), std::string("hi"), std::string(100, 'b'));
    const bool detached = GENERATE(false, true);
    stage<TestType> s(switching(switching_head, behind));
    auto lease = s.get();
    const answer a = s.exchange(lease, upgrade());
    REQUIRE_FALSE(a.error);
    CHECK(a.reply.status() == 101);
    CHECK(a.reply.header("Upgrade") == "echo");
    CHECK(a.body().empty());
    CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::connection_closed);  // no HTTP any more

    if (detached) {
        lease.detach();
        CHECK(s.pool.stats().now.total() == 0);
        CHECK(s.retired(retire_reason::detached) == 1);
        lease.detach();  // once is enough
        CHECK(s.retired() == 1);
    }
    talk<TestType> t{s, lease};
    CHECK(t.read(behind.size()) == behind);
    t.write("ping");
    CHECK(t.read(4) == "ping");
    lease = {};
    CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
    CHECK(s.retired(detached ? retire_reason::detached : retire_reason::not_clean) == 1);
    CHECK(s.retired() == 1);
}

TEMPLATE_TEST_CASE("switched_connection_never_comes_back_to_the_pool", "[http]", over_tcp, over_tls) {
    stage<TestType> s(switching(switching_head, ""));
    CHECK(s.fetch(upgrade()).reply.status() == 101);  // put, and so vouched for
    CHECK(s.ended_for(retire_reason::not_clean));
}

TEMPLATE_TEST_CASE("tunnel_is_handed_over_with_what_came_behind_the_head", "[http]", over_tcp, over_tls) {
    stage<TestType> s(switching("HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n", "banner"));
    auto lease = s.get();
    const answer a = s.exchange(lease, request_builder("CONNECT", "example.com:443"));
    REQUIRE_FALSE(a.error);
    CHECK(a.reply.status() == 200);
    lease.detach();
    talk<TestType> t{s, lease};
    CHECK(t.read(6) == "banner");
    t.write("through");
    CHECK(t.read(7) == "through");
    CHECK(s.retired(retire_reason::detached) == 1);
}

TEMPLATE_TEST_CASE("refused_tunnel_and_upgrade_are_plain_responses", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("no").replace(9, 3, "407")));
    CHECK(s.fetch(request_builder("CONNECT", "example.com:443")).body() == "no");
    CHECK(s.fetch(upgrade()).body() == "no");
    CHECK(s.one_idle());
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("upgrade_that_nobody_asked_for_is_refused", "[http]", over_tcp, over_tls) {
    stage<TestType> s(switching(switching_head, "hi"));
    CHECK(s.fetch(request_builder("GET", "/")).error == errc::upgrade_not_requested);
    CHECK(s.ended_for(retire_reason::protocol_error));
}

TEMPLATE_TEST_CASE("detached_connection_outlives_its_pool", "[http]", over_tcp, over_tls) {
    const std::size_t descriptors = open_descriptors();
    {
        typename stage<TestType>::lease_type lease;
        auto s = std::make_unique<stage<TestType>>(switching(switching_head, "hi"));
        lease = s->get();
        REQUIRE(s->exchange(lease, upgrade()).reply.status() == 101);
        lease.detach();
        s->pool.close();
        talk<TestType> t{*s, lease};
        CHECK(t.read(2) == "hi");
        t.write("ping");
        CHECK(t.read(4) == "ping");
        lease = {};
    }
    CHECK(open_descriptors() == descriptors);
}
