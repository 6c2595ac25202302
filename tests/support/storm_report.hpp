// What a storm has come to.
#pragma once

#include <malloc.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/pool/pool_stats.hpp"
#include "support/fault_kinds.hpp"

namespace hotpool::test {

/// How a storm is to be.
struct storm_settings {
    std::size_t requests = 3'000;  ///< every second one a POST
    int threads = 1;               ///< that run the client
    std::uint64_t seed = 1;
    int workers = 64;                                    ///< each has one request under way
    duration patience = std::chrono::milliseconds(150);  ///< of a request; openings have two thirds of it
};

/// Bytes of the heap in use; 0 where nobody counts them.
inline std::size_t heap_in_use() {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

/// Broken promises; the first few in words. @threads any thread
class violations {
public:
    void note(std::string what) {
        const std::lock_guard lock(mutex_);
        if (count_++ < 20) words_.push_back(std::move(what));
    }
    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return count_;
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        std::string all;
        for (const std::string& line : words_) all += line + '\n';
        return all;
    }

private:
    mutable std::mutex mutex_;
    std::size_t count_ = 0;
    std::vector<std::string> words_;
};

struct storm_report {
    static constexpr std::size_t codes = 256;
    static constexpr std::array<std::size_t, 4> never_seen{no_limit, no_limit, no_limit, no_limit};

    storm_settings settings;
    const char* transport = "";
    std::size_t answered = 0;
    std::size_t answered_early = 0;   ///< and the rest of the request has not been sent
    std::size_t refused = 0;          ///< by 413 or 417
    std::size_t met_unsolicited = 0;  ///< told 408 by what the origin had sent unasked when the request was on its way
    std::array<std::size_t, codes> failed{};            ///< by `errc`
    std::array<std::size_t, codes> processed_unsaid{};  ///< POSTs processed, the error not saying that they may be
    std::uint64_t retries = 0;
    std::uint64_t opened = 0;
    std::uint64_t overtaken = 0;
    std::uint64_t ejections = 0;
    std::uint64_t readmissions = 0;
    std::uint64_t answers = 0;
    std::uint64_t open_failures = 0;
    std::uint64_t leases = 0;
    std::uint64_t probes = 0;
    std::array<std::uint64_t, retire_reason_count> retired{};
    std::uint64_t samples = 0;  ///< looks at the pools' accounts
    std::uint64_t crowded = 0;  ///< of them, those that found the budget spent and callers waiting in every pool
    std::array<std::uint64_t, fault_count> faults{};
    std::array<std::size_t, 4> heap = never_seen;  ///< the least in use in each quarter of the requests
    double seconds = 0;

    void add(const pool_stats& pool) {
        opened += pool.total.opened;
        overtaken += pool.total.overtaken;
        ejections += pool.total.ejections;
        readmissions += pool.total.readmissions;
        answers += pool.total.answers;
        open_failures += pool.total.open_failures;
        leases += pool.total.leases;
        probes += pool.total.probes;
        for (std::size_t i = 0; i < retire_reason_count; ++i) retired[i] += pool.total.retired[i];
    }
    /// Requests that have had a response.
    std::size_t responses() const noexcept { return answered + answered_early + refused + met_unsolicited; }
    std::size_t failures() const noexcept { return std::accumulate(failed.begin(), failed.end(), std::size_t{0}); }

    void print() const {
        std::printf("\nstorm over %s, %d client thread%s, %d workers, seed %llu\n", transport, settings.threads,
                    settings.threads == 1 ? "" : "s", settings.workers, static_cast<unsigned long long>(settings.seed));
        line(settings.requests, "requests, half of them POST");
        std::printf("%12.0f  requests/s in %.1f s\n", static_cast<double>(settings.requests) / seconds, seconds);
        line(answered, "answered");
        line(answered_early, "answered before all of them had left; the rest was not sent");
        line(refused, "refused by 413 or 417");
        line(met_unsolicited, "told 408, unasked, while they were on their way");
        line(failures(), "failed");
        for (std::size_t i = 0; i < codes; ++i) line_if(failed[i], "  " + message(i));
        for (std::size_t i = 0; i < codes; ++i)
            line_if(processed_unsaid[i], "POSTs processed, the error not saying so: " + message(i));
        line(retries, "sent again");
        line(leases, "leases");
        line(probes, "probes");
        line(opened, "connections opened");
        for (std::size_t i = 0; i < retire_reason_count; ++i)
            line_if(retired[i], std::string("  ") + to_string(static_cast<retire_reason>(i)));
        line(open_failures, "openings failed");
        line(overtaken, "openings overtaken by another address");
        line(ejections, "addresses ejected");
        line(readmissions, "addresses readmitted by a trial");
        line(answers, "lists of addresses");
        line(std::accumulate(faults.begin() + 1, faults.end(), std::uint64_t{0}), "faults");
        for (std::size_t i = 1; i < fault_count; ++i)
            line(faults[i], std::string("  ") + to_string(static_cast<fault>(i)));
        line(samples, "looks at the accounts");
        line(crowded, "  that found the budget spent, and callers waiting in both pools");
        line(heap[1] / 1024, "KB of heap at least, second quarter");
        line(heap[3] / 1024, "KB of heap at least, last quarter");
        std::fflush(stdout);
    }

private:
    static std::string message(std::size_t code) { return make_error_code(static_cast<errc>(code)).message(); }
    static void line_if(std::uint64_t number, const std::string& what) {
        if (number != 0) line(number, what);
    }
    static void line(std::uint64_t number, const std::string& what) {
        std::printf("%12llu  %s\n", static_cast<unsigned long long>(number), what.c_str());
    }
};

}  // namespace hotpool::test
