// Tickets of a TLS server: how many there are, whom they let in, and that they are a way around no rule.
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/server_certificates.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

// A client of one version that keeps every session it is given, and offers the last.
class returning_client {
public:
    explicit returning_client(int version, const identity& own = {})
        : context_(make_client_context({.own = own, .min_version = version, .max_version = version})) {
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_app_data(context_.get(), this);
        SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
            auto& self = *static_cast<returning_client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
            self.last_.reset(session);
            ++self.tickets;
            return 1;
        });
    }

    struct visit_result {
        std::error_code error;
        bool resumed = false;
        bool certificate = false;  // the server knows one
    };
    visit_result visit(tls_listener& listener) {
        meeting met(listener, context_.get(), [this](tls_client& c) {
            if (last_) SSL_set_session(c.ssl(), last_.get());
            if (c.shake_hands()) c.see_off();
        });
        visit_result result{.error = met.error};
        if (met.stream) {
            // Behind the tickets, so that they are read.
            CHECK_FALSE(write_all(met.io, *met.stream, "welcome"));
            result.resumed = met.stream->resumed();
            result.certificate = met.stream->peer_certificate() != nullptr;
        }
        return result;
    }

    int tickets = 0;

private:
    client_context context_;
    hotpool::detail::ssl_session_ptr last_;
};

}  // namespace

TEST_CASE("inbound_tls_tickets_as_many_as_the_option_says_and_the_client_comes_back_with_each") {
    const std::size_t count = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    tls_listener listener{tls_server(serving({.session_tickets = count}))};
    returning_client newer(TLS1_3_VERSION);
    CHECK_FALSE(newer.visit(listener).resumed);
    CHECK(newer.tickets == static_cast<int>(count));
    CHECK(newer.visit(listener).resumed);
    CHECK(newer.tickets == static_cast<int>(count) + 1);  // one for the one that was used
    CHECK(newer.visit(listener).resumed);
    returning_client older(TLS1_2_VERSION);
    CHECK_FALSE(older.visit(listener).resumed);
    CHECK(older.tickets == 1);
    CHECK(older.visit(listener).resumed);
}

TEST_CASE("inbound_tls_tickets_switched_off_nobody_comes_back") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    tls_listener listener{tls_server(serving({.session_tickets = 0}))};
    returning_client client(version);
    CHECK_FALSE(client.visit(listener).resumed);
    CHECK_FALSE(client.visit(listener).resumed);
    if (version == TLS1_3_VERSION) CHECK(client.tickets == 0);
}

TEST_CASE("inbound_tls_tickets_a_client_that_has_shown_a_certificate_shows_it_again_and_is_judged_again") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto how = GENERATE(client_auth::optional, client_auth::required);
    CAPTURE(version, static_cast<int>(how));
    const identity own = client_root().issue({.names = {}});
    std::atomic<int> asked = 0;
    auto answer = certificate_verdict::accepted;
    tls_listener listener{
        tls_server(asking(how, {.ca_pem = client_root().certificate_pem(), .verifier = [&](const certificate_view&) {
                                    ++asked;
                                    return answer;
                                }}))};
    returning_client client(version, own);
    for (int i = 1; i <= 3; ++i) {
        const auto visit = client.visit(listener);
        CHECK_FALSE(visit.error);
        CHECK_FALSE(visit.resumed);
        CHECK(visit.certificate);
        CHECK(asked == i);
    }
    if (how == client_auth::required && version == TLS1_3_VERSION) CHECK(client.tickets == 0);
    answer = certificate_verdict::refused;
    CHECK(client.visit(listener).error == errc::certificate_invalid);
}

TEST_CASE("inbound_tls_tickets_where_certificates_are_optional_a_client_without_one_comes_back_without_one") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    tls_listener listener{tls_server(asking(client_auth::optional, {.ca_pem = client_root().certificate_pem()}))};
    returning_client client(version);
    CHECK_FALSE(client.visit(listener).resumed);
    const auto again = client.visit(listener);
    CHECK_FALSE(again.error);
    CHECK(again.resumed);
    CHECK_FALSE(again.certificate);
}

TEST_CASE("inbound_tls_tickets_they_are_worth_nothing_after_an_update_so_that_new_rules_hold_for_all") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    tls_listener listener{tls_server(serving())};
    returning_client client(version);
    client.visit(listener);
    CHECK(client.visit(listener).resumed);
    SECTION("the same options") {
        listener.server().update(serving());
        const auto after = client.visit(listener);
        CHECK_FALSE(after.error);
        CHECK_FALSE(after.resumed);
        CHECK(client.visit(listener).resumed);
    }
    SECTION("certificates are required") {
        listener.server().update(asking(client_auth::required, {.ca_pem = client_root().certificate_pem()}));
        CHECK(client.visit(listener).error == errc::certificate_missing);
    }
    SECTION("they are optional") {
        listener.server().update(asking(client_auth::optional, {.ca_pem = client_root().certificate_pem()}));
        const auto after = client.visit(listener);
        CHECK_FALSE(after.error);
        CHECK_FALSE(after.resumed);
    }
}

TEST_CASE("inbound_tls_tickets_a_client_of_other_roots_has_no_way_in_after_an_update") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity own = client_root().issue({.names = {}});
    const authority others("other clients' root");
    const auto how = client_auth::optional;
    tls_listener listener{tls_server(asking(how, {.ca_pem = client_root().certificate_pem()}))};
    returning_client client(version, own);
    CHECK_FALSE(client.visit(listener).error);
    listener.server().update(asking(how, {.ca_pem = others.certificate_pem()}));
    CHECK(client.visit(listener).error == errc::certificate_unknown_issuer);
}

TEST_CASE("inbound_tls_tickets_our_own_client_comes_back_with_them") {
    tls_listener listener{tls_server(serving())};
    net::io_context& io = listener.io();
    const tls_transport transport({.host = "127.0.0.1", .port = std::to_string(listener.port())},
                                  {.ca_pem = test_root().certificate_pem()});
    for (int i = 0; i < 4; ++i) {
        outcome_of<tls_transport> outcome;
        start_open(io, transport, outcome);
        std::error_code error;
        auto stream = listener.accept(error);
        REQUIRE_FALSE(error);
        REQUIRE(run_until(io, [&] { return outcome.completions == 1; }));
        REQUIRE_FALSE(outcome.error);
        CHECK(stream->resumed() == (i > 0));
        // The client reads the tickets with the first bytes.
        REQUIRE_FALSE(write_all(io, *stream, "x"));
        REQUIRE(read_exactly(io, *outcome.stream, 1) == "x");
    }
    CHECK(transport.stats().resumed == 3);
    CHECK(transport.stats().sessions_refused == 0);
}
