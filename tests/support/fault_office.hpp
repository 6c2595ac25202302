// What the connections of a fault origin have in common: the log, and what goes wrong next.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "support/fault_origin_plan.hpp"
#include "support/fault_requests.hpp"

namespace hotpool::test {

/// What is armed comes before what the plan says.
/// @threads arming is for any thread, the rest for that of the origin
class fault_office {
public:
    fault_office(request_log& requests, fault_tally& faults, const origin_plan& plan)
        : log(requests), tally(faults), plan_(plan) {}

    /// The next response is followed by another one, after so long.
    void arm_unsolicited(std::chrono::microseconds after) {
        const std::lock_guard lock(mutex_);
        unsolicited_ = after;
    }
    /// The next request with a body meets this.
    void arm_answer(fault what) {
        const std::lock_guard lock(mutex_);
        answer_ = what;
    }
    void arm_handshake(const handshake_order& order) {
        const std::lock_guard lock(mutex_);
        handshake_ = order;
    }

    std::optional<std::chrono::microseconds> next_unsolicited() {
        const std::lock_guard lock(mutex_);
        return unsolicited_ ? std::exchange(unsolicited_, std::nullopt) : plan_.next_unsolicited();
    }
    fault next_answer(const request_line& request) {
        const std::lock_guard lock(mutex_);
        if (request.body_bytes == 0) return fault::none;
        return answer_ ? *std::exchange(answer_, std::nullopt)
                       : plan_.next_answer(request.asks_first, is_long_upload(request.id));
    }
    handshake_order next_handshake() {
        const std::lock_guard lock(mutex_);
        return handshake_ ? *std::exchange(handshake_, std::nullopt) : plan_.next_handshake();
    }
    fault next_probe() noexcept { return plan_.next_probe(); }
    bool next_is_polite() noexcept { return plan_.next_is_polite(); }

    request_log& log;
    fault_tally& tally;

private:
    origin_plan plan_;
    std::mutex mutex_;
    std::optional<std::chrono::microseconds> unsolicited_;
    std::optional<fault> answer_;
    std::optional<handshake_order> handshake_;
};

}  // namespace hotpool::test
