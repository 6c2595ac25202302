// Acceptors on real sockets: who is let in, in which order, and how it ends.
#include <asio/bind_cancellation_slot.hpp>

#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;
using inbound::refuse_reason;

TEMPLATE_TEST_CASE("bytes_go_both_ways_on_an_accepted_connection", "[inbound]", accept_tcp, accept_tls) {
    echo_server<TestType> server;
    {
        client_socket client = server.connect();
        REQUIRE(client.write("hello"));
        CHECK(client.read_exactly(5) == "hello");
        const std::string large(1'000'000, 'x');
        std::thread writer([&] { client.write(large); });
        CHECK(client.read_exactly(large.size()) == large);
        writer.join();
        const auto s = server.acceptor.stats();
        CHECK(s.now.open == 1);
        CHECK(s.total.bytes_in == large.size() + 5);
        CHECK(s.total.bytes_out == large.size() + 5);
        client.end_sending();
    }
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::peer_closed) == 1);
}

TEST_CASE("both_families_listen_on_one_port", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), {.resources = {.check_interval = duration::zero()}});
    const auto all = acceptor.local_endpoints();
    REQUIRE(all.size() >= 1);
    for (const ip_endpoint& where : all) CHECK(where.port == acceptor.port());
    std::vector<ip_endpoint> peers;
    std::function<void()> accept = [&] {
        acceptor.async_accept([&](std::error_code error, inbound::tcp_connection c) {
            if (error) return;
            peers.push_back(c.peer());
            accept();
        });
    };
    accept();
    client_socket four(acceptor.port(), "127.0.0.1");
    client_socket six(acceptor.port(), "::1");
    const std::size_t expected = all.size();
    REQUIRE(run_until(io, [&] { return peers.size() == expected; }));
    CHECK(peers[0].address == *ip_address::parse("127.0.0.1"));
    if (expected == 2) CHECK(peers[1].address == *ip_address::parse("::1"));
    acceptor.close();
}

TEST_CASE("listening_that_fails_names_address_and_reason", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor first(io.get_executor(), on_loopback());
    try {
        inbound::tcp_acceptor second(io.get_executor(), on_loopback({.port = first.port()}));
        FAIL("both listen");
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::listen_failed);
        CHECK(std::string(e.what()).find("127.0.0.1:" + std::to_string(first.port())) != std::string::npos);
    }
    // No machine has this one.
    CHECK_THROWS_AS(inbound::tcp_acceptor(io.get_executor(), on_loopback({.addresses = {"192.0.2.1"}})),
                    std::system_error);
}

TEST_CASE("acceptor_options_out_of_range_are_refused", "[inbound]") {
    net::io_context io;
    const auto refused = [&](const inbound::acceptor_options& options, const std::string& field) {
        try {
            inbound::tcp_acceptor acceptor(io.get_executor(), options);
            return false;
        } catch (const std::invalid_argument& e) {
            return std::string(e.what()).find(field) != std::string::npos;
        }
    };
    CHECK(refused({.addresses = {"localhost"}}, "acceptor_options::addresses"));
    CHECK(refused({.addresses = {"127.0.0.1", "127.0.0.1"}}, "acceptor_options::addresses"));
    CHECK(refused({.backlog = 0}, "acceptor_options::backlog"));
    CHECK(refused({.max_ready = 0}, "acceptor_options::max_ready"));
    CHECK(refused({.accepts_per_turn = 0}, "acceptor_options::accepts_per_turn"));
    CHECK(refused({.admission = {.max_groups = 0}}, "admission_options::max_groups"));
    CHECK(refused({.life = {.idle_timeout = -1s}}, "life_options::idle_timeout"));
}

TEST_CASE("callers_of_accept_are_served_in_order", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback());
    std::vector<int> order;
    std::vector<inbound::tcp_connection> kept;
    for (int i = 0; i < 3; ++i)
        acceptor.async_accept([&, i](std::error_code error, inbound::tcp_connection c) {
            CHECK_FALSE(error);
            order.push_back(i);
            kept.push_back(std::move(c));
        });
    io.poll();
    CHECK(order.empty());
    std::vector<client_socket> clients;
    for (int i = 0; i < 3; ++i) clients.emplace_back(acceptor.port());
    REQUIRE(run_until(io, [&] { return order.size() == 3; }));
    CHECK(order == std::vector<int>{0, 1, 2});
}

