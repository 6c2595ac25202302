// Options replaced while a transport runs: what is opened later goes by the new ones, what is there keeps its own.
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/mock_transport.hpp"
#include "support/resume_test.hpp"

using namespace hotpool;
using namespace hotpool::test;

static_assert(updatable_transport<tls_transport>);
static_assert(!updatable_transport<tcp_transport> && !updatable_transport<mock_transport>);

namespace {

const authority& new_root() {
    static const authority made("hotpool new root");
    return made;
}

tls_options trusting(const authority& root, std::vector<tls_profile> profiles = {}) {
    return {.ca_pem = root.certificate_pem(), .profiles = std::move(profiles)};
}

using open_stream = outcome_of<tls_transport>;

bool echoes(net::io_context& io, open_stream& opened) {
    return !write_all(io, *opened.stream, "hello") && read_exactly(io, *opened.stream, 5) == "hello";
}

// A file that is removed at the end.
class rewritten_file {
public:
    rewritten_file()
        : path_(std::filesystem::temp_directory_path() / ("hotpool_rotation_" + std::to_string(::getpid()))) {}
    ~rewritten_file() { std::filesystem::remove(path_); }
    void write(const std::string& text) const { std::ofstream(path_) << text; }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("tls_rotation_a_server_of_a_new_root_is_refused_before_and_accepted_after") {
    resume_server server({.own = new_root().issue()});
    net::io_context io;
    tls_transport transport(server.target(), trusting(test_root()));
    const tls_transport copy = transport;
    CHECK(open(io, transport).error == errc::certificate_unknown_issuer);
    SECTION("given as text") {
        transport.update(trusting(new_root()));
        CHECK_FALSE(open(io, transport).error);
        CHECK_FALSE(open(io, copy).error);
    }
    SECTION("in a file that has changed") {
        const rewritten_file roots;
        roots.write(test_root().certificate_pem());
        const tls_options from_file{.ca_file = roots.path()};
        transport.update(from_file);
        CHECK(open(io, transport).error == errc::certificate_unknown_issuer);
        roots.write(new_root().certificate_pem());
        CHECK(open(io, transport).error == errc::certificate_unknown_issuer);
        transport.update(from_file);
        CHECK_FALSE(open(io, transport).error);
    }
    SECTION("and the other way about") {
        transport.update(trusting(new_root()));
        CHECK_FALSE(open(io, transport).error);
        transport.update(trusting(test_root()));
        CHECK(open(io, transport).error == errc::certificate_unknown_issuer);
    }
}

TEST_CASE("tls_rotation_a_new_certificate_of_this_side_is_shown_from_then_on") {
    const authority clients("clients' root");
    std::mutex mutex;
    std::vector<std::string> shown;
    server_tls tls{.own = test_identity(), .client_ca_pem = clients.certificate_pem()};
    loopback_server server(tls, [&](server_connection& c) {
        const test::x509::certificate_ptr peer(SSL_get1_peer_certificate(c.ssl()));
        std::array<char, 64> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name.data(), name.size());
        {
            const std::lock_guard lock(mutex);
            shown.emplace_back(name.data());
        }
        echo(c);
    });
    const auto showing = [&](const std::string& name) {
        const identity own = clients.issue({.common_name = name, .names = {}});
        tls_options options = trusting(test_root(), {tls_profile::modern(), tls_profile::intermediate()});
        options.certificate_pem = own.certificate_pem;
        options.private_key_pem = own.key_pem;
        options.choose_profile = profile_choice::round_robin;
        return options;
    };
    net::io_context io;
    tls_transport transport({.host = "127.0.0.1", .port = server.port()}, showing("this year's"));
    const auto open_two = [&] {
        for (int i = 0; i < 2; ++i) {
            auto opened = open(io, transport);
            REQUIRE_FALSE(opened.error);
            CHECK(echoes(io, opened));
        }
    };
    open_two();
    transport.update(showing("next year's"));
    open_two();
    const std::lock_guard lock(mutex);
    CHECK(shown == std::vector<std::string>{"this year's", "this year's", "next year's", "next year's"});
}

TEST_CASE("tls_rotation_bad_options_are_refused_and_change_nothing") {
    resume_server server(speaking(GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)));
    net::io_context io;
    tls_transport transport(server.target(), trusting(test_root(), {tls_profile::intermediate()}));
    auto first = open(io, transport);
    REQUIRE_FALSE(first.error);
    CHECK(echoes(io, first));
    const transport_stats before = transport.stats();
    CHECK(before.sessions_cached != 0);

    tls_profile bad = tls_profile::modern();
    bad.cipher_suites = {"NOPE"};
    CHECK_THROWS_AS(transport.update(trusting(test_root(), {tls_profile::modern(), bad})), std::invalid_argument);
    bad.name = "bad";
    CHECK_THROWS_AS(transport.update(trusting(test_root(), {tls_profile::modern(), bad})), std::invalid_argument);
    CHECK_THROWS_AS(transport.update({.ca_pem = "no PEM at all"}), std::invalid_argument);
    CHECK_THROWS_AS(transport.update({.ca_file = "/no/such/file"}), std::invalid_argument);

    CHECK(transport.stats().sessions_cached == before.sessions_cached);
    auto second = open(io, transport);
    REQUIRE_FALSE(second.error);
    CHECK(second.stream->profile() == "intermediate");
    CHECK(second.stream->resumed());
}

