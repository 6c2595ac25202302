// Graceful ends of an acceptor: nobody is cut before the deadline, and one call completes when all are gone.
#include <pthread.h>

#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;

namespace {

/// What a client saw until the server left.
struct visit {
    int answers = 0;
    bool cut = false;  ///< inside an answer
};

/// Asks again and again until the server closes.
/// @param answered how many clients have had an answer
visit ask_until_closed(client_socket& client, std::atomic<int>& answered) {
    const std::string question(1000, 'q');
    visit v;
    while (client.write(question)) {
        const std::string answer = client.read_exactly(question.size());
        if (answer.size() != question.size()) {
            v.cut = !answer.empty();
            break;
        }
        answered += ++v.answers == 1;
    }
    return v;
}

/// Runs `work` on a thread with 128 KiB of stack.
template <class Work>
void on_small_stack(Work work) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_t thread;
    const auto run = [](void* given) -> void* {
        (*static_cast<Work*>(given))();
        return nullptr;
    };
    REQUIRE(pthread_create(&thread, &attributes, run, &work) == 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

}  // namespace

TEMPLATE_TEST_CASE("draining_an_empty_acceptor_is_over_at_once", "[inbound][drain]", accept_tcp, accept_tls) {
    net::io_context io;
    typename TestType::acceptor_type acceptor(io.get_executor(), on_loopback(), TestType::options());
    std::vector<std::error_code> accepts, drains;
    acceptor.async_accept([&](std::error_code e, auto) { accepts.push_back(e); });
    acceptor.async_drain(1h, [&](std::error_code e) { drains.push_back(e); });
    acceptor.async_drain(1h, [&](std::error_code e) { drains.push_back(e); });
    CHECK(drains.empty());
    acceptor.async_accept([&](std::error_code e, auto) { accepts.push_back(e); });
    io.run();
    CHECK(accepts == std::vector<std::error_code>(2, errc::acceptor_draining));
    CHECK(drains == std::vector<std::error_code>(2));
    CHECK_FALSE(client_socket(acceptor.port()).is_connected());
    CHECK(acceptor.stats().draining);
}

TEMPLATE_TEST_CASE("a_drain_under_load_cuts_nobody", "[inbound][drain]", accept_tcp, accept_tls) {
    echo_server<TestType> server;
    constexpr int count = 16;
    std::atomic<int> answered{0};
    std::vector<std::future<visit>> visits;
    for (int i = 0; i < count; ++i)
        visits.push_back(std::async(std::launch::async, [&] {
            client_socket client = server.connect();
            return ask_until_closed(client, answered);
        }));
    REQUIRE(eventually([&] { return answered == count; }));
    std::promise<std::error_code> over;
    server.acceptor.async_drain(1h, [&](std::error_code e) { over.set_value(e); });
    auto result = over.get_future();
    REQUIRE(result.wait_for(plenty) == std::future_status::ready);
    CHECK_FALSE(result.get());
    for (auto& v : visits) {
        const visit seen = v.get();
        CHECK(seen.answers > 0);
        CHECK_FALSE(seen.cut);
    }
    CHECK(server.is_spent());
    CHECK(server.service->drained == count);
    CHECK(server.closed(close_reason::drained) == count);
    CHECK(eventually([&] { return server.service->accept_error() == errc::acceptor_draining; }));
    server.loop.finish();  // nothing is left to wait for
}

TEMPLATE_TEST_CASE("who_stays_is_cut_at_the_deadline", "[inbound][drain]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    int told = 0;
    p.connection.on_drain([&] { ++told; });
    CHECK_FALSE(p.connection.draining());
    std::error_code read;
    char byte = 0;
    p.connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { read = e; });
    std::error_code outcome;
    bool over = false;
    const time_point begun = clock_type::now();
    p.acceptor->async_drain(60ms, [&](std::error_code e) {
        over = true;
        outcome = e;
    });
    CHECK(told == 0);
    REQUIRE(p.run([&] { return told == 1; }));
    CHECK(p.connection.draining());
    CHECK_FALSE(p.write("last words"));
    CHECK_FALSE(over);
    REQUIRE(p.run([&] { return over && read; }));
    CHECK(clock_type::now() - begun >= 60ms);
    CHECK(outcome == errc::drain_timed_out);
    CHECK(read == errc::connection_drained);
    CHECK(p.closed(close_reason::drain_timed_out) == 1);
    CHECK(p.client->read_exactly(10) == "last words");
    CHECK(p.client->wait_for_end() == peer_end::reset);
    CHECK(told == 1);
}

