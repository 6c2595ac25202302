// Clients that send records without a byte in them, by the hundred thousand: they end, and nobody else waits for them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/inbound_test.hpp"
#include "support/record_sealer.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;

namespace {

// A client of TLS 1.3 that seals what it sends by itself.
struct sealing_client {
    explicit sealing_client(std::uint16_t port)
        : context(make_client_context({.prepare = [this](SSL_CTX* c) { keep_secrets(c, secrets); }})),
          client(port, context.get()) {
        REQUIRE(client.shake_hands());
        sealer.emplace(secrets.client);
    }
    // As far as the server takes them.
    void send(std::string_view records) {
        while (!records.empty()) {
            const ssize_t put = ::send(client.fd(), records.data(), records.size(), MSG_NOSIGNAL);
            if (put <= 0) return;
            records.remove_prefix(static_cast<std::size_t>(put));
        }
    }
    // Whether the server still echoes.
    bool echoes() {
        send(sealer->data("hello"));
        try {
            return client.read_exactly(5) == "hello";
        } catch (const connection_over&) {
            return false;
        }
    }

    traffic_secrets secrets;
    client_context context;
    tls_client client;
    std::optional<record_sealer> sealer;
};

// In the order in which they are sealed, which `+` does not promise.
std::string sealed_in_order(std::initializer_list<std::string> records) {
    std::string all;
    for (const std::string& record : records) all += record;
    return all;
}

template <class Seal>
std::string sealed_times(int count, Seal seal) {
    std::string all;
    for (int i = 0; i < count; ++i) all += seal();
    return all;
}

// Round trips of a client that does no harm, until it is told to stop.
class unhurt_tls_client {
public:
    explicit unhurt_tls_client(const echo_server<accept_tls>& server) : socket_(server.connect()) {
        thread_ = std::thread([this] { run(); });
    }
    ~unhurt_tls_client() { stop(); }
    void stop() {
        over_ = true;
        if (thread_.joinable()) thread_.join();
    }
    int failed() const { return failed_; }
    /// Whether it has made so many more round trips since it was asked last.
    bool makes(int rounds) {
        const int goal = rounds_ + rounds;
        return eventually([&] { return rounds_ >= goal || failed_ != 0; });
    }
    std::chrono::microseconds p99() {
        std::sort(times_.begin(), times_.end());
        return times_.empty() ? 1h : times_[times_.size() * 99 / 100];
    }

private:
    void run() {
        while (!over_) {
            const auto begin = std::chrono::steady_clock::now();
            if (!socket_.write("hello") || socket_.read_exactly(5) != "hello") {
                ++failed_;
                return;
            }
            times_.push_back(
                std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin));
            ++rounds_;
            std::this_thread::sleep_for(100us);
        }
    }

