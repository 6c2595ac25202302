// bench_cold: what a request costs that has to connect first. Prints Markdown.
#include "bench_cold.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string_view>

#include "meter.hpp"
#include "quantile.hpp"
#include "rounds.hpp"

namespace bench {

namespace {

constexpr std::string_view usage = "usage: bench_cold {cold|hot} ROUNDS PLAIN_PORT TLS_PORT CA_FILE\n";
constexpr std::uint64_t cold_requests = 100;
constexpr std::uint64_t hot_requests = 2'000;

struct cost {
    double wall_us = 0;
    double cpu_us = 0;
};

cost measure(row& row, std::uint64_t requests) {
    const reading before = read_meter();
    row.run(requests);
    const reading after = read_meter();
    const double each = 1e3 * static_cast<double>(requests);
    return {static_cast<double>(after.wall_ns - before.wall_ns) / each,
            static_cast<double>(after.user_ns - before.user_ns + after.system_ns - before.system_ns) / each};
}

job make_job(layer on, const char* port, const char* ca_file) {
    job job;
    job.on = on;
    job.body_bytes = 100;
    job.path = "/100";
    job.host = "127.0.0.1";
    job.port = port;
    job.ca_file = ca_file;
    return job;
}

const char* name(handshake with) {
    switch (with) {
        case handshake::none: return "plain";
        case handshake::full: return "TLS 1.3, full handshake";
        case handshake::resumed: break;
    }
    return "TLS 1.3, resumed";
}

// One row of a table: its measurements, and which row of another kind it is compared with.
struct line {
    explicit line(const cold_kind& measured) : kind{measured} {}

    cold_kind kind;
    std::unique_ptr<row> cold;
    std::unique_ptr<row> hot;
    std::size_t floor = 0;  // of the same handshake
    std::size_t full = 0;   // of the same library
    cost last;              // of this round
    std::vector<double> wall, cpu, wall_ratio, cpu_ratio, to_full;
    std::vector<double> hot_wall, cold_to_hot;
};

std::vector<line> make_lines(const job& plain, const job& tls) {
    std::vector<cold_kind> kinds;
    add_cold_sockets(kinds);
    add_cold_curl(kinds);
    add_cold_hotpool(kinds);
    std::stable_sort(kinds.begin(), kinds.end(),
                     [](const cold_kind& a, const cold_kind& b) { return a.with < b.with; });
    std::vector<line> lines;
    for (const cold_kind& kind : kinds) {
        line added{kind};
        added.cold = kind.open(kind.with == handshake::none ? plain : tls, connections::new_each);
        added.floor = added.full = lines.size();
        for (std::size_t i = lines.size(); i-- > 0;) {
            if (lines[i].kind.with == kind.with) added.floor = i;
            if (lines[i].kind.with == handshake::full && lines[i].kind.title == kind.title) added.full = i;
        }
        lines.push_back(std::move(added));
    }
    return lines;
}

void report_cold(std::vector<line> lines, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        for (line& each : lines) {
            each.last = measure(*each.cold, cold_requests);
            each.wall.push_back(each.last.wall_us);
            each.cpu.push_back(each.last.cpu_us);
            each.wall_ratio.push_back(each.last.wall_us / lines[each.floor].last.wall_us);
            each.cpu_ratio.push_back(each.last.cpu_us / lines[each.floor].last.cpu_us);
            each.to_full.push_back(each.last.cpu_us / lines[each.full].last.cpu_us);
        }
    }
    std::puts(
        "One request for 100 B on a connection of its own: connect, handshake, exchange, close. Medians; the "
        "ratio "
        "is to the bare row above. CPU is that of the client.\n\n"
        "| | | wall µs | ratio | CPU µs | ratio | CPU, resumed / full |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for (const line& each : lines) {
        std::printf("| %.*s | %s | %.0f | %.2f | %.0f | %.2f |", static_cast<int>(each.kind.title.size()),
                    each.kind.title.data(), name(each.kind.with), median(each.wall), median(each.wall_ratio),
                    median(each.cpu), median(each.cpu_ratio));
        if (each.kind.with == handshake::resumed)
            std::printf(" %.2f |\n", median(each.to_full));
        else
            std::puts(" |");
    }
}

void report_hot(std::vector<line> lines, int rounds, const job& plain, const job& tls) {
    std::erase_if(lines, [](const line& each) { return each.kind.with == handshake::resumed; });
    for (line& each : lines)
        each.hot = each.kind.open(each.kind.with == handshake::none ? plain : tls, connections::kept);
    for (int round = 0; round < rounds; ++round) {
        for (line& each : lines) {
            const double hot = measure(*each.hot, hot_requests).wall_us;
            const double cold = measure(*each.cold, cold_requests).wall_us;
            each.hot_wall.push_back(hot);
            each.wall.push_back(cold);
            each.cold_to_hot.push_back(cold / hot);
        }
    }
    std::puts(
        "Hot against cold: elapsed time of one request on a connection kept open and on a new one, server "
        "and "
        "client on one core each.\n\n"
        "| | | hot µs | cold µs | cold / hot |\n| --- | --- | ---: | ---: | ---: |");
    for (const line& each : lines)
        std::printf("| %.*s | %s | %.1f | %.0f | %.1f |\n", static_cast<int>(each.kind.title.size()),
                    each.kind.title.data(), name(each.kind.with), median(each.hot_wall), median(each.wall),
                    median(each.cold_to_hot));
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    using namespace bench;
    const std::string_view part = argc == 6 ? argv[1] : "";
    if (part != "cold" && part != "hot") {
        std::fputs(usage.data(), stderr);
        return 2;
    }
    const int rounds = parse_rounds(argv[2]);
    const job plain = make_job(layer::plain, argv[3], argv[5]);
    const job tls = make_job(layer::tls, argv[4], argv[5]);
    if (part == "cold")
        report_cold(make_lines(plain, tls), rounds);
    else
        report_hot(make_lines(plain, tls), rounds, plain, tls);
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cold: %s\n", error.what());
    return 1;
}