TEMPLATE_TEST_CASE("an_accept_that_waits_ends_with_its_acceptor", "[inbound]", accept_tcp, accept_tls) {
    net::io_context io;
    using acceptor_type = typename TestType::acceptor_type;
    auto acceptor = std::make_unique<acceptor_type>(io.get_executor(), on_loopback(), TestType::options());
    std::vector<std::error_code> errors;
    const auto note = [&](std::error_code error, typename acceptor_type::connection_type c) {
        CHECK_FALSE(c);
        errors.push_back(error);
    };
    acceptor->async_accept(note);
    acceptor->async_accept(note);
    acceptor->close();
    CHECK(errors.empty());  // not inside the call
    acceptor->async_accept(note);
    acceptor.reset();
    io.run();
    CHECK(errors == std::vector<std::error_code>(3, errc::acceptor_closed));
}

TEST_CASE("an_accept_that_waits_can_be_cancelled_and_loses_nothing", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback());
    net::cancellation_signal signal;
    std::error_code first;
    int completions = 0;
    acceptor.async_accept(net::bind_cancellation_slot(signal.slot(), [&](std::error_code e, inbound::tcp_connection) {
        ++completions;
        first = e;
    }));
    inbound::tcp_connection accepted;
    acceptor.async_accept([&](std::error_code e, inbound::tcp_connection c) {
        CHECK_FALSE(e);
        accepted = std::move(c);
    });
    signal.emit(net::cancellation_type::terminal);
    CHECK(completions == 0);
    const client_socket client(acceptor.port());
    REQUIRE(run_until(io, [&] { return accepted && completions == 1; }));
    CHECK(first == errc::cancelled);
}

TEST_CASE("no_more_than_max_ready_are_accepted_ahead", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback({.max_ready = 3}));
    std::vector<client_socket> clients;
    for (int i = 0; i < 10; ++i) clients.emplace_back(acceptor.port());
    io.run_for(50ms);
    CHECK(acceptor.stats().ready == 3);
    CHECK(acceptor.stats().total.accepted == 3);
    // Each one that is taken makes room for another; one that ends by itself does too.
    std::vector<inbound::tcp_connection> taken;
    std::function<void()> accept = [&] {
        acceptor.async_accept([&](std::error_code error, inbound::tcp_connection c) {
            REQUIRE_FALSE(error);
            taken.push_back(std::move(c));
            if (taken.size() < 10) accept();
        });
    };
    accept();
    REQUIRE(run_until(io, [&] { return taken.size() == 10; }));
    CHECK(acceptor.stats().total.accepted == 10);
    CHECK(acceptor.stats().ready == 0);
}

TEST_CASE("a_ready_connection_that_idles_out_makes_room", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback({.max_ready = 1, .life = {.idle_timeout = 20ms}}));
    const client_socket first(acceptor.port());
    const client_socket second(acceptor.port());
    REQUIRE(run_until(io, [&] { return acceptor.stats().total.accepted == 2; }));
    CHECK(acceptor.stats().ready <= 1);
}

TEMPLATE_TEST_CASE("each_group_has_its_limit_of_connections", "[inbound]", accept_tcp, accept_tls) {
    echo_server<TestType> server({.admission = {.max_connections_per_group = 2}});
    std::vector<client_socket> clients;
    for (int i = 0; i < 2; ++i) clients.push_back(server.connect());
    for (client_socket& c : clients) {
        REQUIRE(c.write("x"));
        CHECK(c.read_exactly(1) == "x");
    }
    client_socket third(server.port());
    CHECK(third.wait_for_end() == peer_end::closed);
    CHECK(server.refused(refuse_reason::group_connections) == 1);
    // Another address is another group.
    client_socket other = server.connect("127.0.0.1", "127.0.0.2");
    CHECK(other.write("y"));
    CHECK(other.read_exactly(1) == "y");
    // A place that is free again can be taken.
    clients.pop_back();
    REQUIRE(eventually([&] { return server.acceptor.stats().now.total() == 2; }));
    client_socket again = server.connect();
    CHECK(again.write("z"));
    CHECK(again.read_exactly(1) == "z");
}

