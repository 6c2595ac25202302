// Clients of the HTTP server that leave, stall or say more than they must.
#include <asio/post.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "support/inbound_http.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// What a client does to leave.
enum class departure { resets, ends_its_side, resets_behind_a_request, ends_behind_a_request };

bool resets(departure how) { return how == departure::resets || how == departure::resets_behind_a_request; }
bool sends_more(departure how) { return how >= departure::resets_behind_a_request; }

void leave(http_peer& peer, departure how) {
    if (sends_more(how)) {
        peer.send(get("/hello"));
        std::this_thread::sleep_for(20ms);
    }
    if (resets(how))
        peer.socket().reset();
    else
        ::shutdown(peer.socket().fd(), SHUT_WR);
}

}  // namespace

TEMPLATE_TEST_CASE("an_empty_line_behind_a_body_keeps_nobody_waiting", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.life = {.request_timeout = 200ms}});
    http_peer peer = server.connect();
    REQUIRE(peer.ask(post("/echo", "body") + "\r\n")->body == "body");
    std::this_thread::sleep_for(300ms);
    CHECK(peer.status_of(get("/hello")) == 200);
    REQUIRE(peer.send("\r\n"));
    REQUIRE(eventually([&] { return server.stats().total.served == 2; }));
    std::thread client([&] {
        CHECK(peer.ended());
        peer.socket().close();
    });
    const time_point began = clock_type::now();
    CHECK_FALSE(server.drain(10s));
    CHECK(clock_type::now() - began < 5s);
    client.join();
    CHECK(server.is_spent());
    CHECK(server.closed(close_reason::drained) == 1);
    CHECK(server.stats().total.requests == 2);
}

TEMPLATE_TEST_CASE("a_client_that_leaves_is_noticed_while_its_request_is_worked_on", "[inbound]", accept_tcp,
                   accept_tls) {
    const departure how = GENERATE(departure::resets, departure::ends_its_side, departure::resets_behind_a_request,
                                   departure::ends_behind_a_request);
    const bool asks_late = GENERATE(false, true);
    CAPTURE(static_cast<int>(how), asks_late);
    web_server<TestType> server({.admission = {.max_connections_per_group = 1}});
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hold")));
    responder held = server.take_held();
    CHECK_FALSE(held.client_gone());
    std::atomic<int> told{0};
    if (!asks_late) held.on_client_gone([&] { ++told; });
    leave(peer, how);
    CHECK(eventually([&] { return held.client_gone(); }));
    if (resets(how)) {
        CHECK(eventually([&] { return server.is_spent(); }));  // with the request still in somebody's hands
        CHECK(server.closed(close_reason::transport_error) == 1);
        CHECK(server.connect().status_of(get("/hello")) == 200);  // its place in the group is free
    }
    if (asks_late) held.on_client_gone([&] { ++told; });
    CHECK(eventually([&] { return told == 1; }));
    held.send(reply().body("late"));
    if (how == departure::ends_its_side) CHECK(peer.read()->body == "late");
    peer.socket().close();
    CHECK(eventually([&] { return server.stats().now.total() == 0; }));
    CHECK(told == 1);
}

TEST_CASE("a_client_that_has_ended_its_side_may_still_be_gone_later", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hold")));
    responder held = server.take_held();
    peer.socket().end_sending();
    REQUIRE(eventually([&] { return held.client_gone(); }));
    CHECK(server.stats().now.open == 1);
    peer.socket().reset();
    CHECK(eventually([&] { return server.is_spent(); }));
    held.send(reply());
}

TEST_CASE("a_hook_is_dropped_with_the_answer_and_with_the_responder", "[inbound]") {
    const bool answers = GENERATE(true, false);
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hold")));
    responder held = server.take_held();
    const auto token = std::make_shared<int>(0);
    std::atomic<bool> told{false};
    held.on_client_gone([&told, token] { told = true; });
    CHECK(token.use_count() == 2);
    if (answers)
        held.send(reply().body("a"));
    else
        responder(std::move(held));
    CHECK(token.use_count() == 1);
    CHECK(peer.read());
    peer.socket().close();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK_FALSE(told);
    CHECK(responder().client_gone());
}

