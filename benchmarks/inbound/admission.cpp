// What a verdict costs, and what a million addresses do to it: bench_inbound_admission [--quick]
//
// Prints one section in Markdown, and fails if a verdict on a known group takes more than 200 ns in the median or
// allocates, if a million addresses take more memory than the ceiling, or if a group over its limit gets in by them.
// Which of 65,536 groups comes next is chance, and their table is larger than the nearer caches: there, the time that
// this machine takes for one read from as much memory is measured too, and allowed on top.
#include <hotpool/inbound/admission.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <new>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "quantile.hpp"

namespace {

std::uint64_t allocation_count = 0;

}  // namespace

// Not inline, or the compiler sees malloc's memory deleted and takes that for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocation_count;
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace bench {
namespace {

using namespace hotpool;
using namespace hotpool::inbound;
using clock = std::chrono::steady_clock;

constexpr std::size_t batch = 256;
constexpr double most_ns = 200;
constexpr std::size_t in_cache = 10'000;  // groups
constexpr time_point begun{std::chrono::hours(1000)};

void check(bool held, std::string_view what) {
    if (!held) throw std::runtime_error{"does not hold: " + std::string{what}};
}

/// A mixed bag: three IPv4 addresses for each IPv6 network.
ip_address address_of(std::uint32_t number) {
    const auto byte = [number](unsigned shift) { return static_cast<unsigned char>(number >> shift); };
    if (number % 4 != 0) return ip_address{ip_address::v4_bytes_type{byte(24), byte(16), byte(8), byte(0)}};
    return ip_address{ip_address::v6_bytes_type{0x20, 1, 0xd, 0xb8, byte(24), byte(16), byte(8), byte(0)}};
}

/// Nanoseconds for each of a batch of verdicts, in the median of many batches, and all that they allocated.
struct cost {
    double ns = 0;
    std::uint64_t allocations = 0;
};

/// @param before made ready for each batch, `after` puts things back; neither is counted
template <class Before, class Work, class After>
cost measure(std::size_t batches, Before before, Work work, After after) {
    std::vector<double> taken(batches);
    cost result;
    for (double& each : taken) {
        before();
        const std::uint64_t allocations = allocation_count;
        const clock::time_point start = clock::now();
        for (std::size_t i = 0; i < batch; ++i) work(i);
        each = std::chrono::duration<double, std::nano>(clock::now() - start).count() / static_cast<double>(batch);
        result.allocations += allocation_count - allocations;
        after();
    }
    result.ns = median(std::move(taken));
    return result;
}

void print(const cost& c) { std::printf(" %.0f ns |", c.ns); }

/// An admission that knows `groups` groups, and a batch of addresses picked among them.
template <class Quota>
class known_groups {
public:
    explicit known_groups(std::size_t groups)
        : groups_(groups),
          machine_({.max_connections_per_group = 0,
                    .max_connections = 0,
                    .max_handshakes = 0,
                    .max_requests_per_group = 1'000'000'000},
                   begun, 1) {
        for (std::uint32_t i = 0; i < groups; ++i) check(request(address_of(i)), "a new group may make a request");
        check(machine_.counts().groups == groups, "all groups are known");
    }

    basic_admission<Quota>& machine() { return machine_; }
    void pick() {
        now_ += std::chrono::milliseconds(1);
        for (ip_address& each : picked_) each = address_of(static_cast<std::uint32_t>(random_() % groups_));
    }
    bool request(const ip_address& from) { return machine_.request_offered(from, now_).admitted(); }

    cost admitted(std::size_t batches) {
        return measure(
            batches, [this] { pick(); }, [this](std::size_t i) { connect(i); }, [this] { end(); });
    }
    cost refused(std::size_t batches) {
        const admission_options open = machine_.options();
        admission_options strict = open;
        strict.max_connections_per_group = 1;
        std::size_t refusals = 0;
        const cost result = measure(
            batches,
            [&] {
                pick();
                for (std::size_t i = 0; i < batch; ++i) connect(i);
                machine_.set_options(strict);
            },
            [&](std::size_t i) { refusals += !machine_.connection_offered(picked_[i], now_).admitted(); },
            [&] {
                machine_.set_options(open);
                end();
            });
        check(refusals == batches * batch, "a group at its limit is refused");
        return result;
    }
    cost requests_by_ticket(std::size_t batches) {
        std::size_t admissions = 0;
        const cost result = measure(
            batches,
            [this] {
                pick();
                for (std::size_t i = 0; i < batch; ++i) connect(i);
            },
            [&](std::size_t i) { admissions += machine_.request_offered(verdicts_[i].ticket, now_).admitted(); },
            [this] { end(); });
        check(admissions == batches * batch, "requests are admitted");
        return result;
    }
    cost requests_by_address(std::size_t batches) {
        std::size_t admissions = 0;
        const cost result = measure(
            batches, [this] { pick(); }, [&](std::size_t i) { admissions += request(picked_[i]); }, [] {});
        check(admissions == batches * batch, "requests are admitted");
        return result;
    }

private:
    void connect(std::size_t i) { verdicts_[i] = machine_.connection_offered(picked_[i], now_); }
    void end() {
        for (admission_verdict& each : verdicts_)
            check(machine_.connection_ended(each.ticket) == ticket_use::taken, "a connection was admitted");
    }

    std::size_t groups_;
    basic_admission<Quota> machine_;
    std::mt19937 random_{1};
    time_point now_ = begun;
    std::vector<ip_address> picked_ = std::vector<ip_address>(batch);
    std::vector<admission_verdict> verdicts_ = std::vector<admission_verdict>(batch);
};

/// One read from memory of which nothing says before where it will be, in a table of so many groups.
double read_ns(std::size_t groups) {
    constexpr std::size_t line = 64;
    struct alignas(line) place {
        std::size_t next = 0;
    };
    std::vector<place> places(groups * admission::bytes_per_group / line + 1);
    std::vector<std::size_t> order(places.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937{1});
    for (std::size_t i = 0; i < order.size(); ++i) places[order[i]].next = order[(i + 1) % order.size()];
    constexpr std::size_t reads = 300'000;
    std::size_t at = 0;
    const clock::time_point start = clock::now();
    for (std::size_t i = 0; i < reads; ++i) at = places[at].next;
    const double taken = std::chrono::duration<double, std::nano>(clock::now() - start).count();
    check(at < places.size(), "a place leads to a place");
    return taken / reads;
}

void require_cheap(const cost& c, double allowed_ns, const std::string& what) {
    check(c.allocations == 0, what + ": no allocation");
    check(c.ns <= allowed_ns,
          what + ": at most " + std::to_string(allowed_ns) + " ns, but it took " + std::to_string(c.ns));
}

void print_verdicts(std::size_t batches) {
    std::printf(
        "| known groups | connection admitted | connection refused | request by ticket | request by address "
        "| "
        "allocations | one read of memory |\n|---:|---:|---:|---:|---:|---:|---:|\n");
    for (const std::size_t groups : {std::size_t{10}, std::size_t{10'000}, std::size_t{65'536}}) {
        known_groups<fixed_window> known{groups};
        const cost costs[] = {known.admitted(batches), known.refused(batches), known.requests_by_ticket(batches),
                              known.requests_by_address(batches)};
        std::printf("| %zu |", groups);
        std::uint64_t allocations = 0;
        for (const cost& each : costs) {
            print(each);
            allocations += each.allocations;
        }
        const double read = read_ns(groups);
        std::printf(" %llu | %.0f ns |\n", static_cast<unsigned long long>(allocations), read);
        const double allowed = groups > in_cache ? most_ns + read : most_ns;
        for (const cost& each : costs)
            require_cheap(each, allowed, "a verdict among " + std::to_string(groups) + " groups");
    }
}

template <class Quota>
void print_quota(const char* name, std::size_t batches) {
    known_groups<Quota> known{10'000};
    const cost by_ticket = known.requests_by_ticket(batches);
    const cost by_address = known.requests_by_address(batches);
    std::printf("| `%s` |", name);
    print(by_ticket);
    print(by_address);
    std::printf(" %zu |\n", basic_admission<Quota>::bytes_per_group);
    require_cheap(by_ticket, most_ns, name);
    require_cheap(by_address, most_ns, name);
}

void print_quotas(std::size_t batches) {
    std::printf(
        "\n| quota, 10000 groups | request by ticket | request by address | bytes per group, at most |\n"
        "|---|---:|---:|---:|\n");
    print_quota<fixed_window>("fixed_window", batches);
    print_quota<sliding_window>("sliding_window", batches);
    print_quota<token_bucket>("token_bucket", batches);
}

void print_access(std::size_t batches) {
    std::printf("\n| entries in the access list, 10000 groups | connection admitted |\n|---:|---:|\n");
    known_groups<fixed_window> known{10'000};
    std::uint32_t entries = 0;
    for (const std::uint32_t size : {0u, 10u, 1000u}) {
        for (; entries < size; ++entries) known.machine().access().deny(address_of(0xe0000000u + entries * 4 + 1));
        const cost c = known.admitted(batches);
        check(c.allocations == 0, "a verdict allocates nothing");
        std::printf("| %u | %.0f ns |\n", size, c.ns);
    }
}

std::size_t resident_bytes() {
    std::size_t all = 0, resident = 0;
    std::ifstream{"/proc/self/statm"} >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Groups over their limit among a million that come once: a hundred with their quota used up, a hundred blocked, and
/// ten with all the connections that they may have.
void print_flood() {
    constexpr std::uint32_t flood = 1'000'000;
    constexpr std::uint32_t special = 0xf0000000u;
    const std::size_t before = resident_bytes();
    admission machine{{}, begun, 1};
    time_point now = begun;
    std::vector<admission_verdict> held;
    for (std::uint32_t i = 0; i < 100; ++i) {
        const ip_address spent = address_of(special + i), blocked = address_of(special + 100 + i);
        for (int request = 0; request < 1000; ++request)
            check(machine.request_offered(spent, now).admitted(), "a quota is 1,000 requests");
        check(machine.block(blocked, now + std::chrono::hours(1), now) == block_result::blocked, "a group is blocked");
    }
    for (std::uint32_t i = 0; i < 10; ++i)
        for (int n = 0; n < 10; ++n) held.push_back(machine.connection_offered(address_of(special + 200 + i), now));

    const std::uint64_t allocations = allocation_count;
    std::size_t admitted = 0, let_in = 0;
    duration taken{};
    for (std::uint32_t i = 0; i < flood; ++i) {
        now += std::chrono::microseconds(100);
        const clock::time_point start = clock::now();
        admission_verdict verdict = machine.connection_offered(address_of(i), now);
        taken += clock::now() - start;
        admitted += verdict.admitted();
        machine.connection_ended(verdict.ticket);
        let_in += machine.request_offered(address_of(special + i % 200), now).admitted();
        let_in += machine.connection_offered(address_of(special + 100 + i % 110), now).admitted();
    }
    check(allocation_count == allocations, "a million addresses allocate nothing");
    const std::size_t resident = resident_bytes() - before;
    const std::size_t ceiling = machine.options().max_groups * admission::bytes_per_group;

    check(admitted == flood, "each of the million is admitted");
    check(let_in == 0, "no group over its limit is");
    check(machine.counts().groups == machine.options().max_groups, "the table is full");
    check(machine.counts().groups_forgotten_over_limit == 0, "no group over its limit was forgotten");
    check(machine.bytes() <= ceiling, "what is allocated is under the ceiling");
    check(resident <= ceiling + 256 * 1024, "what is resident is under the ceiling");
    std::printf("\n| %u distinct addresses | |\n|---|---:|\n", flood);
    std::printf("| verdict on a new group, its clock included, mean | %.0f ns |\n",
                std::chrono::duration<double, std::nano>(taken).count() / flood);
    std::printf("| groups remembered, at most | %zu |\n", machine.options().max_groups);
    std::printf("| ceiling of memory, %zu bytes each | %.1f MB |\n", admission::bytes_per_group,
                static_cast<double>(ceiling) / 1e6);
    std::printf("| allocated | %.1f MB |\n", static_cast<double>(machine.bytes()) / 1e6);
    std::printf("| resident | %.1f MB |\n", static_cast<double>(resident) / 1e6);
    std::printf("| groups over their limits that got in, of 2000000 tries | %zu |\n", let_in);
    for (admission_verdict& each : held) machine.connection_ended(each.ticket);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) try {
    const bool quick = argc == 2 && std::string_view{argv[1]} == "--quick";
    if (argc > 1 && !quick) {
        std::fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
        return 2;
    }
    const std::size_t batches = quick ? 200 : 4000;
    std::printf("## Admission: a verdict\n\n");
    bench::print_verdicts(batches);
    bench::print_quotas(batches);
    bench::print_access(batches);
    bench::print_flood();
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
