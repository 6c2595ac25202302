// Nonces are good once, and only so many are remembered.
#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <hotpool/inbound/nonce_cache.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;

namespace {

using bytes = std::vector<unsigned char>;

bytes numbered(std::size_t n, std::size_t size = 16) {
    bytes b(size);
    for (std::size_t i = 0; i < sizeof n; ++i) b[i] = static_cast<unsigned char>(n >> 8 * i);
    return b;
}

}  // namespace

TEST_CASE("a_received_nonce_is_fresh_once", "[inbound]") {
    nonce_cache cache;
    CHECK(cache.accept_received(numbered(1)) == received_nonce::fresh);
    CHECK(cache.accept_received(numbered(2)) == received_nonce::fresh);
    CHECK(cache.accept_received(numbered(1)) == received_nonce::replayed);
    CHECK(cache.received() == 2);
    CHECK(cache.generated() == 0);
}

TEST_CASE("nonces_have_16_to_128_bytes", "[inbound]") {
    nonce_cache cache;
    for (const std::size_t size : {0u, 1u, 15u, 129u, 100000u}) {
        CHECK(cache.accept_received(bytes(size)) == received_nonce::bad_size);
        CHECK(cache.consume_generated(bytes(size)) == returned_nonce::bad_size);
        CHECK_THROWS_WITH(cache.generate(size), "hotpool::inbound::nonce_cache::generate takes 16 to 128 bytes");
    }
    for (const std::size_t size : {16u, 17u, 127u, 128u}) {
        CHECK(cache.accept_received(bytes(size)) == received_nonce::fresh);
        const nonce made = cache.generate(size);
        CHECK(made.bytes().size() == size);
        CHECK(cache.consume_generated(made.bytes()) == returned_nonce::genuine);
    }
    CHECK(cache.received() == 4);
}

TEST_CASE("nonces_of_which_one_begins_another_are_two", "[inbound]") {
    nonce_cache cache;
    CHECK(cache.accept_received(numbered(1, 17)) == received_nonce::fresh);
    CHECK(cache.accept_received(numbered(1, 16)) == received_nonce::fresh);
    CHECK(cache.accept_received(numbered(1, 128)) == received_nonce::fresh);
    bytes last = numbered(1, 128);
    last.back() = 1;
    CHECK(cache.accept_received(last) == received_nonce::fresh);
    CHECK(cache.accept_received(last) == received_nonce::replayed);
}

TEST_CASE("a_generated_nonce_is_good_once", "[inbound]") {
    nonce_cache cache;
    const nonce made = cache.generate();
    CHECK(made.bytes().size() == 32);
    CHECK(cache.generated() == 1);
    CHECK(cache.consume_generated(numbered(1, 32)) == returned_nonce::unknown);
    CHECK(cache.consume_generated(made.bytes()) == returned_nonce::genuine);
    CHECK(cache.consume_generated(made.bytes()) == returned_nonce::unknown);
    CHECK(cache.generated() == 0);
}

TEST_CASE("the_directions_know_nothing_of_one_another", "[inbound]") {
    nonce_cache cache;
    const nonce made = cache.generate();
    CHECK(cache.accept_received(made.bytes()) == received_nonce::fresh);
    cache.accept_received(numbered(1));
    CHECK(cache.consume_generated(numbered(1)) == returned_nonce::unknown);
    CHECK(cache.consume_generated(made.bytes()) == returned_nonce::genuine);
}

TEST_CASE("the_nonce_received_least_recently_is_forgotten", "[inbound]") {
    nonce_cache cache;
    for (std::size_t n = 0; n < 200; ++n) CHECK(cache.accept_received(numbered(n)) == received_nonce::fresh);
    CHECK(cache.accept_received(numbered(0)) == received_nonce::replayed);  // used again, so 1 is the oldest now
    CHECK(cache.accept_received(numbered(200)) == received_nonce::fresh);
    CHECK(cache.received() == 200);
    CHECK(cache.accept_received(numbered(0)) == received_nonce::replayed);
    CHECK(cache.accept_received(numbered(2)) == received_nonce::replayed);
    CHECK(cache.accept_received(numbered(1)) == received_nonce::fresh);
}

TEST_CASE("the_oldest_generated_nonce_is_forgotten_when_no_place_is_free", "[inbound]") {
    nonce_cache cache({.capacity = 3});
    const nonce first = cache.generate(), second = cache.generate(), third = cache.generate();
    CHECK(cache.consume_generated(second.bytes()) == returned_nonce::genuine);
    const nonce fourth = cache.generate();
    CHECK(cache.generated() == 3);
    const nonce fifth = cache.generate();
    CHECK(cache.generated() == 3);
    CHECK(cache.consume_generated(first.bytes()) == returned_nonce::unknown);
    CHECK(cache.consume_generated(third.bytes()) == returned_nonce::genuine);
    CHECK(cache.consume_generated(fourth.bytes()) == returned_nonce::genuine);
    CHECK(cache.consume_generated(fifth.bytes()) == returned_nonce::genuine);
}

