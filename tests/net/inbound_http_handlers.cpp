// The HTTP server and its handler: answers that come late, from elsewhere, wrong or not at all, and clients that leave.
#include "support/inbound_http.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;
using inbound::reply;
using inbound::responder;

TEMPLATE_TEST_CASE("a_handler_may_answer_later_from_another_thread", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    for (int i = 0; i < 20; ++i) CHECK(peer.ask(get("/thread"))->body == "from a thread: /thread");
    REQUIRE(peer.send(get("/hold?1") + get("/hold?2")));
    responder first = server.take_held();
    CHECK(server.held.empty());  // one at a time
    first.send(reply().body("first"));
    CHECK_FALSE(first);
    first.send(reply().body("a second answer is none"));
    CHECK(peer.read()->body == "first");
    server.take_held().send(std::move(reply().body("second")));
    CHECK(peer.read()->body == "second");
    CHECK(peer.ask(get("/hello"))->body == "hello");
}

TEST_CASE("many_threads_answer_on_many_connections", "[inbound][thread]") {
    web_server<accept_tcp> server;
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
        clients.emplace_back([&, i] {
            http_peer peer = server.connect();
            for (int n = 0; n < 50; ++n) {
                const std::string target = "/thread?" + std::to_string(i) + "." + std::to_string(n);
                const auto seen = peer.ask(get(target));
                if (!seen || seen->body != "from a thread: " + target) throw std::logic_error("another's answer");
            }
        });
    for (std::thread& t : clients) t.join();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.served == 200);
}

TEST_CASE("connections_on_strands_of_several_threads_are_served", "[inbound][thread]") {
    running_loop threads(3);
    web_server<accept_tcp>::services_type services;
    services.connection_executor = [&] { return net::any_io_executor(net::make_strand(threads.io)); };
    {
        web_server<accept_tcp> server({}, {}, std::move(services));
        std::vector<std::thread> clients;
        for (int i = 0; i < 4; ++i)
            clients.emplace_back([&] {
                http_peer peer = server.connect();
                for (int n = 0; n < 100; ++n) {
                    const std::string text = post("/echo", std::to_string(n)) + get("/thread");
                    const auto echoed = peer.ask(text), threaded = peer.read();
                    if (!echoed || echoed->body != std::to_string(n)) throw std::logic_error("another's answer");
                    if (!threaded || threaded->body != "from a thread: /thread")
                        throw std::logic_error("another's answer" + (threaded ? threaded->body : "none"));
                }
            });
        for (std::thread& t : clients) t.join();
        CHECK(eventually([&] { return server.is_spent(); }));
        CHECK(server.stats().total.served == 800);
    }
    threads.finish();
}

TEST_CASE("who_does_not_answer_has_answered_500", "[inbound]") {
    web_server<accept_tcp> server;
    const auto failed = [&](std::string_view target) {
        http_peer peer = server.connect();
        const auto seen = peer.ask(get(target));
        REQUIRE(seen);
        CHECK(seen->status == 500);
        CHECK(peer.ended());
    };
    failed("/drop");
    failed("/throw");
    failed("/bad");
    SECTION("later, too") {
        http_peer peer = server.connect();
        REQUIRE(peer.send(get("/hold")));
        { const responder gone = server.take_held(); }
        CHECK(peer.read()->status == 500);
        CHECK(peer.ended());
        REQUIRE(eventually([&] { return server.stats().total.failed_requests == 4; }));
    }
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.failed_requests >= 3);
    CHECK(server.stats().total.served == 0);
}

TEST_CASE("an_answer_stands_though_the_handler_throws_behind_it", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    CHECK(peer.ask(get("/throw_late"))->body == "said before");
    CHECK(peer.ask(get("/hello"))->body == "hello");
}

