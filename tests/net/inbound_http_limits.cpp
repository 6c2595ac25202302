// The HTTP server at its limits: quotas, full houses, time, and the drain.
#include "support/inbound_http.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;
using inbound::reply;

TEMPLATE_TEST_CASE("requests_above_the_quota_are_told_when_to_come_back", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.admission = {.max_requests_per_group = 3}});
    http_peer peer = server.connect();
    for (int i = 0; i < 3; ++i) CHECK(peer.status_of(get("/hello")) == 200);
    const auto refused = peer.ask(get("/hello"));
    REQUIRE(refused);
    CHECK(refused->status == 429);
    const int seconds = std::stoi(refused->field("Retry-After"));
    CHECK(seconds >= 1);
    CHECK(seconds <= 3600);
    CHECK_FALSE(refused->closes());
    CHECK(peer.status_of(get("/hello")) == 429);
    CHECK(server.connect().status_of(get("/hello")) == 429);
    SECTION("and a body that nobody wants ends the connection") {
        const auto seen =
            peer.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        CHECK(seen->status == 429);
        CHECK(seen->closes());
        CHECK(peer.interim_heads == 0);
        CHECK(peer.ended());
    }
    peer.socket().end_sending();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.served == 3);
    CHECK(server.stats().total.refused_requests >= 3);
}

TEST_CASE("the_client_behind_a_trusted_proxy_has_a_quota_of_its_own", "[inbound]") {
    web_server<accept_tcp> server(
        {.admission = {.max_requests_per_group = 2, .proxies = inbound::trusted_proxies({ip_block("127.0.0.1")})}});
    http_peer peer = server.connect();
    const auto from = [&](const char* client) {
        return peer.ask(get("/client", "X-Forwarded-For: 192.0.2.99, " + std::string(client) + "\r\n"));
    };
    CHECK(from("192.0.2.1")->body == "192.0.2.1");
    CHECK(from("192.0.2.1")->status == 200);
    CHECK(from("192.0.2.1")->status == 429);
    CHECK(from("192.0.2.2")->body == "192.0.2.2");
    CHECK(from("::ffff:192.0.2.3")->body == "192.0.2.3");
    // Its own requests are nobody's.
    for (int i = 0; i < 5; ++i) CHECK(peer.ask(get("/client"))->body == "127.0.0.1");
    CHECK(peer.ask(get("/client", "Forwarded: for=192.0.2.1\r\n"))->body == "127.0.0.1");
}

TEMPLATE_TEST_CASE("paths_that_the_program_names_spend_no_quota", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.admission = {.max_requests_per_group = 2}}, {.unmetered_paths = {"/hello"}});
    http_peer peer = server.connect();
    for (int i = 0; i < 5; ++i) CHECK(peer.status_of(get("/hello")) == 200);
    for (int i = 0; i < 2; ++i) CHECK(peer.status_of(get("/client")) == 200);
    CHECK(peer.status_of(get("/client")) == 429);
    CHECK(peer.status_of(get("/hello?a=b")) == 200);
    CHECK(server.connect().status_of(get("/hello")) == 200);
    CHECK(server.connect().status_of(get("/client")) == 429);
}

TEST_CASE("nobody_else_is_believed_who_the_client_is", "[inbound]") {
    web_server<accept_tcp> server;
    CHECK(server.connect().ask(get("/client", "X-Forwarded-For: 192.0.2.1\r\n"))->body == "127.0.0.1");
}

TEST_CASE("a_plain_connection_that_is_refused_is_told_why", "[inbound]") {
    web_server<accept_tcp>::services_type services;
    services.refused = inbound::http_refusal();
    web_server<accept_tcp> server({.admission = {.max_connections_per_group = 1}}, {}, std::move(services));
    http_peer first = server.connect();
    REQUIRE(first.status_of(get("/hello")) == 200);
    http_peer second = server.connect();
    const auto seen = second.read();
    REQUIRE(seen);
    CHECK(seen->status == 429);
    CHECK(seen->closes());
    CHECK(second.ended());
    CHECK(first.status_of(get("/hello")) == 200);
}