TEST_CASE("tls_rotation_what_is_open_goes_on_under_its_own_profile_even_when_the_transport_is_gone") {
    resume_server server({.own = test_identity()});
    net::io_context io;
    auto transport = std::make_unique<tls_transport>(server.target(), trusting(test_root(), {tls_profile::modern()}));
    auto old = open(io, *transport);
    REQUIRE_FALSE(old.error);
    transport->update(trusting(test_root(), {tls_profile::intermediate()}));
    auto fresh = open(io, *transport);
    REQUIRE_FALSE(fresh.error);
    transport.reset();
    for (open_stream* opened : {&old, &fresh}) CHECK(echoes(io, *opened));
    CHECK(old.stream->profile() == "modern");
    CHECK(fresh.stream->profile() == "intermediate");
}

TEST_CASE("tls_rotation_counts_go_on_sessions_do_not") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    net::io_context io;
    tls_transport transport(server.target(), trusting(test_root()));
    const auto visit = [&] {
        auto opened = open(io, transport);
        REQUIRE_FALSE(opened.error);
        CHECK(echoes(io, opened));
        return opened.stream->resumed();
    };
    CHECK_FALSE(visit());
    CHECK(visit());
    // Its tickets come after the update in TLS 1.3.
    auto late = open(io, transport);
    REQUIRE_FALSE(late.error);
    transport.update(trusting(test_root()));
    CHECK(echoes(io, late));
    transport_stats s = transport.stats();
    CHECK(s.handshakes == 3);
    CHECK(s.resumed == 2);
    CHECK(s.sessions_offered == 2);
    CHECK(s.sessions_cached == 0);

    CHECK_FALSE(visit());
    CHECK(visit());
    s = transport.stats();
    CHECK(s.handshakes == 5);
    CHECK(s.resumed == 3);
    CHECK(s.sessions_cached != 0);
}

TEST_CASE("tls_rotation_an_opening_under_way_goes_by_the_options_that_it_began_with_and_is_counted") {
    door closed;
    server_tls tls{.own = test_identity(), .prepare = [&closed](SSL_CTX* context) {
                       const auto hold = [](SSL*, int*, void* d) {
                           static_cast<door*>(d)->wait();
                           return SSL_CLIENT_HELLO_SUCCESS;
                       };
                       SSL_CTX_set_client_hello_cb(context, hold, &closed);
                   }};
    loopback_server server(tls, [](server_connection& c) { echo(c); });
    const opened_at_end guard{closed};
    net::io_context io;
    tls_transport transport({.host = "127.0.0.1", .port = server.port()},
                            trusting(test_root(), {tls_profile::modern()}));
    open_stream outcome;
    start_open(io, transport, outcome);
    REQUIRE(run_until(io, [&] { return server.accepted() == 1; }));
    // This server's root is not among the new ones.
    transport.update(trusting(new_root(), {tls_profile::intermediate()}));
    closed.open();
    REQUIRE(run_until(io, [&] { return outcome.completions == 1; }));
    REQUIRE_FALSE(outcome.error);
    CHECK(outcome.stream->profile() == "modern");
    CHECK(transport.stats().handshakes == 1);
    CHECK(open(io, transport).error == errc::certificate_unknown_issuer);
}

TEST_CASE("tls_rotation_the_choice_of_profiles_begins_anew") {
    resume_server server({.own = test_identity()});
    net::io_context io;
    tls_options options = trusting(test_root(), {tls_profile::modern(), tls_profile::intermediate()});
    options.choose_profile = profile_choice::round_robin;
    tls_transport transport(server.target(), options);
    const auto next = [&] {
        const auto opened = open(io, transport);
        REQUIRE_FALSE(opened.error);
        return std::string(opened.stream->profile());
    };
    CHECK(next() == "modern");
    transport.update(options);
    CHECK(next() == "modern");
    CHECK(next() == "intermediate");
    transport.update(trusting(test_root()));
    CHECK(next().empty());
}

TEST_CASE("threads_tls_options_are_replaced_while_four_threads_open", "[thread]") {
    resume_server server({.own = test_identity()});
    const std::array<std::vector<tls_profile>, 3> rotated{
        std::vector<tls_profile>{tls_profile::modern(), tls_profile::intermediate()}, {tls_profile::compatible()}, {}};
    const auto options = [&](std::size_t round) {
        tls_options made = trusting(test_root(), rotated[round % rotated.size()]);
        made.choose_profile = round % 2 == 0 ? profile_choice::round_robin : profile_choice::random;
        made.profile_seed = round;
        return made;
    };
    tls_transport transport(server.target(), options(0));
    constexpr int openings = 120;
    std::atomic<int> begun = 0;
    std::atomic<int> failed = 0;
    std::atomic<int> done = 0;

    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, mine = transport] {
            net::io_context io;
            while (begun++ < openings) {
                auto opened = open(io, mine);
                if (opened.error || !echoes(io, opened)) ++failed;
                ++done;
            }
        });
    std::size_t rounds = 0;
    while (done < openings) {
        transport.update(options(++rounds));
        CHECK(transport.stats().handshakes <= openings);
    }
    for (std::thread& thread : threads) thread.join();

    CHECK(failed == 0);
    CHECK(rounds > 1);
    const transport_stats s = transport.stats();
    CHECK(s.handshakes == openings);
    CHECK(s.resumed + s.sessions_refused == s.sessions_offered);
    CHECK(s.sessions_rejected == 0);
}
