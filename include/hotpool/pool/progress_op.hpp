// Waiting for the pool as a whole: warm, or drained.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/io/cancel_waiter.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/pool/pool_waiters.hpp"

namespace hotpool::detail {

/// Whether so many connections are ready, or never will be.
struct is_warm {
    std::size_t wanted;

    std::optional<std::error_code> operator()(const pool_progress& now) const noexcept {
        const connection_counts& n = now.counts;
        if (n.idle + n.leased + n.probing - now.validating >= wanted) return std::error_code();
        if (n.opening + now.to_open + now.validating == 0) return make_error_code(errc::warm_incomplete);
        return std::nullopt;
    }
};

/// Whether no connection and no caller is left, or a drain has run out of time.
struct is_drained {
    std::optional<std::error_code> operator()(const pool_progress& now) const noexcept {
        if (now.counts.total() == 0 && now.counts.waiting == 0) return std::error_code();
        if (now.overdue) return make_error_code(errc::drain_timed_out);
        return std::nullopt;
    }
};

/// @tparam Condition a function of the pool's progress that gives an optional outcome
template <class Core, class Condition, class Handler>
class progress_op final : public progress_waiter {
public:
    progress_op(Handler handler, const std::shared_ptr<Core>& core, Condition condition)
        : condition_(condition), completion_(std::move(handler), core->executor()) {
        completion_.hold_work();  // nothing else of it may be pending
        make_waiter_cancellable(core, static_cast<progress_waiter&>(*this), completion_.get_cancellation_slot());
    }

    std::optional<std::error_code> outcome(const pool_progress& now) const noexcept override { return condition_(now); }
    void answered() override { completion_.end(this, delivery::posted, std::error_code(this->error)); }
    void abandoned() noexcept override { completion_.abandon(this); }

private:
    const Condition condition_;
    completion<Handler, typename Core::executor_type> completion_;
};

template <class Core, class Condition, class Handler>
progress_waiter& make_progress_waiter(const std::shared_ptr<Core>& core, Condition condition, Handler handler) {
    return *allocate_op<progress_op<Core, Condition, Handler>>(std::move(handler), core, condition);
}

}  // namespace hotpool::detail
