// Who waits at a connection, and that nobody is forgotten.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/inbound/detail/waiting_places.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound::detail;

namespace {

struct no_stream {};

struct waiter final : peer_waiter<no_stream> {
    explicit waiter(io_want wants = io_want::none) : next(wants) {}
    void attempt(no_stream&) noexcept override { outcome = {.bytes = next == io_want::none ? 1u : 0u, .want = next}; }
    void complete(delivery how) override {
        ++completed;
        last = how;
        if (throws) throw std::runtime_error("as it must");
    }
    io_want next;
    int completed = 0;
    delivery last{};
    bool throws = false;
};

void put(waiting_places<no_stream>& places, waiter& w, io_want direction, io_want wants, std::uint64_t serial) {
    w.outcome.want = wants;
    places.put(w, direction, serial);
}

}  // namespace

TEST_CASE("a_place_is_taken_once", "[inbound]") {
    waiting_places<no_stream> places;
    waiter reads, writes;
    put(places, reads, io_want::read, io_want::read, 1);
    put(places, writes, io_want::write, io_want::write, 2);
    CHECK(places.is_taken(io_want::read));
    io_want direction{};
    CHECK(places.take(3, errc::cancelled, direction) == nullptr);
    CHECK(places.take(2, errc::cancelled, direction) == &writes);
    CHECK(direction == io_want::write);
    CHECK(writes.outcome.error == errc::cancelled);
    CHECK(places.take(2, errc::cancelled, direction) == nullptr);
    CHECK_FALSE(places.is_taken(io_want::write));
    places.take_all(errc::idle_timed_out).complete(delivery::posted);
    CHECK(reads.completed == 1);
    CHECK(reads.outcome.error == errc::idle_timed_out);
    CHECK(writes.completed == 0);  // its taker completes it
    places.take_all(errc::cancelled).complete(delivery::posted);
    CHECK(reads.completed == 1);
}

TEST_CASE("readiness_helps_on_who_waits_for_it", "[inbound]") {
    no_stream s;
    const auto attempt = [&](peer_waiter<no_stream>& w, io_want) { w.attempt(s); };
    struct row {
        const char* sentence;
        io_want read_wants, write_wants;  // what each waits for
        io_want ready;
        bool reads, writes;  // whether it is through then
    };
    using enum io_want;
    const row table[] = {
        {"a reader by bytes", read, write, read, true, false},
        {"a writer by room", read, write, write, false, true},
        {"both, where a writer needs bytes", read, read, read, true, true},
        {"a writer who needs bytes, by room too: TLS may have been helped on", read, read, write, false, true},
        {"nobody who only waits for the end", none, none, read, false, false},
    };
    for (const row& r : table) {
        CAPTURE(r.sentence);
        waiting_places<no_stream> places;
        waiter reads, writes;
        put(places, reads, read, r.read_wants, 1);
        put(places, writes, write, r.write_wants, 2);
        places.became_ready(r.ready, attempt, [](io_want) { return true; }).complete(delivery::dispatched);
        CHECK(reads.completed == r.reads);
        CHECK(writes.completed == r.writes);
        CHECK(places.is_taken(read) != r.reads);
        CHECK(places.is_taken(write) != r.writes);
    }
}

TEST_CASE("who_must_wait_again_stays_and_who_cannot_is_told", "[inbound]") {
    no_stream s;
    const auto attempt = [&](peer_waiter<no_stream>& w, io_want) { w.attempt(s); };
    waiting_places<no_stream> places;
    waiter w(io_want::write);  // waits for room before it can read on
    put(places, w, io_want::read, io_want::read, 1);
    io_want armed = io_want::none;
    const auto arm = [&](io_want want) {
        armed = want;
        return true;
    };
    places.became_ready(io_want::read, attempt, arm).complete(delivery::dispatched);
    CHECK(w.completed == 0);
    CHECK(armed == io_want::write);
    places.became_ready(io_want::write, attempt, [](io_want) { return false; }).complete(delivery::dispatched);
    CHECK(w.completed == 1);
    CHECK(w.outcome.error == std::errc::not_enough_memory);
    CHECK_FALSE(places.is_taken(io_want::read));
}

TEST_CASE("a_handler_that_throws_leaves_the_other_to_be_called", "[inbound]") {
    waiting_places<no_stream> places;
    waiter reads, writes;
    reads.throws = true;
    writes.throws = GENERATE(false, true);
    put(places, reads, io_want::read, io_want::read, 1);
    put(places, writes, io_want::write, io_want::write, 2);
    CHECK_THROWS_AS(places.take_all(errc::cancelled).complete(delivery::dispatched), std::runtime_error);
    CHECK(reads.completed == 1);
    CHECK(writes.completed == 1);
    CHECK(writes.last == delivery::posted);
}
