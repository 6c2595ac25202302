// The cache of TLS sessions by itself, with sessions and times made by hand.
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/transport/tls_sessions.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using detail::is_trusted;
using detail::mark_trusted;
using detail::max_trust_seconds;
using detail::ssl_session_ptr;
using detail::tls_sessions;

namespace {

constexpr std::time_t noon = 1'700'000'000;

// A session of TLS 1.2 that began at noon, lasts for a hundred seconds and may be resumed by its ID. Only a peer can
// give one of TLS 1.3 its lifetime.
ssl_session_ptr make_session(unsigned char name, std::time_t begun = noon, long seconds = 100) {
    ssl_session_ptr s(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(s.get(), TLS1_2_VERSION);
    SSL_SESSION_set1_id(s.get(), &name, 1);
    SSL_SESSION_set_time(s.get(), static_cast<long>(begun));
    SSL_SESSION_set_timeout(s.get(), seconds);
    mark_trusted(*s, begun + max_trust_seconds);
    return s;
}

unsigned char name_of(const ssl_session_ptr& s) {
    unsigned size = 0;
    return s ? *SSL_SESSION_get_id(s.get(), &size) : 0;
}

}  // namespace

TEST_CASE("tls_sessions_the_newest_is_offered_the_oldest_goes_when_there_is_no_room") {
    tls_sessions sessions(2);
    CHECK(sessions.take(noon) == nullptr);
    sessions.keep(make_session(1), noon);
    CHECK(name_of(sessions.take(noon)) == 1);
    sessions.keep(make_session(2), noon);
    sessions.keep(make_session(3), noon);
    CHECK(sessions.stats().sessions_cached == 2);
    ssl_session_ptr newest = sessions.take(noon);
    CHECK(name_of(newest) == 3);
    sessions.shaken_hands(newest.get());
    newest = sessions.take(noon);
    CHECK(name_of(newest) == 2);
    sessions.shaken_hands(newest.get());
    CHECK(sessions.take(noon) == nullptr);
    CHECK(sessions.stats().sessions_offered == 3);
    CHECK(sessions.stats().sessions_refused == 2);
    CHECK(sessions.stats().handshakes == 2);
}

TEST_CASE("tls_sessions_what_has_expired_is_neither_kept_nor_offered") {
    tls_sessions sessions(4);
    sessions.keep(make_session(1), noon + 100);
    CHECK(sessions.stats().sessions_cached == 0);
    sessions.keep(make_session(1), noon + 99);
    CHECK(name_of(sessions.take(noon + 99)) == 1);
    CHECK(sessions.take(noon + 100) == nullptr);
    CHECK(sessions.stats().sessions_cached == 0);
}

TEST_CASE("tls_sessions_an_older_one_that_still_lasts_is_offered_behind_one_that_has_expired") {
    tls_sessions sessions(4);
    sessions.keep(make_session(1, noon, 1000), noon);
    sessions.keep(make_session(2, noon, 10), noon);
    CHECK(name_of(sessions.take(noon + 10)) == 1);
}

TEST_CASE("tls_sessions_one_from_the_future_is_not_used_the_clock_has_been_set") {
    tls_sessions sessions(4);
    sessions.keep(make_session(1), noon - 1);
    CHECK(sessions.stats().sessions_cached == 0);
}

TEST_CASE("tls_sessions_only_what_carries_the_mark_of_an_accepted_peer_is_kept_and_while_that_holds") {
    tls_sessions sessions(4);
    ssl_session_ptr unmarked = make_session(1);
    SSL_SESSION_set_ex_data(unmarked.get(), detail::trust_index(), nullptr);
    sessions.keep(std::move(unmarked), noon);
    CHECK(sessions.stats().sessions_cached == 0);

    ssl_session_ptr marked = make_session(2);
    mark_trusted(*marked, noon + 10);
    CHECK(is_trusted(*marked, noon + 9));
    sessions.keep(std::move(marked), noon);
    CHECK(name_of(sessions.take(noon + 9)) == 2);
    CHECK(sessions.take(noon + 10) == nullptr);
}

TEST_CASE("tls_sessions_the_mark_goes_over_to_copies_which_is_how_tickets_come_by_it") {
    ssl_session_ptr marked = make_session(1);
    mark_trusted(*marked, noon + 10);
    const ssl_session_ptr copy(SSL_SESSION_dup(marked.get()));
    CHECK(is_trusted(*copy, noon + 9));
    CHECK_FALSE(is_trusted(*copy, noon + 10));
}

TEST_CASE("tls_sessions_what_can_not_be_resumed_is_not_kept") {
    tls_sessions sessions(4);
    SECTION("neither ID nor ticket") {
        ssl_session_ptr nameless(SSL_SESSION_new());
        SSL_SESSION_set_protocol_version(nameless.get(), TLS1_2_VERSION);
        SSL_SESSION_set_time(nameless.get(), static_cast<long>(noon));
        SSL_SESSION_set_timeout(nameless.get(), 100);
        mark_trusted(*nameless, noon + 100);
        sessions.keep(std::move(nameless), noon);
    }
    SECTION("one of TLS 1.3 that its server wants forgotten at once") {
        ssl_session_ptr momentary = make_session(1);
        SSL_SESSION_set_protocol_version(momentary.get(), TLS1_3_VERSION);
        sessions.keep(std::move(momentary), noon);
    }
    CHECK(sessions.stats().sessions_cached == 0);
}

TEST_CASE("tls_sessions_after_a_peer_broke_off_there_are_none_for_a_while") {
    tls_sessions sessions(4);
    sessions.keep(make_session(1, noon, 1000), noon);
    sessions.rejected(noon + 1);
    CHECK(sessions.stats().sessions_cached == 0);
    CHECK(sessions.stats().sessions_rejected == 1);
    sessions.keep(make_session(2, noon, 1000), noon + tls_sessions::pause_seconds);
    CHECK(sessions.stats().sessions_cached == 0);
    sessions.keep(make_session(3, noon, 1000), noon + 1 + tls_sessions::pause_seconds);
    CHECK(name_of(sessions.take(noon + 1 + tls_sessions::pause_seconds)) == 3);
}

TEST_CASE("tls_sessions_with_no_room_for_any_none_is_kept") {
    tls_sessions sessions(0);
    sessions.keep(make_session(1), noon);
    CHECK(sessions.take(noon) == nullptr);
    CHECK(sessions.stats().sessions_cached == 0);
}

TEST_CASE("tls_sessions_those_of_a_context_that_no_new_connection_uses_are_dropped_and_none_is_kept") {
    tls_sessions sessions(4);
    sessions.keep(make_session(1), noon);
    sessions.forget();
    CHECK(sessions.size() == 0);
    sessions.keep(make_session(2), noon);
    CHECK(sessions.take(noon) == nullptr);
}

TEST_CASE("tls_sessions_totals_may_be_shared_sessions_are_not") {
    const auto totals = std::make_shared<detail::tls_totals>();
    tls_sessions one(4, totals);
    tls_sessions other(4, totals);
    one.keep(make_session(1), noon);
    CHECK(other.take(noon) == nullptr);
    const ssl_session_ptr offered = one.take(noon);
    one.resumed();
    other.shaken_hands(nullptr);
    other.shaken_hands(offered.get());
    CHECK(one.size() == 1);
    const transport_stats sum = totals->get();
    CHECK(sum.handshakes == 3);
    CHECK(sum.resumed == 1);
    CHECK(sum.sessions_offered == 1);
    CHECK(sum.sessions_refused == 1);
    CHECK(sum.sessions_rejected == 0);
    CHECK(one.stats().sessions_cached == 1);
    CHECK(other.stats().sessions_cached == 0);
    // The pause after a rejection is one cache's own.
    one.rejected(noon);
    other.keep(make_session(2), noon);
    CHECK(other.size() == 1);
    CHECK(totals->get().sessions_rejected == 1);
}
