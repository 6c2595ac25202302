// Servers that send records without a byte in them: their connections end, the others of the loop are served.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/http_test.hpp"
#include "support/record_sealer.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

// An origin that seals what it sends by itself; it has sent no tickets.
struct sealing_origin {
    using script = std::function<void(server_connection&, record_sealer&)>;
    explicit sealing_origin(script each)
        : server({.own = test_identity(),
                  .prepare =
                      [this](SSL_CTX* context) {
                          keep_secrets(context, secrets);
                          SSL_CTX_set_num_tickets(context, 0);
                      }},
                 [this, each](server_connection& c) {
                     record_sealer sealer(secrets.server);
                     each(c, sealer);
                 }) {}

    traffic_secrets secrets;
    loopback_server server;
};

tls_options trusting_and_bounded(std::size_t max_bare_records = 64) {
    return {.ca_pem = test_root().certificate_pem(), .max_bare_records = max_bare_records};
}

// A stream to a server that runs a script.
struct flooded_stream {
    explicit flooded_stream(const loopback_server& server, tls_options options = trusting_and_bounded())
        : opened(open(io, tls_transport({.host = "127.0.0.1", .port = server.port()}, std::move(options)))) {
        REQUIRE_FALSE(opened.error);
    }
    std::error_code end() { return read_to_end(io, *opened.stream); }

    net::io_context io;
    outcome_of<tls_transport> opened;
};

std::string sealed_key_updates(record_sealer& sealer, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += sealer.key_update();
    return all;
}

}  // namespace

TEST_CASE("tls_key_updates_of_a_server_beyond_the_limit_end_the_connection_behind_its_bytes") {
    sealing_origin origin([](server_connection& c, record_sealer& sealer) {
        std::string text = sealer.data("bye");
        c.write_raw(text += sealed_key_updates(sealer, 20'000));
        c.stay();
    });
    flooded_stream s(origin.server);
    CHECK(read_exactly(s.io, *s.opened.stream, 3) == "bye");
    CHECK(s.end() == errc::tls_record_flood);
    char room[8];
    CHECK(s.opened.stream->try_read(net::buffer(room)).error == errc::tls_record_flood);
    CHECK(make_error_code(errc::tls_record_flood) == condition::connection_lost);
}

TEST_CASE("tls_tickets_of_a_server_beyond_the_limit_end_the_connection") {
    loopback_server server({.own = test_identity()}, [](server_connection& c) {
        for (int i = 0; i < 200; ++i) {
            SSL_new_session_ticket(c.ssl());
            if (SSL_do_handshake(c.ssl()) != 1) break;
        }
        ERR_clear_error();
        c.stay();
    });
    flooded_stream s(server);
    CHECK(s.end() == errc::tls_record_flood);
}

TEST_CASE("tls_a_few_tickets_and_key_updates_do_no_harm_and_the_limit_is_an_option") {
    sealing_origin origin([](server_connection& c, record_sealer& sealer) {
        const int count = std::stoi(c.read_exactly(4));
        std::string text = sealed_key_updates(sealer, count);
        c.write_raw(text += sealer.data("fine"));
        c.stay();
    });
    flooded_stream few(origin.server);
    REQUIRE_FALSE(write_all(few.io, *few.opened.stream, "0064"));
    CHECK(read_exactly(few.io, *few.opened.stream, 4) == "fine");
    flooded_stream some(origin.server, trusting_and_bounded(1024));
    REQUIRE_FALSE(write_all(some.io, *some.opened.stream, "1024"));
    CHECK(read_exactly(some.io, *some.opened.stream, 4) == "fine");
    flooded_stream many(origin.server, trusting_and_bounded(16));
    REQUIRE_FALSE(write_all(many.io, *many.opened.stream, "0017"));
    CHECK(many.end() == errc::tls_record_flood);

    for (const std::size_t bad : {0u, 15u, 1025u})
        CHECK(refusal_of([&] { tls_transport({.host = "a", .port = "1"}, trusting_and_bounded(bad)); }) ==
              "hotpool::tls_options::max_bare_records must be from 16 to 1024");
}

TEST_CASE("tls_requests_to_renegotiate_are_not_followed_and_have_the_same_limit") {
    std::atomic<int> followed = 0;
    loopback_server server({.own = test_identity(), .max_version = TLS1_2_VERSION}, [&](server_connection& c) {
        for (int i = 0; i < 200; ++i) {
            SSL_renegotiate(c.ssl());
            SSL_do_handshake(c.ssl());
            ERR_clear_error();
        }
        followed = SSL_num_renegotiations(c.ssl()) != 0 && !SSL_renegotiate_pending(c.ssl());
        c.stay();
    });
    flooded_stream s(server);
    const std::error_code end = s.end();
    CHECK(end == condition::connection_lost);
    CHECK(followed == 0);
}

TEST_CASE("tls_a_flood_under_a_request_fails_it_and_others_of_the_loop_are_served_meanwhile") {
    sealing_origin bad([](server_connection& c, record_sealer& sealer) {
        const std::string flood = sealed_key_updates(sealer, 20'000);
        c.read_some();
        for (;;) c.write_raw(flood);
    });
    stage<over_tls> s(answering(ok("hello")));
    tls_pool flooded(s.io.get_executor(), origin{"127.0.0.1", bad.server.port()}, {}, trusting_and_bounded());
    http_client client(flooded);
    const request_builder post("POST", "/");  // not sent again
    answer lost;
    client.async_send(post, s.into(lost));
    std::vector<clock_type::duration> times;
    while (lost.completions == 0 || times.size() < 100) {
        const time_point begin = clock_type::now();
        CHECK(s.fetch(get_request).body() == "hello");
        times.push_back(clock_type::now() - begin);
        REQUIRE(times.size() < 200'000);
    }
    CHECK(lost.completions == 1);
    CHECK(lost.error == errc::maybe_processed);
    std::sort(times.begin(), times.end());
    CHECK(times[times.size() * 99 / 100] < 50ms);
    CHECK(s.until([&] { return flooded.stats().now.total() == 0; }));
    CHECK(flooded.stats().total.retired_for(retire_reason::transport_error) == 1);
}

TEST_CASE("tls_a_flood_on_an_idle_connection_retires_it") {
    sealing_origin bad([](server_connection& c, record_sealer& sealer) {
        read_request(c);
        std::string text = sealer.data(ok("hello"));
        c.write_raw(text);
        std::this_thread::sleep_for(20ms);
        c.write_raw(sealed_key_updates(sealer, 2'000));
        c.stay();
    });
    net::io_context io;
    tls_pool flooded(io.get_executor(), origin{"127.0.0.1", bad.server.port()}, {}, trusting_and_bounded());
    http_client client(flooded);
    answer a;
    client.async_send(get_request, stage<over_tls>::into(a));
    REQUIRE(run_until(io, [&] { return a.completions == 1; }));
    CHECK(a.body() == "hello");
    CHECK(run_until(io, [&] { return flooded.stats().total.retired_for(retire_reason::transport_error) == 1; }));
}
