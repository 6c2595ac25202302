// Acceptors under clients that mean no good: floods, silence in the handshake, early ends in every state, and a process
// that is out of descriptors.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <deque>

#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;
using inbound::inbound_event_kind;
using inbound::refuse_reason;

namespace {

/// Counts events by kind, from any thread.
class event_counter {
public:
    inbound::inbound_listener listener() {
        return [this](const inbound::inbound_event& e) { ++counts_[static_cast<std::size_t>(e.kind)]; };
    }
    int operator[](inbound_event_kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }

private:
    std::array<std::atomic<int>, inbound::inbound_event_kind_count> counts_{};
};

/// So many descriptors are free and no more, until its end.
class descriptor_limit {
public:
    explicit descriptor_limit(int free) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int lowest_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(lowest_free);
        rlimit now = before_;
        now.rlim_cur = static_cast<rlim_t>(lowest_free + free);
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

template <class Server>
bool serves(Server& server, const char* from = nullptr) {
    client_socket client = server.connect("127.0.0.1", from);
    return client.write("well") && client.read_exactly(4) == "well";
}

}  // namespace

TEST_CASE("silent_clients_do_not_exhaust_the_handshakes", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.admission.max_handshakes = 5;
    options.life.handshake_timeout = 1s;
    echo_server<accept_tls> server(options);
    std::vector<client_socket> silent;
    for (int i = 0; i < 20; ++i) silent.emplace_back(server.port());
    REQUIRE(eventually([&] { return server.closed(close_reason::half_open) == 15; }));
    CHECK(eventually([&] { return server.acceptor.stats().now.half_open() == 5; }));
    CHECK(server.refused(refuse_reason::half_open) == 0);
    CHECK(serves(server));  // in place of a sixteenth
    CHECK(server.closed(close_reason::half_open) == 16);
    for (client_socket& c : silent) CHECK(c.wait_for_end() != peer_end::timed_out);
    CHECK(eventually([&] { return server.closed(close_reason::handshake_timed_out) == 4; }));
    CHECK(server.acceptor.stats().total.handshake_failures_for(errc::handshake_timed_out) == 4);
    CHECK(serves(server));
}

TEST_CASE("silent_clients_of_one_group_leave_room_for_others", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.admission.max_handshakes = 5;
    options.admission.max_connections_per_group = 3;
    echo_server<accept_tls> server(options);
    std::vector<client_socket> silent;
    for (int i = 0; i < 20; ++i) silent.emplace_back(server.port(), "127.0.0.1", "127.0.0.2");
    REQUIRE(eventually([&] { return server.refused(refuse_reason::group_connections) == 17; }));
    CHECK(serves(server));
}

TEST_CASE("a_slow_handshake_is_cut_however_it_trickles", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.life.handshake_timeout = 100ms;
    echo_server<accept_tls> server(options);
    client_socket slow(server.port());
    const std::string hello("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
    const time_point begun = clock_type::now();
    for (std::size_t i = 0; slow.write(hello.substr(i % hello.size(), 1)) && clock_type::now() - begun < 10s; ++i)
        std::this_thread::sleep_for(10ms);
    CHECK(clock_type::now() - begun < 10s);
    CHECK(eventually([&] { return server.closed(close_reason::handshake_timed_out) == 1; }));
    CHECK(server.is_spent());
}

TEST_CASE("a_group_that_is_blocked_leaves_its_handshakes_too", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.life.linger_timeout = 1h;
    echo_server<accept_tls> server(options);
    client_socket silent(server.port());
    REQUIRE(eventually([&] { return server.acceptor.stats().now.half_open() == 1; }));
    server.acceptor.block(*ip_address::parse("127.0.0.1"), 1h);
    CHECK(silent.wait_for_end() == peer_end::closed);
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::group_blocked) == 1);
}

