// Waiting for the pool as a whole: warm, or drained.
#pragma once

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/io/completion.hpp"
#include "hotpool/pool/pool_core.hpp"
#include "hotpool/base/error.hpp"

namespace hotpool::detail {

/// @tparam Condition a function of the pool's progress that gives an optional outcome
template <class Condition, class Handler, class Executor>
class watch_op final : public pool_watcher {
public:
    watch_op(Handler handler, const Executor& executor, Condition condition)
        : condition_(condition), completion_(std::move(handler), executor) {
        completion_.hold_work();
    }
    bool is_over(const pool_progress& now) noexcept override {
        const std::optional<std::error_code> outcome = condition_(now);
        if (outcome) outcome_ = *outcome;
        return outcome.has_value();
    }
    void complete() override {
        const std::error_code outcome = outcome_;
        auto completion = std::move(completion_);
        free_op(this, completion.get_allocator());
        completion.deliver(delivery::posted, outcome);
    }
    void destroy() noexcept override {
        const auto completion = std::move(completion_);
        free_op(this, completion.get_allocator());
    }

private:
    Condition condition_;
    completion<Handler, Executor> completion_;
    std::error_code outcome_;
};

template <class Condition, class Handler, class Executor>
pool_watcher::pointer make_watcher(Condition condition, Handler handler, const Executor& executor) {
    return pool_watcher::pointer(
        allocate_op<watch_op<Condition, Handler, Executor>>(std::move(handler), executor, condition));
}

template <class Handler, class Executor>
pool_watcher::pointer make_warm_watcher(Handler handler, const Executor& executor, std::size_t wanted) {
    return make_watcher(
        [wanted](const pool_progress& now) -> std::optional<std::error_code> {
            const connection_counts& n = now.counts;
            if (n.idle + n.leased + n.probing - now.validating >= wanted) return std::error_code();
            if (n.opening + now.to_open + now.validating == 0) return make_error_code(errc::warm_incomplete);
            return std::nullopt;
        },
        std::move(handler), executor);
}

template <class Handler, class Executor>
pool_watcher::pointer make_drain_watcher(Handler handler, const Executor& executor) {
    return make_watcher(
        [](const pool_progress& now) -> std::optional<std::error_code> {
            if (now.counts.total() == 0 && now.counts.waiting == 0) return std::error_code();
            if (now.overdue) return make_error_code(errc::drain_timed_out);
            return std::nullopt;
        },
        std::move(handler), executor);
}

}  // namespace hotpool::detail