TEST_CASE("a_cache_of_nothing_is_refused", "[inbound]") {
    CHECK_THROWS_WITH(nonce_cache({.capacity = 0}),
                      "hotpool::inbound::nonce_cache_options::capacity must be 1 or more");
}

TEST_CASE("nonces_take_no_memory_as_they_come", "[inbound]") {
    nonce_cache cache;
    cache.generate();
    const bytes received = numbered(1, 128);
    const auto before = test::allocations();
    for (int i = 0; i < 300; ++i) {
        cache.accept_received(received);
        const nonce made = cache.generate(128);
        cache.consume_generated(made.bytes());
    }
    CHECK(test::allocations() == before);
}

TEST_CASE("a_nonce_consists_of_what_the_source_gave", "[inbound]") {
    struct counting {
        void operator()(std::span<unsigned char> to) const {
            if (*fails) throw std::runtime_error("no bytes");
            for (unsigned char& b : to) b = (*next)++;
        }
        unsigned char* next;
        const bool* fails;
    };
    unsigned char next = 1;
    bool fails = false;
    basic_nonce_cache<counting> cache({}, {&next, &fails});
    const nonce made = cache.generate(16);
    CHECK(bytes(made.bytes().begin(), made.bytes().end()) ==
          bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
    fails = true;
    CHECK_THROWS_AS(cache.generate(16), std::runtime_error);
    CHECK(cache.generated() == 1);  // what has no bytes is not remembered
    CHECK(cache.consume_generated(made.bytes()) == returned_nonce::genuine);
}

TEST_CASE("equality_looks_at_every_bit", "[inbound]") {
    for (const std::size_t size : {0u, 1u, 7u, 8u, 9u, 16u, 31u, 128u}) {
        const bytes a(size, 0xa5);
        CHECK(equal_in_constant_time(a, a));
        for (std::size_t bit = 0; bit < 8 * size; ++bit) {
            bytes b = a;
            b[bit / 8] = static_cast<unsigned char>(b[bit / 8] ^ 1u << bit % 8);
            CHECK_FALSE(equal_in_constant_time(a, b));
        }
    }
}

TEST_CASE("random_ids_and_seeds_differ", "[inbound]") {
    CHECK(random_connection_id() != random_connection_id());
    CHECK(random_connection_id() != connection_id());
    CHECK(random_seed() != random_seed());
    bytes many(10000);
    fill_random(many);
    const auto zeros = std::count(many.end() - 4096, many.end(), 0);
    CHECK(zeros < 100);  // 16 are expected; the last part is filled too
    CHECK_FALSE(std::equal(many.begin(), many.begin() + 4096, many.begin() + 4096));
}

TEST_CASE("random_nonces_leave_the_cache_in_agreement_with_a_plain_list", "[inbound]") {
    for (unsigned seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        const std::size_t capacity = 1 + random() % 8;
        nonce_cache cache({.capacity = capacity});
        std::vector<bytes> received, generated,
            made;  // the first two with the one used least recently in front
        const auto add = [capacity](std::vector<bytes>& list, const bytes& b) {
            if (list.size() == capacity) list.erase(list.begin());
            list.push_back(b);
        };
        for (int step = 0; step < 500; ++step) {
            INFO("seed " << seed << ", step " << step);
            const std::size_t roll = random() % 10;
            if (roll < 4) {
                const bytes b = numbered(random() % 12, 16 + random() % 2);
                const bool known = std::erase(received, b) != 0;
                add(received, b);
                REQUIRE(cache.accept_received(b) == (known ? received_nonce::replayed : received_nonce::fresh));
            } else if (roll < 7) {
                const nonce n = cache.generate(16 + random() % 113);
                made.emplace_back(n.bytes().begin(), n.bytes().end());
                add(generated, made.back());
            } else if (!made.empty()) {
                const bytes& b = made[made.size() - 1 - random() % std::min<std::size_t>(made.size(), 12)];
                const bool known = std::erase(generated, b) != 0;
                REQUIRE(cache.consume_generated(b) == (known ? returned_nonce::genuine : returned_nonce::unknown));
            }
            REQUIRE(cache.received() == received.size());
            REQUIRE(cache.generated() == generated.size());
        }
    }
}