TEST_CASE("a_verifier_may_use_the_acceptor", "[inbound][flood]") {
    running_loop loop;
    std::unique_ptr<inbound::tls_acceptor> acceptor;
    std::atomic<int> asked{0};
    tls_server_options options = accept_tls::options();
    options.client_certificates = client_auth::required;
    options.verifier = [&](const certificate_view&) {
        // Which ends the connection whose handshake is running here.
        acceptor->block(*ip_address::parse("127.0.0.1"), 1h);
        ++asked;
        return certificate_verdict::accepted;
    };
    acceptor = std::make_unique<inbound::tls_acceptor>(loop.io.get_executor(), on_loopback(), options);
    const identity own = test_root().issue();
    client_socket client(acceptor->port());
    client.shake_hands(&own);
    client.wait_for_end();
    CHECK(asked == 1);
    CHECK(eventually([&] { return acceptor->stats().now.total() == 0; }));
    CHECK(acceptor->stats().total.closed_for(close_reason::group_blocked) == 1);
    CHECK(acceptor->stats().total.opened == 0);
    acceptor->close();
}

TEST_CASE("clients_that_leave_in_any_state_of_tls_are_accounted", "[inbound][flood]") {
    echo_server<accept_tls> server;
    const std::string hello = [] {
        const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
        const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
        BIO* const out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
        SSL_connect(ssl.get());
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(out, &bytes);
        ERR_clear_error();
        return std::string(bytes, static_cast<std::size_t>(size));
    }();
    std::uint64_t failed = 0, unused = 0;
    for (const bool reset : {false, true})
        for (const std::string& said : {std::string(), hello.substr(0, 3), hello.substr(0, hello.size() / 2), hello,
                                        std::string("GET / HTTP/1.1\r\n\r\n"), std::string(1000, '\0')}) {
            CAPTURE(reset, said.size());
            client_socket client(server.port());
            client.write(said);
            if (reset)
                client.reset();
            else
                client.close();
            ++(said.empty() ? unused : failed);
            REQUIRE(eventually([&] {
                return server.closed(close_reason::handshake_failed) == failed &&
                       server.closed(close_reason::unused) == unused;
            }));
            CHECK(server.is_spent());
        }
    CHECK(server.service->accepted == 0);
    // And behind the handshake.
    for (const bool reset : {false, true}) {
        client_socket client = server.connect();
        if (reset)
            client.reset();
        else
            client.close();
        CHECK(eventually([&] { return server.is_spent(); }));
    }
    CHECK(serves(server));
}

TEMPLATE_TEST_CASE("a_flood_is_accounted_to_the_last_connection", "[inbound][flood]", accept_tcp, accept_tls) {
    inbound::acceptor_options options;
    options.admission.max_connections = 20;
    options.health.errors_to_block = 0;
    echo_server<TestType> server(options);
    std::atomic<int> made{0};
    std::vector<std::thread> floods;
    for (int t = 0; t < 4; ++t)
        floods.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                client_socket client(server.port());
                made += client.is_connected();
                if (i % 3 == t % 3 && client.is_connected()) client.write("nonsense");
                if (i % 2 == 0) client.reset();
            }
        });
    for (std::thread& t : floods) t.join();
    const auto seen = [&] {
        const auto s = server.acceptor.stats();
        std::uint64_t all = s.total.accepted;
        for (const std::uint64_t n : s.total.refused) all += n;
        return all;
    };
    REQUIRE(eventually([&] { return seen() == static_cast<std::uint64_t>(made); }));
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(eventually([&] { return serves(server); }));
}

