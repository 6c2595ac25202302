// How many records without application bytes a peer may send: in a burst, over time, beside bytes, in its handshake.
#include <chrono>
#include <cstddef>

#include "hotpool/transport/tls_bare_records.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;
using hotpool::detail::tls_bare_records;

namespace {

constexpr time_point start{100h};

tls_bare_records after_handshake(std::size_t most) {
    tls_bare_records records(most);
    records.record_begun();
    records.handshake_over(start);
    return records;
}

// How many records come before one is too many, of `tries`; after each `bytes` application bytes come in another one.
std::size_t accepted(tls_bare_records& records, time_point now, std::size_t tries, std::size_t bytes = 0) {
    for (std::size_t i = 0; i < tries; ++i) {
        if (records.record_begun() && !records.bare_came(now)) return i - 1;
        if (bytes == 0) continue;
        if (records.record_begun() && !records.bare_came(now)) return i;
        records.bytes_came(bytes);
    }
    return tries;
}

}  // namespace

TEST_CASE("tls_bare_records_a_record_is_bare_if_the_next_begins_without_a_byte") {
    tls_bare_records records = after_handshake(16);
    CHECK_FALSE(records.record_begun());  // that of the handshake does not count
    records.bytes_came(1);
    records.bytes_came(1);
    CHECK_FALSE(records.record_begun());
    CHECK(records.record_begun());
    CHECK(records.bare_came(start));
}

TEST_CASE("tls_bare_records_so_many_may_come_on_end_and_no_more") {
    for (const std::size_t most : {16u, 64u, 1024u}) {
        tls_bare_records records = after_handshake(most);
        CHECK(accepted(records, start, 5000) == most);
        CHECK(records.are_too_many());
        CHECK_FALSE(records.bare_came(start + 24h));  // it is over for good
    }
}

TEST_CASE("tls_bare_records_a_second_makes_up_for_one") {
    tls_bare_records records = after_handshake(16);
    CHECK(accepted(records, start, 17) == 17);
    for (int i = 1; i <= 100'000; ++i) {
        CHECK(records.record_begun());
        if (!records.bare_came(start + i * 1s)) FAIL(i);
    }
    CHECK(records.record_begun());
    CHECK_FALSE(records.bare_came(start + 100'000s + 999ms));
}

TEST_CASE("tls_bare_records_parts_of_a_second_add_up") {
    tls_bare_records records = after_handshake(16);
    CHECK(accepted(records, start, 17) == 17);
    CHECK(records.record_begun());
    CHECK(records.bare_came(start + 1999ms));
    CHECK(records.record_begun());
    CHECK(records.bare_came(start + 2000ms));
    CHECK(records.record_begun());
    CHECK_FALSE(records.bare_came(start + 2500ms));
}

TEST_CASE("tls_bare_records_silence_and_bytes_are_not_saved_for_a_flood") {
    tls_bare_records records = after_handshake(16);
    records.bytes_came(1 << 30);
    CHECK(accepted(records, start + 24h, 100) == 16);
}

TEST_CASE("tls_bare_records_a_kib_of_bytes_makes_up_for_one_a_byte_for_none") {
    tls_bare_records enough = after_handshake(16);
    CHECK(accepted(enough, start, 100'000, 1024) == 100'000);
    tls_bare_records half = after_handshake(16);
    CHECK(accepted(half, start, 100'000, 512) == 31);
    tls_bare_records one = after_handshake(16);
    CHECK(accepted(one, start, 100'000, 1) == 16);
}

TEST_CASE("tls_bare_records_a_handshake_has_a_limit_of_its_own") {
    tls_bare_records records(16);
    CHECK(accepted(records, start, 1025) == 1025);
    tls_bare_records endless(16);
    CHECK(accepted(endless, start, 100'000) == 1024);
    records.handshake_over(start);
    CHECK(accepted(records, start, 100) == 16);
}

TEST_CASE("tls_bare_records_a_clock_that_stands_still_or_ends_breaks_nothing") {
    tls_bare_records records = after_handshake(16);
    CHECK(records.record_begun() == false);
    CHECK(records.bare_came(time_point{}));
    CHECK(records.bare_came(never));
    CHECK(records.bare_came(time_point{}));
}
