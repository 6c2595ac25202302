// A health probe of a program that misbehaves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "hotpool/base/random.hpp"
#include "hotpool/health_checker.hpp"
#include "support/fault_kinds.hpp"

namespace hotpool::test {

/// Comes out of `run`.
struct probe_failure : std::runtime_error {
    probe_failure() : std::runtime_error("a probe throws") {}
};

/// Most probes ask the origin; the others throw, lose their verdict, keep it for too long, or say no to what is well.
/// @threads any thread
template <class Pool>
class storm_probe {
public:
    using lease_type = typename health_checker<Pool>::lease_type;
    using verdict_type = typename health_checker<Pool>::verdict_type;

    storm_probe(std::uint64_t seed, fault_tally& tally) : dice_(seed), tally_(tally) {}

    void look_at(lease_type& lease, verdict_type verdict) {
        const fault what = next();
        tally_.note(what);
        switch (what) {
            case fault::probe_throws: throw probe_failure();
            case fault::probe_dropped: return;
            case fault::probe_silent: return keep(std::move(verdict));
            case fault::probe_negative: return verdict(false);
            default: break;
        }
        async_exchange(lease, request_builder("HEAD", "/"), [verdict](std::error_code error, const response& reply) {
            verdict(!error && reply.status() < 500);
        });
    }
    /// What has been kept is dropped.
    void end() {
        const std::deque<verdict_type> dropped = [this] {
            const std::lock_guard lock(mutex_);
            return std::exchange(kept_, {});
        }();
    }

private:
    static constexpr std::size_t most_kept = 4;

    fault next() {
        constexpr std::array misdeeds{fault::probe_throws, fault::probe_dropped, fault::probe_silent,
                                      fault::probe_negative};
        const std::lock_guard lock(mutex_);
        return dice_.next() % 5 == 0 ? misdeeds[dice_.next() % misdeeds.size()] : fault::none;
    }
    /// The oldest of several speaks up at last, when nobody waits for it any more.
    void keep(verdict_type verdict) {
        verdict_type late;
        {
            const std::lock_guard lock(mutex_);
            kept_.push_back(std::move(verdict));
            if (kept_.size() <= most_kept) return;
            late = std::move(kept_.front());
            kept_.pop_front();
        }
        late(true);
    }

    std::mutex mutex_;
    base::random_source dice_;
    std::deque<verdict_type> kept_;
    fault_tally& tally_;
};

}  // namespace hotpool::test