TEST_CASE("a_refused_connection_can_be_told_why", "[inbound]") {
    using services = inbound::tcp_acceptor::services_type;
    std::atomic<int> refusals{0};
    services given;
    given.refused = [&](tcp_stream<net::any_io_executor>& stream, const inbound::admission_verdict& verdict) {
        if (verdict.refused == refuse_reason::denied) ++refusals;
        static const std::string text = "go away";
        CHECK(stream.try_write(net::buffer(text)).bytes == text.size());
        if (refusals == 2) stream.close();  // it may, and then nobody lingers
    };
    echo_server<accept_tcp> server({}, std::move(given));
    server.acceptor.change_access([](access_list& list) { list.deny(ip_block("127.0.0.3/32")); });
    client_socket denied = server.connect("127.0.0.1", "127.0.0.3");
    CHECK(denied.read_exactly(7) == "go away");
    CHECK(denied.wait_for_end() == peer_end::closed);
    CHECK(refusals == 1);
    client_socket again = server.connect("127.0.0.1", "127.0.0.3");
    CHECK(again.read_exactly(7) == "go away");
    denied.close();
    CHECK(eventually([&] { return server.acceptor.stats().lingering_refusals == 0; }));
    CHECK(again.wait_for_end() == peer_end::closed);
    client_socket welcome = server.connect();
    CHECK(welcome.write("x"));
    CHECK(welcome.read_exactly(1) == "x");
}

TEST_CASE("options_change_while_it_runs", "[inbound]") {
    echo_server<accept_tcp> server;
    client_socket first = server.connect();
    REQUIRE(first.write("x"));
    CHECK(first.read_exactly(1) == "x");
    inbound::acceptor_options changed =
        on_loopback({.admission = {.max_connections_per_group = 1}, .life = {.idle_timeout = 500ms}});
    server.acceptor.set_options(changed);
    client_socket second = server.connect();
    CHECK(second.wait_for_end() == peer_end::closed);
    CHECK(server.refused(refuse_reason::group_connections) == 1);
    CHECK(first.wait_for_end() == peer_end::closed);
    CHECK(eventually([&] { return server.closed(close_reason::idle_timeout) == 1; }));
    changed.max_ready = 0;
    CHECK_THROWS_AS(server.acceptor.set_options(changed), std::invalid_argument);
}

TEST_CASE("resources_are_not_looked_at_once_that_is_off", "[inbound]") {
    // It is put off while a look is due already: from the event that comes out with it.
    net::io_context io;
    inbound::acceptor_options options = on_loopback();
    std::unique_ptr<inbound::tcp_acceptor> acceptor;
    bool off = false;
    inbound::tcp_acceptor::services_type services;
    services.listener = [&](const inbound::inbound_event& event) {
        if (event.kind != inbound::inbound_event_kind::group_recovered) return;
        off = true;
        options.resources.check_interval = 0s;
        acceptor->set_options(options);
    };
    acceptor = std::make_unique<inbound::tcp_acceptor>(io.get_executor(), options, tcp_server_options{}, services);
    options.resources.check_interval = 10ms;
    acceptor->set_options(options);
    REQUIRE(run_until(io, [&] { return acceptor->stats().resources.descriptors_used != 0; }));
    acceptor->block(*ip_address::parse("127.0.0.9"), 5ms);
    std::this_thread::sleep_for(30ms);  // both are due by now
    REQUIRE(run_until(io, [&] { return off; }));
    io.restart();
    std::size_t handlers = 0;
    while (handlers < 10 && io.run_one_for(20ms) != 0) ++handlers;
    CHECK(handlers < 10);
}

