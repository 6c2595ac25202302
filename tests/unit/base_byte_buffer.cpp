// The byte buffer against std::string.
#include <cstring>
#include <string>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/random.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using base::byte_buffer;

TEST_CASE("new_buffer_has_no_memory", "[base]") {
    const auto before = test::allocations();
    byte_buffer b;
    CHECK(b.empty());
    CHECK(b.capacity() == 0);
    CHECK(b.room() == 0);
    CHECK(b.view().empty());
    b.append("");
    b.consume(0);
    b.clear();
    b.release();
    CHECK(test::allocations() == before);
}

TEST_CASE("buffer_keeps_its_bytes_as_it_grows", "[base]") {
    byte_buffer b;
    std::string model;
    for (int i = 0; i < 2000; ++i) {
        const std::string piece = std::to_string(i);
        b.append(piece);
        model += piece;
    }
    CHECK(b.view() == model);
    CHECK(b.capacity() >= model.size());
    b.reserve(200'000);
    CHECK(b.view() == model);
    CHECK(b.capacity() >= 200'000);
    b.reserve(10);
    CHECK(b.capacity() >= 200'000);
}

TEST_CASE("prepared_room_counts_once_it_is_committed", "[base]") {
    byte_buffer b(10);
    char* room = b.prepare(5);
    std::memcpy(room, "hello", 5);
    CHECK(b.empty());
    b.commit(5);
    CHECK(b.view() == "hello");
    CHECK(b.room() >= 5);
    CHECK(b.prepare(0) == b.data() + 5);
    room = b.prepare(10'000);
    CHECK(b.room() >= 10'000);
    CHECK(room == b.data() + 5);
    CHECK(b.view() == "hello");
}

TEST_CASE("consumed_bytes_leave_from_the_front", "[base]") {
    byte_buffer b;
    b.append("hello world");
    b.consume(6);
    CHECK(b.view() == "world");
    b.truncate(2);
    CHECK(b.view() == "wo");
    b.consume(2);
    CHECK(b.empty());
    CHECK(b.capacity() > 0);
}

TEST_CASE("moved_buffer_takes_its_memory_along", "[base]") {
    byte_buffer a;
    a.append("abc");
    const char* place = a.data();
    byte_buffer b(std::move(a));
    CHECK(b.view() == "abc");
    CHECK(b.data() == place);
    CHECK(a.capacity() == 0);  // NOLINT(bugprone-use-after-move)
    a.append("again");
    b = std::move(a);
    CHECK(b.view() == "again");
    byte_buffer& self = b;
    b = std::move(self);
    CHECK(b.view() == "again");
    b.release();
    CHECK(b.capacity() == 0);
    CHECK(b.data() == nullptr);
}

TEST_CASE("buffer_agrees_with_a_string_whatever_is_done", "[base]") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        base::random_source dice(seed);
        byte_buffer b;
        std::string model;
        for (int step = 0; step < 300; ++step) {
            const std::size_t n = dice.next() % 97;
            switch (dice.next() % 6) {
                case 0:
                case 1: {
                    const std::string piece(n, static_cast<char>('a' + dice.next() % 26));
                    b.append(piece);
                    model += piece;
                    break;
                }
                case 2:
                    b.consume(n % (b.size() + 1));
                    model.erase(0, n % (model.size() + 1));
                    break;
                case 3:
                    b.truncate(n % (b.size() + 1));
                    model.resize(n % (model.size() + 1));
                    break;
                case 4:
                    std::memset(b.prepare(n + 1), 'x', n + 1);
                    b.commit(n + 1);
                    model.append(n + 1, 'x');
                    break;
                case 5: b.reserve(n * 10); break;
            }
            if (b.view() != model || b.capacity() < b.size() || b.room() != b.capacity() - b.size())
                FAIL("seed " << seed << ", step " << step);
        }
    }
}

TEST_CASE("appending_byte_by_byte_moves_the_block_a_few_times_only", "[base]") {
    byte_buffer b;
    int moves = 0;
    const char* place = nullptr;
    for (int i = 0; i < 100'000; ++i) {
        b.append("x");
        moves += b.data() != place;
        place = b.data();
    }
    CHECK(moves <= 16);
}

TEST_CASE("buffer_reused_within_a_thread_allocates_nothing", "[base]") {
    if (!base::recycling) return;  // switched off under sanitizers
    { byte_buffer warm(4096); }
    const auto before = test::allocations();
    for (int i = 0; i < 100; ++i) {
        byte_buffer b(4096);
        b.append("some bytes");
    }
    CHECK(test::allocations() == before);
}