TEST_CASE("who_has_no_hook_may_stay_until_the_deadline", "[inbound][drain]") {
    accepted_pair<accept_tcp> p;
    bool over = false;
    p.acceptor->async_drain(1h, [&](std::error_code e) {
        CHECK_FALSE(e);
        over = true;
    });
    REQUIRE(p.client->write("hello"));
    CHECK(p.read() == "hello");
    CHECK_FALSE(over);
    // A hook that comes late is told at once.
    int told = 0;
    p.connection.on_drain([&] {
        ++told;
        p.connection = {};
    });
    CHECK(told == 0);
    REQUIRE(p.run([&] { return over; }));
    CHECK(told == 1);
    CHECK(p.closed(close_reason::drained) == 1);
}

TEST_CASE("connections_that_nobody_has_accepted_are_handed_out_during_a_drain", "[inbound][drain]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback());
    client_socket client(acceptor.port());
    REQUIRE(run_until(io, [&] { return acceptor.stats().ready == 1; }));
    bool over = false;
    acceptor.async_drain(1h, [&](std::error_code) { over = true; });
    inbound::tcp_connection c;
    std::error_code after;
    acceptor.async_accept([&](std::error_code e, inbound::tcp_connection given) {
        CHECK_FALSE(e);
        c = std::move(given);
    });
    acceptor.async_accept([&](std::error_code e, inbound::tcp_connection) { after = e; });
    REQUIRE(run_until(io, [&] { return c && after == errc::acceptor_draining; }));
    CHECK(c.draining());
    CHECK_FALSE(over);
    c = {};
    REQUIRE(run_until(io, [&] { return over; }));
}

TEST_CASE("a_handshake_under_way_may_finish_during_a_drain", "[inbound][drain]") {
    net::io_context io;
    inbound::tls_acceptor acceptor(io.get_executor(), on_loopback(), accept_tls::options());
    client_socket client(acceptor.port());
    REQUIRE(run_until(io, [&] { return acceptor.stats().now.half_open() == 1; }));
    bool over = false;
    acceptor.async_drain(1h, [&](std::error_code e) {
        CHECK_FALSE(e);
        over = true;
    });
    std::vector<std::error_code> errors;
    inbound::tls_connection c;
    for (int i = 0; i < 2; ++i)
        acceptor.async_accept([&](std::error_code e, inbound::tls_connection given) {
            errors.push_back(e);
            if (given) c = std::move(given);
        });
    io.run_for(20ms);
    CHECK(errors.empty());
    auto shaking = std::async(std::launch::async, [&] { return client.shake_hands(); });
    REQUIRE(run_until(io, [&] { return errors.size() == 2; }));
    CHECK(shaking.get());
    CHECK(errors == std::vector<std::error_code>{std::error_code(), errc::acceptor_draining});
    CHECK(c.draining());
    c.close();
    REQUIRE(run_until(io, [&] { return over; }));
}

TEMPLATE_TEST_CASE("who_was_admitted_before_a_drain_belongs_to_it", "[inbound][drain]", accept_tcp, accept_tls) {
    // It begins between the verdict and the connection, where a program's function is called.
    using acceptor_type = typename TestType::acceptor_type;
    net::io_context io;
    std::unique_ptr<acceptor_type> acceptor;
    typename acceptor_type::connection_type accepted;
    std::optional<std::error_code> accept, drain;
    std::size_t left = 1;
    bool fails = false;
    SECTION("it becomes one") {}
    SECTION("it cannot be kept") { fails = true; }
    typename acceptor_type::services_type services;
    services.connection_executor = [&] {
        acceptor->async_drain(1h, [&](std::error_code e) {
            drain = e;
            left = acceptor->stats().now.total();
        });
        if (fails) throw std::bad_alloc();
        return net::any_io_executor(io.get_executor());
    };
    acceptor = std::make_unique<acceptor_type>(io.get_executor(), on_loopback(), TestType::options(), services);
    acceptor->async_accept([&](std::error_code e, auto c) {
        accept = e;
        accepted = std::move(c);
    });
    auto connecting = std::async(std::launch::async, [&] { return TestType::connect(acceptor->port()); });
    REQUIRE(run_until(io, [&] { return accept.has_value(); }));
    if (fails) {
        CHECK(*accept == errc::acceptor_draining);
        CHECK(acceptor->stats().total.refused_for(inbound::refuse_reason::resources) == 1);
    } else {
        CHECK(*accept == std::error_code());
        CHECK_FALSE(drain);
        CHECK(accepted.draining());
        accepted = {};
    }
    REQUIRE(run_until(io, [&] { return drain.has_value(); }));
    CHECK(*drain == std::error_code());
    CHECK(left == 0);
    connecting.get();
}

