// Certificates and rules of a TLS acceptor exchanged under load: nobody is cut, and nobody comes in by the old rules.
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/inbound_test.hpp"
#include "support/server_certificates.hpp"

using namespace hotpool;
using namespace hotpool::test;
using inbound::close_reason;

namespace {

std::string shown_to(const client_socket& c) {
    const std::unique_ptr<X509, void (*)(X509*)> peer(SSL_get1_peer_certificate(c.ssl()), X509_free);
    return peer ? certificate_view(*peer).subject() : "";
}

bool echoes(client_socket& c) { return c.write("hello") && c.read_exactly(5) == "hello"; }

}  // namespace

TEST_CASE("reload_under_load_cuts_nobody", "[inbound][thread]") {
    constexpr int threads = 6;
    constexpr int visits = 25;
    echo_server<accept_tls> server({}, {}, 2);
    const identity first = named("first");
    const identity second = named("second");
    server.acceptor.set_transport_options(showing(first));
    std::vector<client_socket> staying;
    for (int i = 0; i < 5; ++i) staying.push_back(server.connect());

    std::atomic<int> failed = 0;
    std::atomic<int> left = threads;
    std::mutex mutex;
    std::map<std::string, int> shown;
    std::vector<std::thread> clients;
    for (int t = 0; t < threads; ++t) {
        clients.emplace_back([&] {
            for (int i = 0; i < visits; ++i) {
                client_socket c = server.connect();
                if (!echoes(c)) ++failed;
                const std::lock_guard lock(mutex);
                ++shown[shown_to(c)];
            }
            --left;
        });
    }
    int updates = 0;
    int refused = 0;
    while (left != 0) {
        server.acceptor.set_transport_options(showing(++updates % 2 != 0 ? second : first));
        try {
            server.acceptor.set_transport_options(
                {.certificate_pem = first.certificate_pem, .private_key_pem = second.key_pem});
        } catch (const std::invalid_argument&) {
            ++refused;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (std::thread& client : clients) client.join();

    CHECK(failed == 0);
    CHECK(refused == updates);
    CHECK(shown["CN=first"] > 0);
    CHECK(shown["CN=second"] > 0);
    CHECK(shown["CN=first"] + shown["CN=second"] == threads * visits);
    for (client_socket& c : staying) CHECK(echoes(c));
    CHECK(server.closed(close_reason::handshake_failed) == 0);
    staying.clear();
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEST_CASE("new_rules_hold_for_whoever_connects_once_the_update_is_over", "[inbound]") {
    echo_server<accept_tls> server;
    const identity known = client_root().issue({.names = {}});
    const identity unknown = self_signed();
    tls_server_options strict = accept_tls::options();
    strict.client_certificates = client_auth::required;
    strict.ca_pem = client_root().certificate_pem();

    const auto let_in = [&](const identity* own) {
        client_socket c(server.port());
        return c.shake_hands(own) && echoes(c);
    };
    client_socket early = server.connect();
    CHECK(let_in(nullptr));
    CHECK(let_in(&unknown));
    server.acceptor.set_transport_options(strict);
    for (int i = 0; i < 10; ++i) {
        CHECK(let_in(&known));
        CHECK_FALSE(let_in(nullptr));
        CHECK_FALSE(let_in(&unknown));
    }
    CHECK(eventually([&] { return server.closed(close_reason::handshake_failed) == 20; }));
    CHECK(echoes(early));
    server.acceptor.set_transport_options(accept_tls::options());
    CHECK(let_in(nullptr));
}
