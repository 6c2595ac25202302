// A server besieged by bad clients of every kind, and the good ones beside them: short by default; `sh tests/run.sh --siege`
// measures for long.
#include "support/siege.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/bare_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

// A machine that has much else to do has pauses of its own; sanitizers slow everything down.
constexpr duration floor_of_p99 = base::recycling ? 20ms : 60ms;

bool is_near(const siege_figures& beside, const siege_figures& alone) {
    return beside.answers != 0 && beside.p99 <= std::max(3 * alone.p99, floor_of_p99);
}

// Of rounds that the machine has disturbed the best is taken: what bad clients do, they do in each.
template <class Kind>
void besiege(siege<Kind>& s, const siege_kinds& kinds, duration span, const siege_figures& alone) {
    siege_figures beside;
    for (int tries = 0; tries < 4; ++tries) {
        beside = s.round(kinds, span).good;
        if (is_near(beside, alone)) return;
    }
    CAPTURE(to_string(kinds.front()), kinds.size(), beside.answers, beside.p99.count(), alone.p99.count());
    CHECK(is_near(beside, alone));
}

double in_ms(duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

struct siege_series {
    std::vector<duration> p50, p99;
    std::size_t answers = 0;

    void add(const siege_figures& f) {
        p50.push_back(f.p50);
        p99.push_back(f.p99);
        answers += f.answers;
    }
};
duration least(const std::vector<duration>& all) { return *std::min_element(all.begin(), all.end()); }
duration median(std::vector<duration> all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

// One second without and one with bad clients by turns, so that both see the same machine. Printed are p50 of the
// quietest round, in which the machine does least besides, and the median of each round's p99.
struct siege_row {
    siege_series alone, beside;
    std::uint64_t bad = 0;

    template <class Round>
    siege_row(const siege_kinds& kinds, int rounds, Round round) {
        for (int i = 0; i < rounds; ++i) {
            alone.add(round(siege_kinds()).good);
            const siege_round r = round(kinds);
            beside.add(r.good);
            bad += r.bad_connections;
        }
    }
    double ratio() const { return in_ms(median(beside.p99)) / in_ms(median(alone.p99)); }
    void print() const {
        std::printf(" %6llu | %5.2f | %5.2f | %5.2f | %5.2f | %5.2f |", static_cast<unsigned long long>(bad),
                    in_ms(least(alone.p50)), in_ms(least(beside.p50)), in_ms(median(alone.p99)),
                    in_ms(median(beside.p99)), ratio());
    }
};

// Beside a bare server too, which shows what is not the library's.
template <class Kind>
void measure(siege<Kind>& s, const siege_kinds& kinds, int rounds) {
    const siege_row ours(kinds, rounds, [&](const siege_kinds& k) { return s.round(k, 1s); });
    bare_server<Kind> bare;
    siege_party<Kind> party(bare.port());
    const siege_row floor(kinds, rounds, [&](const siege_kinds& k) { return party.round(k, 1s, [] {}); });
    std::printf("| %-15s |", kinds.size() == 1 ? to_string(kinds.front()) : "all together");
    ours.print();
    floor.print();
    std::printf("\n");
    std::fflush(stdout);
    CHECK(ours.beside.answers * 10 > ours.alone.answers * 9);
}

}  // namespace

TEMPLATE_TEST_CASE("siege_of_every_kind_harms_no_good_client", "[faults]", accept_tcp, accept_tls) {
    const std::size_t descriptors = open_descriptors();
    {
        siege<TestType> s;
        const siege_figures alone = s.round({}, 400ms).good;
        siege_kinds quick, slow;
        for (const siege_kind kind : all_siege_kinds<TestType>()) (ends_at_once(kind) ? quick : slow).push_back(kind);
        for (const siege_kind kind : quick) besiege(s, {kind}, 150ms, alone);
        besiege(s, slow, 150ms, alone);
        besiege(s, all_siege_kinds<TestType>(), 300ms, alone);
        s.finish();
        INFO(s.broken().text());
        CHECK(s.broken().count() == 0);
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("deploy_under_siege_loses_no_request", "[faults]", accept_tcp, accept_tls) {
    const std::size_t descriptors = open_descriptors();
    {
        siege<TestType> s;
        s.deploy(all_siege_kinds<TestType>());
        INFO(s.broken().text());
        CHECK(s.broken().count() == 0);
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("long_siege", "[.][storm]", accept_tcp, accept_tls) {
    const char* const text = std::getenv("HOTPOOL_SIEGE_ROUNDS");
    const int rounds = text == nullptr ? 5 : std::stoi(text);
    siege<TestType> s;
    std::printf(
        "\nsiege over %s, %d rounds of 1 s without and with each kind; ms; then the same of a bare server\n"
        "| kind            | bad    | p50   | beside| p99   | beside| ratio | bad    | p50   | beside| p99   | beside| "
        "ratio |\n",
        TestType::handshakes ? "TLS" : "TCP", rounds);
    for (const siege_kind kind : all_siege_kinds<TestType>()) measure(s, {kind}, rounds);
    measure(s, all_siege_kinds<TestType>(), rounds);
    for (int i = 0; i < rounds; ++i) {
        siege<TestType> changing;
        changing.deploy(all_siege_kinds<TestType>());
        INFO(changing.broken().text());
        CHECK(changing.broken().count() == 0);
    }
    s.finish();
    INFO(s.broken().text());
    CHECK(s.broken().count() == 0);
}