TEMPLATE_TEST_CASE("whom_the_system_has_accepted_is_served_by_a_drain", "[inbound][drain]", accept_tcp, accept_tls) {
    // More than are accepted in one turn, while nobody runs the loop.
    net::io_context io;
    inbound::acceptor_options options = on_loopback();
    options.accepts_per_turn = 4;
    typename TestType::acceptor_type acceptor(io.get_executor(), options, TestType::options());
    const auto service = std::make_shared<echo_service<typename TestType::acceptor_type>>(acceptor);
    service->start();
    std::vector<client_socket> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(acceptor.port());
        REQUIRE(clients.back().is_connected());
    }
    CHECK(acceptor.stats().total.accepted == 0);
    std::optional<std::error_code> drained;
    acceptor.async_drain(10s, [&](std::error_code e) { drained = e; });
    auto ends = std::async(std::launch::async, [&] {
        int orderly = 0;
        for (client_socket& c : clients) {
            if constexpr (TestType::handshakes) c.shake_hands();
            orderly += c.read_to_end().empty() && c.said_goodbye();
            c.close();
        }
        return orderly;
    });
    REQUIRE(run_until(io, [&] { return drained.has_value(); }));
    CHECK_FALSE(*drained);
    CHECK(ends.get() == 20);
    CHECK(service->accepted == 20);
    CHECK(service->drained == 20);
    CHECK(acceptor.stats().total.closed_for(close_reason::drained) == 20);
    CHECK_FALSE(client_socket(acceptor.port()).is_connected());
}

TEMPLATE_TEST_CASE("whom_a_drain_can_no_more_admit_ends_in_order", "[inbound][drain]", accept_tcp, accept_tls) {
    // Nobody takes what is there.
    net::io_context io;
    inbound::acceptor_options options = on_loopback();
    options.max_ready = 1;
    options.admission.max_connections = 3;
    typename TestType::acceptor_type acceptor(io.get_executor(), options, TestType::options());
    std::vector<client_socket> clients;
    for (int i = 0; i < 10; ++i) {
        clients.emplace_back(acceptor.port());
        REQUIRE(clients.back().write(std::string("\x16\x03\x01", 3)));  // closing would reset it
    }
    std::optional<std::error_code> drained;
    acceptor.async_drain(300ms, [&](std::error_code e) { drained = e; });
    auto refused = std::async(std::launch::async, [&] {
        int orderly = 0;
        for (client_socket& c : clients) {
            orderly += c.wait_for_end() == peer_end::closed;
            c.close();
        }
        return orderly;
    });
    REQUIRE(run_until(io, [&] { return drained.has_value(); }));
    const auto s = acceptor.stats();
    const std::uint64_t told = s.total.refused_for(inbound::refuse_reason::draining);
    CHECK(s.total.accepted + told + s.total.refused_for(inbound::refuse_reason::total_connections) == 10);
    if constexpr (TestType::handshakes) {
        CHECK(s.total.accepted == 3);  // in their handshake until they are cut
        CHECK(refused.get() == 7);
    } else {
        CHECK(s.total.accepted == 1);
        CHECK(told == 9);
        CHECK(refused.get() == 9);
    }
}

TEST_CASE("closing_ends_a_drain", "[inbound][drain]") {
    accepted_pair<accept_tcp> p;
    bool over = false;
    p.acceptor->async_drain(1h, [&](std::error_code) { over = true; });
    p.io->poll();
    CHECK_FALSE(over);
    p.acceptor->close();
    REQUIRE(p.run([&] { return over; }));
    CHECK(p.read_error() == errc::acceptor_closed);
    CHECK(p.left() == 0);
}

TEST_CASE("a_thousand_ends_need_no_deep_stack", "[inbound][drain]") {
    // Each end is told while another is carried out.
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback({.backlog = 4096, .max_ready = 20'000}));
    std::vector<client_socket> clients;
    for (int i = 0; i < 1000; ++i) {
        clients.emplace_back(acceptor.port());
        if (i % 100 == 0) io.poll();
    }
    REQUIRE(run_until(io, [&] { return acceptor.stats().ready == clients.size(); }));
    on_small_stack([&] { acceptor.close(); });
    CHECK(acceptor.stats().now.total() == 0);
    CHECK(acceptor.stats().total.closed_for(close_reason::acceptor_closed) == clients.size());
}
