// A server that sends more responses than it was asked for: nobody takes one of them for an answer.
#include "support/extra_responses.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr std::array<std::chrono::microseconds, 8> extra_delays{0us, 50us, 200us, 1ms, 2ms, 5ms, 20ms, 100ms};
constexpr std::array<std::chrono::milliseconds, 4> loop_blocks{0ms, 1ms, 5ms, 20ms};

constexpr unsigned few_rounds = 2;

template <class Side>
void poison_table(unsigned rounds) {
    // "right + refused / wrong because it was there before, was there at once, came after"
    std::string table;
    const auto print = [&table](auto... what) {
        char text[100];
        std::snprintf(text, sizeof text, what...);
        table += text;
    };
    for (const approach how : approaches) {
        for (const auto block : loop_blocks) {
            print("%s, %-14s blocked %2d ms", Side::is_tls ? "TLS" : "TCP", to_string(how),
                  static_cast<int>(block.count()));
            for (const auto delay : extra_delays) {
                poison_trial<Side> trial(delay, block);
                const poison_tally t = trial.run(how, rounds);
                print(" | %3u+%-3u/%u,%u,%u", t.right, t.refused, t.wrong_before, t.wrong_at_once, t.wrong_after);
                CAPTURE(to_string(how), block.count(), delay.count());
                CHECK(t.wrong_before == 0);
                CHECK(t.other == 0);
                if (how == approach::client) CHECK(t.refused == 0);
                CHECK(t.right + t.refused + t.wrong_at_once + t.wrong_after == rounds);
            }
            table += '\n';
        }
    }
    if (rounds > few_rounds) std::fputs(table.c_str(), stdout);
}

}  // namespace

TEMPLATE_TEST_CASE("response_that_was_there_before_a_request_is_not_its_own", "[faults]", over_tcp, over_tls) {
    const char* const rounds = std::getenv("HOTPOOL_POISON_ROUNDS");
    poison_table<TestType>(rounds == nullptr ? few_rounds : static_cast<unsigned>(std::stoul(rounds)));
}