    client_socket socket_;
    std::atomic<bool> over_ = false;
    std::atomic<int> rounds_ = 0;
    std::atomic<int> failed_ = 0;
    std::vector<std::chrono::microseconds> times_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("inbound_tls_200000_key_updates_end_their_connection_and_hold_up_nobody", "[inbound]") {
    echo_server<accept_tls> server;
    sealing_client bad(server.port());
    const std::string flood = sealed_times(200'000, [&] { return bad.sealer->key_update(); });
    unhurt_tls_client good(server);
    CHECK(good.makes(10));
    bad.send(flood);
    CHECK_FALSE(bad.echoes());
    CHECK(good.makes(50));
    good.stop();
    CHECK(good.failed() == 0);
    CHECK(good.p99() < 50ms);
    CHECK(eventually([&] { return server.closed(close_reason::protocol_error) == 1; }));
    CHECK(server.service->last_error() == errc::tls_record_flood);
}

TEST_CASE("inbound_tls_many_floods_at_once_hold_up_nobody_and_block_newcomers_of_their_group", "[inbound]") {
    inbound::acceptor_options options;
    options.health.errors_to_block = 3;
    echo_server<accept_tls> server(options);
    unhurt_tls_client good(server);
    for (int i = 0; i < 3; ++i) {
        sealing_client bad(server.port());
        bad.send(sealed_times(2'000, [&] { return bad.sealer->key_update(true); }));
        CHECK_FALSE(bad.echoes());
    }
    CHECK(eventually([&] { return server.closed(close_reason::protocol_error) == 3; }));
    client_socket late = server.connect();
    CHECK(late.read_to_end().empty());
    CHECK(server.refused(inbound::refuse_reason::blocked) == 1);
    CHECK(good.makes(10));  // who was there before, at the same address
    good.stop();
    CHECK(good.failed() == 0);
    CHECK(good.p99() < 50ms);
}

TEST_CASE("inbound_tls_every_kind_of_record_without_bytes_has_one_limit", "[inbound]") {
    echo_server<accept_tls> server;
    sealing_client bad(server.port());
    record_sealer& sealer = *bad.sealer;
    std::string flood;
    SECTION("key updates that want ours") {
        flood = sealed_times(100, [&] { return sealer.key_update(true); });
    }
    SECTION("key updates in pieces") {
        flood = sealed_times(20, [&] { return sealer.key_update_in_pieces(); });
    }
    SECTION("key updates beside bytes") {
        flood = sealed_times(200, [&] { return sealed_in_order({sealer.key_update(), sealer.data("x")}); });
    }
    SECTION("key updates and empty records by turns") {
        flood = sealed_times(20, [&] {
            return sealed_in_order({sealer.key_update(), sealer.data(""), sealer.data(""), sealer.key_update()});
        });
    }
    SECTION("empty records, some of them long, beside bytes") {
        flood = sealed_times(30, [&] {
            return sealed_in_order(
                {sealer.data(""), sealer.seal('\x17', "", 16'000), sealer.data(""), sealer.data("x")});
        });
    }
    bad.send(flood);
    CHECK(eventually([&] { return server.closed(close_reason::protocol_error) == 1; }));
    CHECK(server.service->last_error() == errc::tls_record_flood);
}

TEST_CASE("inbound_tls_empty_records_on_end_are_refused_by_openssl_or_here", "[inbound]") {
    echo_server<accept_tls> server;
    sealing_client bad(server.port());
    bad.send(sealed_times(10'000, [&] { return bad.sealer->data(""); }));
    CHECK_FALSE(bad.echoes());
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("inbound_tls_as_many_as_are_allowed_do_no_harm", "[inbound]") {
    echo_server<accept_tls> server;
    sealing_client client(server.port());
    record_sealer& sealer = *client.sealer;
    SECTION("in a burst") {
        client.send(sealed_times(64, [&] { return sealer.key_update(); }));
        CHECK(client.echoes());
        CHECK(client.echoes());
        CHECK(server.closed(close_reason::protocol_error) == 0);
        client.send(sealed_times(3, [&] { return sealer.key_update(); }));
        CHECK_FALSE(client.echoes());
    }
    SECTION("beside bytes that make up for them") {
        for (int i = 0; i < 200; ++i) {
            client.send(sealed_in_order({sealer.key_update(), sealer.data(std::string(1024, 'x'))}));
            REQUIRE(client.client.read_exactly(1024) == std::string(1024, 'x'));
        }
        CHECK(client.echoes());
    }
}

TEST_CASE("inbound_tls_a_handshake_in_ever_more_records_ends", "[inbound]") {
    echo_server<accept_tls> server;
    client_socket client(server.port());
    // A hello of 100 KB that comes byte by byte: each record is whole, the message never.
    std::string hello{'\x16', '\x03', '\x01', '\0', '\x04', '\x01', '\x01', '\x86', '\xa0'};
    for (int i = 0; i < 100'000; ++i) hello += std::string{'\x16', '\x03', '\x03', '\0', '\x01', '\0'};
    client.write(hello);
    client.wait_for_end();
    CHECK(eventually([&] { return server.closed(close_reason::handshake_failed) == 1; }));
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("inbound_tls_the_limit_of_records_without_bytes_is_an_option_with_bounds", "[inbound]") {
    const auto with = [](std::size_t most) {
        tls_server_options options = accept_tls::options();
        options.max_bare_records = most;
        return options;
    };
    for (const std::size_t bad : {0u, 15u, 1025u}) {
        try {
            tls_server server(with(bad));
            FAIL(bad);
        } catch (const std::invalid_argument& refused) {
            CHECK(refused.what() ==
                  std::string("hotpool::tls_server_options::max_bare_records must be from 16 to 1024"));
        }
    }
    echo_server<accept_tls> server;
    server.acceptor.set_transport_options(with(1024));
    sealing_client client(server.port());
    client.send(sealed_times(1024, [&] { return client.sealer->key_update(); }));
    CHECK(client.echoes());
}