TEST_CASE("a_process_without_descriptors_sheds_and_recovers", "[inbound][flood]") {
    event_counter events;
    inbound::tcp_acceptor::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.accept_errors.first = 20ms;
    options.accept_errors.limit = 40ms;
    echo_server<accept_tcp> server(options, services);
    REQUIRE(serves(server));
    REQUIRE(eventually([&] { return server.is_spent(); }));
    std::vector<client_socket> clients;
    for (int i = 0; i < 30; ++i) clients.emplace_back();
    {
        const descriptor_limit limit(5);
        for (client_socket& c : clients) c.connect(server.port());
        // Who gets no place is told to go, not left hanging.
        REQUIRE(eventually([&] { return server.refused(refuse_reason::resources) >= 25; }));
        CHECK(events[inbound_event_kind::accepting_paused] >= 1);
        CHECK(server.acceptor.stats().total.accept_errors >= 1);
        int served = 0;
        for (client_socket& c : clients) served += c.write("x") && c.read_exactly(1) == "x";
        CHECK(served == 5);
    }
    clients.clear();
    CHECK(eventually([&] { return serves(server); }));
    CHECK(eventually([&] { return events[inbound_event_kind::accepting_resumed] >= 1; }));
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("newcomers_are_refused_before_descriptors_are_out", "[inbound][flood]") {
    event_counter events;
    inbound::tcp_acceptor::services_type services;
    services.listener = events.listener();
    echo_server<accept_tcp> server({}, services);
    inbound::acceptor_options guarded = on_loopback();
    guarded.resources = {.refuse_descriptors_at = 0.8,
                         .resume_descriptors_at = 0.7,
                         .refuse_memory_at = 1,
                         .resume_memory_at = 1,
                         .check_interval = 10ms};
    std::vector<client_socket> clients;
    for (int i = 0; i < 100; ++i) clients.emplace_back();
    {
        const descriptor_limit limit(60);
        server.acceptor.set_options(guarded);
        for (client_socket& c : clients) c.connect(server.port());
        REQUIRE(eventually([&] { return server.refused(refuse_reason::resources) > 0; }));
        CHECK(events[inbound_event_kind::resources_short] >= 1);
        CHECK(server.acceptor.stats().short_of_resources);
        CHECK(server.acceptor.stats().total.accept_errors == 0);
        clients.clear();
    }
    CHECK(eventually([&] { return !server.acceptor.stats().short_of_resources; }));
    CHECK(eventually([&] { return events[inbound_event_kind::resources_recovered] >= 1; }));
    CHECK(eventually([&] { return serves(server); }));
}

TEST_CASE("a_listening_socket_that_dies_is_reported_and_replaced", "[inbound][flood]") {
    event_counter events;
    inbound::tcp_acceptor::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.accept_errors.first = 20ms;
    echo_server<accept_tcp> server(options, services);
    for (int fd = 3; fd < 1000; ++fd) {
        int listens = 0;
        socklen_t size = sizeof listens;
        sockaddr_in name{};
        socklen_t name_size = sizeof name;
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &name_size) != 0) continue;
        if (ntohs(name.sin_port) == server.port()) ::shutdown(fd, SHUT_RDWR);
    }
    REQUIRE(eventually([&] { return events[inbound_event_kind::listener_reopened] == 1; }));
    CHECK(events[inbound_event_kind::listener_lost] == 1);
    CHECK(server.service->accept_error() == errc::listener_lost);
    server.service->start();
    CHECK(serves(server));
}

TEST_CASE("a_group_that_makes_too_many_errors_is_kept_out_for_a_time", "[inbound][flood]") {
    event_counter events;
    inbound::tls_acceptor::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.health = {.errors_to_block = 3, .block_for = 200ms};
    echo_server<accept_tls> server(options, services);
    for (int i = 0; i < 3; ++i) {
        client_socket client(server.port(), "127.0.0.1", "127.0.0.2");
        client.write("not TLS at all");
        client.wait_for_end();
    }
    REQUIRE(eventually([&] { return events[inbound_event_kind::group_blocked] == 1; }));
    client_socket out(server.port(), "127.0.0.1", "127.0.0.2");
    CHECK(out.wait_for_end() == peer_end::closed);
    CHECK(server.refused(refuse_reason::blocked) == 1);
    CHECK(serves(server));
    CHECK(eventually([&] { return events[inbound_event_kind::group_recovered] == 1; }));
    CHECK(serves(server, "127.0.0.2"));
}

TEMPLATE_TEST_CASE("a_look_at_the_port_harms_nobody_behind_the_same_address", "[inbound][flood]", accept_tcp,
                   accept_tls) {
    event_counter events;
    typename TestType::acceptor_type::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.alarm.min_events = 10;
    echo_server<TestType> server(options, services);
    client_socket good = server.connect();
    for (int i = 0; i < 200; ++i) {
        client_socket look(server.port());
        if (i % 2 == 0) look.reset();
    }
    REQUIRE(eventually([&] { return server.closed(close_reason::unused) == 200; }));
    CHECK(events[inbound_event_kind::handshake_failed] == 0);
    CHECK(events[inbound_event_kind::group_blocked] == 0);
    CHECK(events[inbound_event_kind::alarm_raised] == 0);
    for (const std::uint64_t n : server.acceptor.stats().total.handshake_failures) CHECK(n == 0);
    CHECK((good.write("well") && good.read_exactly(4) == "well"));
    CHECK(serves(server));
}