TEMPLATE_TEST_CASE("a_group_that_is_blocked_leaves_and_stays_out", "[inbound]", accept_tcp, accept_tls) {
    echo_server<TestType> server;
    client_socket bad = server.connect("127.0.0.1", "127.0.0.2");
    client_socket good = server.connect();
    for (client_socket* c : {&bad, &good}) {
        REQUIRE(c->write("x"));
        REQUIRE(c->read_exactly(1) == "x");
    }
    CHECK(server.acceptor.block(*ip_address::parse("127.0.0.2"), 1h) == inbound::block_result::blocked);
    CHECK(bad.wait_for_end() == peer_end::closed);
    CHECK(bad.said_goodbye());
    CHECK(eventually([&] { return server.service->last_error() == errc::group_blocked; }));
    bad.close();
    CHECK(eventually([&] { return server.closed(close_reason::group_blocked) == 1; }));
    client_socket again(server.port(), "127.0.0.1", "127.0.0.2");
    CHECK(again.wait_for_end() == peer_end::closed);
    CHECK(server.refused(refuse_reason::blocked) == 1);
    CHECK(server.acceptor.stats().blocked_groups == 1);
    CHECK(good.write("y"));
    CHECK(good.read_exactly(1) == "y");
    server.acceptor.unblock(*ip_address::parse("127.0.0.2"));
    CHECK(server.acceptor.stats().blocked_groups == 0);
    client_socket back = server.connect("127.0.0.1", "127.0.0.2");
    CHECK(back.write("z"));
    CHECK(back.read_exactly(1) == "z");
}

TEST_CASE("events_tell_the_life_of_a_connection", "[inbound]") {
    std::mutex mutex;
    std::vector<std::string> told;
    inbound::tcp_acceptor::services_type services;
    services.listener = [&](const inbound::inbound_event& event) {
        const std::lock_guard lock(mutex);
        told.push_back(to_string(event.kind));
    };
    {
        echo_server<accept_tcp> server({.admission = {.max_connections_per_group = 1}}, services);
        client_socket client = server.connect();
        REQUIRE(client.write("x"));
        REQUIRE(client.read_exactly(1) == "x");
        client_socket refused(server.port());
        CHECK(refused.wait_for_end() == peer_end::closed);
        client.close();
        REQUIRE(eventually([&] { return server.is_spent(); }));
        server.acceptor.block(*ip_address::parse("127.0.0.9"), 20ms);
        REQUIRE(eventually([&] { return server.acceptor.stats().blocked_groups == 0; }));
        std::promise<void> drained;
        server.acceptor.async_drain(1s, [&](std::error_code) { drained.set_value(); });
        drained.get_future().wait();
    }
    const std::lock_guard lock(mutex);
    CHECK(told == std::vector<std::string>{"connection_opened", "connection_refused", "connection_ended",
                                           "group_blocked", "group_recovered", "draining", "drained"});
}

TEST_CASE("certificates_are_exchanged_while_it_runs", "[inbound]") {
    echo_server<accept_tls> server;
    const auto fingerprint = [](const client_socket& c) {
        const std::unique_ptr<X509, void (*)(X509*)> shown(SSL_get1_peer_certificate(c.ssl()), X509_free);
        return X509_get_serialNumber(shown.get()) == nullptr ? -1
                                                             : ASN1_INTEGER_get(X509_get0_serialNumber(shown.get()));
    };
    client_socket before = server.connect();
    const identity fresh = test_root().issue();
    server.acceptor.set_transport_options({.certificate_pem = fresh.certificate_pem, .private_key_pem = fresh.key_pem});
    client_socket after = server.connect();
    CHECK(fingerprint(before) != fingerprint(after));
    CHECK_THROWS(server.acceptor.set_transport_options({.certificate_pem = "none", .private_key_pem = fresh.key_pem}));
    for (client_socket* c : {&before, &after}) {
        CHECK(c->write("x"));
        CHECK(c->read_exactly(1) == "x");
    }
}
