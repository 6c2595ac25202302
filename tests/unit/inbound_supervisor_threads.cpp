// Bytes are told by the thread that reads them, while another one, under the driver's lock, runs the machine.
#include <array>
#include <chrono>
#include <cstddef>
#include <thread>

#include "hotpool/inbound/connection_supervisor.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};

}  // namespace

TEST_CASE("bytes_are_seen_while_another_thread_runs_the_machine", "[inbound][thread]") {
    connection_supervisor<> machine({.idle_timeout = 1s});
    std::array<supervised, 4> all;
    for (supervised& c : all) {
        machine.accepted(c, start);
        machine.opened(c, start);
    }
    std::array<std::thread, 3> readers;  // nobody reads from the last one
    for (std::size_t i = 0; i < readers.size(); ++i)
        readers[i] = std::thread([&machine, &c = all[i]] {
            for (int ms = 0; ms <= 10'000; ++ms) machine.bytes_seen(c, start + ms * 1ms);
        });
    for (int ms = 0; ms <= 900; ++ms) machine.time_passed(start + ms * 1ms);
    for (std::thread& reader : readers) reader.join();
    for (int ms = 900; ms < 11'000; ++ms) machine.time_passed(start + ms * 1ms);
    const life_action action = machine.next_action();
    CHECK(action.connection == &all.back());
    CHECK(action.reason == close_reason::idle_timeout);
    while (machine.has_action()) CHECK(machine.next_action().connection == &all.back());
    for (supervised& c : all) machine.ended(c, close_reason::finished);
}