TEST_CASE("who_behaves_goes_on_while_the_group_is_kept_out", "[inbound][flood]") {
    event_counter events;
    inbound::tls_acceptor::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.health = {.errors_to_block = 3, .block_for = 1h};
    echo_server<accept_tls> server(options, services);
    client_socket good = server.connect();
    for (int i = 0; i < 3; ++i) {
        client_socket client(server.port());
        client.write("not TLS at all");
        client.wait_for_end();
    }
    REQUIRE(eventually([&] { return events[inbound_event_kind::group_blocked] == 1; }));
    CHECK((good.write("well") && good.read_exactly(4) == "well"));
    CHECK_FALSE(serves(server));
    CHECK(server.refused(refuse_reason::blocked) == 1);
    // The program's own block ends it, unless it says otherwise.
    const ip_address here = *ip_address::parse("127.0.0.1");
    server.acceptor.block(here, 1h, inbound::block_reach::newcomers);
    CHECK((good.write("well") && good.read_exactly(4) == "well"));
    server.acceptor.block(here, 1h);
    CHECK(good.wait_for_end() == peer_end::closed);
    CHECK(eventually([&] { return server.closed(close_reason::group_blocked) == 1; }));
}

TEST_CASE("good_clients_get_through_a_flood_of_silent_ones", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.admission.max_handshakes = 64;  // a client has as long for its handshake as so many others take to come
    options.admission.max_connections_per_group = 10;
    echo_server<accept_tls> server(options);
    std::atomic<bool> over{false};
    std::thread flood([&] {
        std::deque<client_socket> silent;
        for (int i = 0; !over; ++i) {
            const std::string from = "127.0." + std::to_string(1 + i / 200 % 200) + '.' + std::to_string(1 + i % 200);
            silent.emplace_back(server.port(), "127.0.0.1", from.c_str());
            if (silent.size() > 200) silent.pop_front();
            std::this_thread::sleep_for(4ms);
        }
    });
    REQUIRE(eventually([&] { return server.closed(close_reason::half_open) > 0; }));
    int served = 0;
    for (int i = 0; i < 50; ++i) served += serves(server);
    over = true;
    flood.join();
    CHECK(served == 50);
    CHECK(server.refused(refuse_reason::half_open) == 0);
}

TEST_CASE("a_trusted_proxy_is_not_kept_out_for_what_comes_through_it", "[inbound][flood]") {
    inbound::acceptor_options options;
    options.health = {.errors_to_block = 3};
    options.admission.proxies = inbound::trusted_proxies({ip_block("127.0.0.2")});
    echo_server<accept_tls> server(options);
    for (int i = 0; i < 6; ++i) {
        client_socket client(server.port(), "127.0.0.1", "127.0.0.2");
        client.write("not TLS at all");
        client.wait_for_end();
    }
    CHECK(eventually([&] { return server.closed(close_reason::handshake_failed) == 6; }));
    CHECK(serves(server, "127.0.0.2"));
    CHECK(server.refused(refuse_reason::blocked) == 0);
}

TEST_CASE("what_was_raised_under_earlier_options_is_cleared_by_new_ones", "[inbound][flood]") {
    event_counter events;
    inbound::tls_acceptor::services_type services;
    services.listener = events.listener();
    inbound::acceptor_options options;
    options.alarm = {.min_events = 1};
    echo_server<accept_tls> server(options, services);
    options.resources = {.refuse_descriptors_at = 0.0, .resume_descriptors_at = 0.0, .check_interval = 1h};
    server.acceptor.set_options(options);
    REQUIRE(eventually([&] { return events[inbound_event_kind::resources_short] == 1; }));
    client_socket(server.port()).wait_for_end();
    CHECK(server.refused(refuse_reason::resources) == 1);

    options.resources = {};
    server.acceptor.set_options(options);
    CHECK(events[inbound_event_kind::resources_recovered] == 1);
    client_socket client(server.port());
    client.write("not TLS at all");
    client.wait_for_end();
    REQUIRE(eventually([&] { return events[inbound_event_kind::alarm_raised] == 1; }));
    server.acceptor.set_options(options);
    CHECK(events[inbound_event_kind::alarm_cleared] == 1);
    CHECK_FALSE(server.acceptor.stats().alarm);
    CHECK(serves(server));
}