TEMPLATE_TEST_CASE("a_client_may_leave_at_any_point", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({.life = {.linger_timeout = 200ms}});
    const std::string text = post("/echo", std::string(20'000, 'x'));
    for (const bool reset : {false, true}) {
        CAPTURE(reset);
        const auto leave = [&](http_peer peer) {
            if (reset) peer.socket().reset();
        };
        leave(server.connect());
        for (const std::size_t size :
             {std::size_t{1}, std::size_t{10}, std::size_t{40}, text.size() / 2, text.size()}) {
            http_peer peer = server.connect();
            REQUIRE(peer.send(text.substr(0, size)));
            leave(std::move(peer));
        }
        http_peer pipelining = server.connect();
        REQUIRE(pipelining.send(get("/hello") + get("/thread") + get("/large")));
        leave(std::move(pipelining));
        http_peer reading = server.connect();
        REQUIRE(reading.send(get("/large")));
        CHECK(reading.socket().read_exactly(100).size() == 100);
        leave(std::move(reading));
    }
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.connect().ask(get("/hello"))->body == "hello");
}

TEMPLATE_TEST_CASE("a_client_may_leave_while_its_request_is_worked_on", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    {
        http_peer peer = server.connect();
        REQUIRE(peer.send(get("/hold")));
        responder late = server.take_held();
        peer.socket().reset();
        std::this_thread::sleep_for(20ms);
        late.send(reply().body(server.large));
    }
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("a_client_that_has_ended_its_side_still_gets_its_answers", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/hello") + get("/thread") + get("/hello")));
    peer.socket().end_sending();
    CHECK(peer.read()->body == "hello");
    CHECK(peer.read()->status == 200);
    CHECK(peer.read()->body == "hello");
    CHECK(peer.ended());
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEMPLATE_TEST_CASE("a_request_stays_where_it_is_until_it_is_answered", "[inbound]", accept_tcp, accept_tls) {
    // The handler keeps a reference, and nothing else.
    net::io_context io;
    typename TestType::acceptor_type acceptor(io.get_executor(), on_loopback(), TestType::options());
    inbound::http_server server(acceptor, [&](const inbound::request& r, responder a) {
        auto timer = std::make_shared<net::basic_waitable_timer<clock_type>>(io, 20ms);
        timer->async_wait([&r, timer, a = std::move(a)](std::error_code) mutable {
            a.send(std::move(reply().body(std::string(r.path()) + ' ' + std::string(r.body()) + ' ' +
                                          r.client().to_string() + ' ' + std::string(r.header("Host").value_or("")))));
        });
    });
    auto asking = std::async(std::launch::async, [port = acceptor.port()] {
        http_peer peer(TestType::connect(port));
        const auto first = peer.ask(post("/abc", "the body") + post("/next", std::string(10'000, 'x')));
        const auto second = peer.read();
        return std::pair(first ? first->body : "", second ? second->body : "");
    });
    REQUIRE(run_until(io, [&] { return asking.wait_for(0s) == std::future_status::ready; }));
    const auto seen = asking.get();
    CHECK(seen.first == "/abc the body 127.0.0.1 test");
    CHECK(seen.second == "/next " + std::string(10'000, 'x') + " 127.0.0.1 test");
}

TEST_CASE("an_answer_may_come_when_the_acceptor_is_closed", "[inbound]") {
    responder late;
    {
        web_server<accept_tcp> server;
        http_peer peer = server.connect();
        REQUIRE(peer.send(get("/hold")));
        late = server.take_held();
        server.acceptor.close();
        CHECK_FALSE(peer.read());
        late.send(reply());
        REQUIRE(eventually([&] { return server.is_spent(); }));
    }
    CHECK_FALSE(late);
}

TEST_CASE("bad_options_are_refused_by_name", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback());
    const auto handler = [](const inbound::request&, responder) {};
    const auto message_of = [&](inbound::http_options options, auto h) {
        try {
            inbound::http_server server(acceptor, std::function<void(const inbound::request&, responder)>(h), options);
            return std::string();
        } catch (const std::invalid_argument& e) {
            return std::string(e.what());
        }
    };
    CHECK(message_of({}, handler).empty());
    CHECK(message_of({}, nullptr).find("handler") != std::string::npos);
    CHECK(message_of({.limits = {.max_request_line_bytes = 1}}, handler).find("max_request_line_bytes") !=
          std::string::npos);
    CHECK(message_of({.drain_retry_after = -1s}, handler).find("drain_retry_after") != std::string::npos);
    CHECK(message_of({.drain_idle_time = -1s}, handler).find("drain_idle_time") != std::string::npos);
}

TEST_CASE("a_responder_may_outlive_its_context", "[inbound]") {
    for (const bool on_strand : {false, true}) {
        for (const bool answers : {false, true}) {
            CAPTURE(on_strand, answers);
            responder late;
            std::future<bool> asking;
            {
                net::io_context io;
                inbound::tcp_acceptor::services_type services;
                if (on_strand)
                    services.connection_executor = [&] { return net::any_io_executor(net::make_strand(io)); };
                inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback(), tcp_server_options{}, services);
                inbound::http_server server(acceptor,
                                            [&](const inbound::request&, responder a) { late = std::move(a); });
                asking = std::async(std::launch::async, [port = acceptor.port()] {
                    http_peer peer(accept_tcp::connect(port));
                    return peer.ask(get("/")).has_value();
                });
                REQUIRE(run_until(io, [&] { return static_cast<bool>(late); }));
            }
            CHECK_FALSE(asking.get());
            REQUIRE(late);
            if (answers) late.send(reply());
        }
    }
}

TEMPLATE_TEST_CASE("large_replies_and_requests_leave_everybody_else_his_turn", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    // Counts from one turn of the loop to the next what has gone in and out.
    std::uint64_t in = 0, out = 0, most_in = 0, most_out = 0;
    bool goes_on = true;
    std::function<void()> turn = [&] {
        const auto now = server.stats().total;
        most_in = std::max(most_in, now.bytes_in - std::exchange(in, now.bytes_in));
        most_out = std::max(most_out, now.bytes_out - std::exchange(out, now.bytes_out));
        if (goes_on) net::post(server.loop.io, [&] { turn(); });
    };
    net::post(server.loop.io, [&] { turn(); });
    http_peer peer = server.connect();
    for (int i = 0; i < 3; ++i) {
        const auto seen = peer.ask(get("/large"));
        CHECK((seen && seen->body.size() == server.large->size()));
        CHECK(peer.status_of(post("/hello", std::string(1'000'000, 'x'))) == 200);
    }
    std::promise<void> stopped;
    net::post(server.loop.io, [&] {
        goes_on = false;
        net::post(server.loop.io, [&] { stopped.set_value(); });
    });
    stopped.get_future().wait();
    CHECK(most_in > 0);
    CHECK(most_in <= 256 * 1024);
    CHECK(most_out > 64 * 1024);
    CHECK(most_out <= 512 * 1024);
}