TEST_CASE("a_hook_hears_of_every_end_of_its_connection", "[inbound]") {
    enum class end { limit, block, drain, close };
    const end by = GENERATE(end::limit, end::block, end::drain, end::close);
    CAPTURE(static_cast<int>(by));
    web_server<accept_tcp> server({.life = {.handler_timeout = by == end::limit ? 100ms : 10s}});
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hold")));
    responder held = server.take_held();
    std::atomic<bool> told{false};
    held.on_client_gone([&] { told = true; });
    if (by == end::block) server.acceptor.block(peer_group(*ip_address::parse("127.0.0.1")), 1s);
    if (by == end::drain) CHECK(server.drain(50ms) == errc::drain_timed_out);
    if (by == end::close) server.acceptor.close();
    CHECK(eventually([&] { return told.load(); }));
    CHECK(held.client_gone());
    peer.socket().close();
    CHECK(eventually([&] { return server.is_spent(); }));
    held.send(reply());
}

TEMPLATE_TEST_CASE("a_handler_that_never_answers_has_its_limit", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.life = {.handler_timeout = 200ms}});
    http_peer peer = server.connect();
    const time_point began = clock_type::now();
    const auto seen = peer.ask(post("/hold", "body"));
    CHECK(clock_type::now() - began >= 200ms);
    REQUIRE(seen);
    CHECK(seen->status == 503);
    CHECK(seen->closes());
    CHECK(peer.ended());
    peer.socket().close();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::handler_timed_out) == 1);
    responder held = server.take_held();
    CHECK(held.client_gone());
    held.send(reply().body("too late"));
}

TEMPLATE_TEST_CASE("a_request_that_does_not_come_in_time_is_told_so", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.life = {.request_timeout = 200ms}});
    const std::string begun =
        GENERATE("", "G", "GET / HTTP/1.1\r\nA: ", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    CAPTURE(begun);
    http_peer peer = server.connect();
    REQUIRE(peer.send(begun));
    const auto seen = peer.read();
    CHECK(seen.has_value() == !begun.empty());  // who has said nothing is told nothing
    if (seen) {
        CHECK(seen->status == 408);
        CHECK(seen->closes());
    }
    CHECK(peer.ended());
    peer.socket().close();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::request_timed_out) == 1);
}

TEST_CASE("a_request_that_stalls_behind_others_is_told_so_behind_their_replies", "[inbound]") {
    web_server<accept_tcp> server({.life = {.request_timeout = 200ms}});
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hello") + get("/hello") + "GET"));
    CHECK(peer.read()->status == 200);
    CHECK(peer.read()->status == 200);
    CHECK(peer.read()->status == 408);
    CHECK(peer.ended());
}

TEMPLATE_TEST_CASE("a_drain_loses_no_request_of_active_clients", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    constexpr int clients = 20;
    std::atomic<int> served{0}, lost{0}, closed{0}, ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
        threads.emplace_back([&, i] {
            http_peer peer = server.connect();
            ready += peer.status_of(get("/hello")) == 200;
            for (;;) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5 + i));
                const auto seen = peer.ask(i % 2 != 0 ? get("/hello") : post("/thread", "body"));
                if (!seen || seen->status != 200) {
                    ++lost;
                    return;
                }
                ++served;
                if (!seen->closes()) continue;
                ++closed;
                return;
            }
        });
    REQUIRE(eventually([&] { return ready == clients; }));
    std::this_thread::sleep_for(50ms);
    CHECK_FALSE(server.drain());
    for (std::thread& t : threads) t.join();
    CHECK(lost == 0);
    CHECK(closed == clients);
    CHECK(server.stats().total.cut_requests == 0);
    CHECK(server.stats().total.refused_requests == 0);
}