TEMPLATE_TEST_CASE("a_request_that_trickles_is_cut_in_time", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.life = {.request_timeout = 200ms, .linger_timeout = 100ms}});
    const std::string_view begun =
        GENERATE("", "G", "GET / HTTP/1.1\r\nA: ", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    CAPTURE(begun);
    http_peer peer = server.connect();
    REQUIRE(peer.send(begun));
    const time_point started = clock_type::now();
    std::atomic<bool> over{false};
    std::thread trickle([&] {
        while (!over && !begun.empty() && peer.send("x")) std::this_thread::sleep_for(20ms);
    });
    CHECK(eventually([&] { return server.stats().total.accepted == 1 && server.is_spent(); }));
    over = true;
    trickle.join();
    CHECK(clock_type::now() - started > 150ms);
    CHECK(server.closed(close_reason::request_timed_out) == 1);
}

TEST_CASE("an_idle_connection_is_closed_in_order_in_time", "[inbound]") {
    web_server<accept_tcp> server({.life = {.idle_timeout = 500ms}});
    http_peer peer = server.connect();
    CHECK(peer.status_of(get("/hello")) == 200);
    CHECK(peer.ended());
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::idle_timeout) == 1);
}

TEST_CASE("a_client_that_does_not_read_is_cut_in_time", "[inbound]") {
    web_server<accept_tcp> server({.life = {.reply_timeout = 200ms}});
    http_peer peer = server.connect();
    std::string many;
    for (int i = 0; i < 20; ++i) many += get("/large");
    REQUIRE(peer.send(many));
    CHECK(eventually([&] { return server.closed(close_reason::slow_reader) == 1; }));
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("the_last_request_that_a_connection_may_bring_is_told_so", "[inbound]") {
    web_server<accept_tcp> server({.life = {.max_requests = 3}});
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hello") + get("/thread") + get("/hello") + get("/hello")));
    CHECK_FALSE(peer.read()->closes());
    CHECK_FALSE(peer.read()->closes());
    CHECK(peer.read()->closes());
    CHECK(peer.ended());
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.served == 3);
}

TEMPLATE_TEST_CASE("a_drain_lets_requests_under_way_finish_and_serves_what_begins_in_its_grace", "[inbound]",
                   accept_tcp, accept_tls) {
    const duration grace = GENERATE(duration(0), duration(5s));
    web_server<TestType> server({}, {.drain_grace = grace, .drain_idle_time = 10s});
    http_peer working = server.connect(), receiving = server.connect(), idle = server.connect(),
              fresh = server.connect();
    REQUIRE(idle.status_of(get("/hello")) == 200);
    REQUIRE(working.send(get("/hold")));
    const std::string text = post("/echo", "body");
    REQUIRE(receiving.send(text.substr(0, 20)));
    inbound::responder held = server.take_held();
    REQUIRE(eventually([&] { return server.stats().total.requests == 3; }));
    REQUIRE(eventually([&] { return server.stats().now.open == 4; }));

    std::thread drain([&] { CHECK_FALSE(server.drain()); });
    REQUIRE(eventually([&] { return server.stats().draining; }));
    std::this_thread::sleep_for(20ms);
    held.send(reply().body("late"));
    const auto late = working.read();
    REQUIRE(late);
    CHECK(late->body == "late");
    CHECK(late->closes());
    CHECK(working.ended());

    const auto rest = receiving.ask(text.substr(20));
    REQUIRE(rest);
    CHECK(rest->body == "body");
    CHECK(rest->closes());
    CHECK(receiving.ended());

    for (http_peer* each : {&idle, &fresh}) {
        const auto said = each->ask(get("/hello"));
        REQUIRE(said);
        CHECK(said->status == (grace == duration(0) ? 503 : 200));
        CHECK(said->field("Retry-After") == (grace == duration(0) ? "5" : ""));
        CHECK(said->closes());
        CHECK(each->ended());
    }
    drain.join();
    CHECK(server.is_spent());
    CHECK(server.closed(close_reason::drained) == 4);
    CHECK(server.stats().total.cut_requests == 0);
}

