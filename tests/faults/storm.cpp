// The storm: short by default; `sh tests/run.sh --storm` has it blow for long.
#include "support/storm.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

std::size_t from_environment(const char* name, std::size_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoul(text);
}

template <class Side>
void blow(const storm_settings& settings) {
    INFO("HOTPOOL_STORM_SEED=" << settings.seed << " repeats the faults");
    const descriptors_kept no_leak;
    const auto s = std::make_unique<storm<Side>>(settings);
    const storm_report& report = s->run();
    report.print();
    INFO(s->broken.text());
    CHECK(s->broken.count() == 0);
    CHECK(report.responses() + report.failures() == settings.requests);
    CHECK(report.answered > settings.requests / 2);
    if (settings.requests < 20'000) return;
    for (std::size_t kind = 1; kind < fault_count; ++kind) {
        const auto what = static_cast<fault>(kind);
        CAPTURE(to_string(what));
        if (Side::is_tls || !needs_tls(what)) CHECK(report.faults[kind] != 0);
    }
    CHECK(report.crowded != 0);
    CHECK(report.answered_early != 0);
    CHECK(report.refused != 0);
    // What is in use in a quiet moment does not depend on how much has been before.
    CAPTURE(report.heap[1], report.heap[3]);
    CHECK(report.heap[3] < report.heap[1] + report.heap[1] / 4 + 1024 * 1024);
}

storm_settings settings_for(std::size_t requests, int threads, duration patience) {
    return {.requests = requests,
            .threads = threads,
            .seed = from_environment("HOTPOOL_STORM_SEED", 1),
            .patience = patience};
}
// A short storm is to pass on a machine that has much else to do; sanitizers slow everything down, handshakes most.
constexpr duration long_patience = base::recycling ? 500ms : 3s;
constexpr std::size_t few = base::recycling ? 3'000 : 1'500;

}  // namespace

TEMPLATE_TEST_CASE("storm_on_one_thread", "[faults]", over_tcp, over_tls) {
    blow<TestType>(settings_for(few, 1, long_patience));
}

TEMPLATE_TEST_CASE("storm_on_four_threads", "[faults][thread]", over_tcp, over_tls) {
    blow<TestType>(settings_for(few, 4, long_patience));
}

TEMPLATE_TEST_CASE("long_storm", "[.][storm]", over_tcp, over_tls) {
    constexpr duration patience = storm_settings{}.patience;
    // What stays allocated for good, as the records of a first storm, is not a leak.
    blow<TestType>(settings_for(few, 1, patience));
    const std::size_t requests = from_environment("HOTPOOL_STORM_REQUESTS", 200'000);
    const std::size_t heap_before = heap_in_use();
    for (const int threads : {1, 4}) blow<TestType>(settings_for(requests, threads, patience));
    const std::size_t heap_after = heap_in_use();
    std::printf("%12zu  KB of heap in use before, %zu KB after all is closed\n", heap_before / 1024, heap_after / 1024);
    CAPTURE(heap_before, heap_after);
    CHECK(heap_after < heap_before + 128 * 1024);
}