TEST_CASE("whoever_waits_in_the_backlog_when_a_drain_begins_is_answered_or_told_why_not", "[inbound]") {
    const bool full = GENERATE(false, true);
    net::io_context io;
    inbound::tcp_acceptor::services_type services;
    services.refused = inbound::http_refusal();
    inbound::acceptor_options options = on_loopback();
    options.accepts_per_turn = 4;
    if (full) options.admission.max_connections = 10;
    inbound::tcp_acceptor acceptor(io.get_executor(), options, tcp_server_options{}, services);
    inbound::http_server server(acceptor,
                                [](const inbound::request&, inbound::responder a) { a.send(reply().body("in time")); });
    std::vector<http_peer> peers;
    for (int i = 0; i < 30; ++i) {
        peers.emplace_back(client_socket(acceptor.port()));
        REQUIRE(peers.back().send(post("/", "body")));
    }
    std::optional<std::error_code> drained;
    acceptor.async_drain(10s, [&](std::error_code e) { drained = e; });
    auto seen = std::async(std::launch::async, [&] {
        std::map<unsigned, int> by_status;
        for (http_peer& p : peers) {
            const auto r = p.read();
            ++by_status[r ? r->status : 0];
            if (r && !r->closes()) ++by_status[1];
            if (r && r->status == 503 && r->field("Retry-After").empty()) ++by_status[2];
            p.socket().close();
        }
        return by_status;
    });
    REQUIRE(run_until(io, [&] { return drained.has_value(); }));
    CHECK_FALSE(*drained);
    auto by_status = seen.get();
    CHECK(by_status[200] + by_status[503] == 30);
    CHECK(by_status[200] >= (full ? 10 : 30));  // whose answer has come may make room for others
}

TEST_CASE("a_drain_ends_a_connection_whose_reply_had_been_begun_before", "[inbound]") {
    web_server<accept_tcp> server({}, {.drain_idle_time = 50ms});
    http_peer peer = server.connect();
    const auto let_hold = [&](int bytes) {
        ::setsockopt(peer.socket().fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    };
    let_hold(16 * 1024);
    for (int i = 0; i < 3; ++i) REQUIRE(peer.send(get("/large")));
    REQUIRE(eventually([&] { return server.stats().total.bytes_out > 0; }));
    std::this_thread::sleep_for(50ms);
    std::thread drain([&] { CHECK_FALSE(server.drain(5s)); });
    REQUIRE(eventually([&] { return server.stats().draining; }));
    std::this_thread::sleep_for(20ms);
    let_hold(4'000'000);
    for (;;) {
        const auto seen = peer.read();
        if (!seen || seen->closes()) break;
        CHECK(seen->status == 200);
    }
    peer.socket().close();
    drain.join();
    CHECK(server.stats().total.cut_requests == 0);
}

TEST_CASE("a_drain_ends_idle_connections_after_their_time", "[inbound]") {
    const duration idle_time = GENERATE(duration(0), duration(50ms));
    web_server<accept_tcp> server({}, {.drain_idle_time = idle_time});
    http_peer idle = server.connect();
    REQUIRE(idle.status_of(get("/hello")) == 200);
    bool ended = false;
    std::thread client([&] {
        ended = idle.ended();
        idle.socket().close();
    });
    const time_point started = clock_type::now();
    CHECK_FALSE(server.drain());
    CHECK(clock_type::now() - started >= idle_time);
    client.join();
    CHECK(ended);
    CHECK(server.closed(close_reason::drained) == 1);
}

TEST_CASE("a_drain_that_takes_too_long_cuts_what_is_left", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hold")));
    inbound::responder held = server.take_held();
    CHECK(server.drain(100ms) == errc::drain_timed_out);
    CHECK_FALSE(peer.read());
    held.send(reply());
    CHECK(server.is_spent());
    CHECK(server.stats().total.cut_requests == 1);
}

TEMPLATE_TEST_CASE("a_drain_under_load_cuts_no_request", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({}, {.drain_idle_time = 2s});
    std::atomic<int> served{0}, refused{0}, cut{0}, ready{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&, i] {
            http_peer peer = server.connect();
            ready += peer.status_of(get("/hello")) == 200;
            for (;;) {
                const auto seen = peer.ask(get(i % 2 != 0 ? "/hello" : "/thread"));
                if (!seen) {
                    ++cut;
                    return;
                }
                ++(seen->status == 200 ? served : refused);
                if (seen->closes()) return;
            }
        });
    CHECK(eventually([&] { return ready == 8 && served > 400; }));
    CHECK_FALSE(server.drain());
    for (std::thread& t : clients) t.join();
    CHECK(cut == 0);
    CHECK(server.stats().total.served == static_cast<std::uint64_t>(served + ready));
    CHECK(server.stats().total.refused_requests == static_cast<std::uint64_t>(refused.load()));
    CHECK(server.stats().total.cut_requests == 0);
}
