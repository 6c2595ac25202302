// One request of a client: how often it is tried, and what its end is.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "hotpool/base/doubt.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/retry_after.hpp"
#include "hotpool/policy/retry.hpp"

namespace hotpool::detail {

/// How far one exchange came.
struct exchange_progress {
    bool wrote_nothing = true;
    bool response_begun = false;
    bool body_withheld = false;  ///< the origin has been asked for its consent, and nothing of the body was sent
};

/// Each try gets a connection and makes an exchange on it. A connection that was lost or silent, and a response that asks
/// to come back later, may be followed by another try, at once or after a pause; the retry policy, its budget and the
/// deadline of all tries together decide. After a stale connection the budget is not asked: the next try is at once, on a
/// fresh connection, and so there is no more than one for each try that counts.
///
///     start --> get --> (lent) --> exchange --> deliver
///                ^                    |
///                +----- pause <-------+-------> fail
///
/// No I/O, no clock, no chance of its own.
/// @tparam Retry see `retry_policy`
/// @lifetime the request outlives it
template <class Retry>
class client_machine {
public:
    enum class order : std::uint8_t {
        get,      ///< a connection for the next try, fresh if `wants_fresh`, before `deadline`
        pause,    ///< until `resumes_at`, then `get`
        deliver,  ///< the response is the caller's
        fail,     ///< see `error`
    };

    client_machine(const request_builder& request, const Retry& policy, duration max_retry_after) noexcept
        : request_(&request), policy_(&policy), max_retry_after_(max_retry_after) {}

    /// @param deadline of all tries together
    order start(time_point deadline, retry_budget& budget) noexcept {
        budget.note_request();
        deadline_ = deadline;
        if (const errc e = request_->error(); e != errc{}) return fail(e);
        return order::get;
    }

    bool wants_fresh() const noexcept { return wants_fresh_; }
    time_point deadline() const noexcept { return deadline_; }
    time_point resumes_at() const noexcept { return resumes_at_; }
    const std::error_code& error() const noexcept { return error_; }
    /// So far, but for those on stale connections.
    unsigned tries() const noexcept { return tries_; }

    /// A connection has come, which has or has not been used before.
    void lent(bool reused) noexcept { reused_ = reused; }
    /// None has, for this reason.
    order not_lent(std::error_code why, time_point now) noexcept {
        const bool overdue = why == errc::get_timed_out && now >= deadline_;
        return fail(overdue ? make_error_code(errc::request_unsent) : why);
    }
    order cancelled() noexcept { return fail(errc::cancelled); }
    order memory_refused() noexcept { return fail(std::make_error_code(std::errc::not_enough_memory)); }

    /// What a failure says of connections that have been idle as long as this one.
    doubt casts_doubt(std::error_code why, exchange_progress progress) const noexcept {
        if (!is_reused() || progress.response_begun) return doubt::none;
        if (is_loss(why)) return doubt::closed;
        const bool silent = why == errc::first_byte_timed_out || why == errc::request_timed_out;
        return silent && !progress.wrote_nothing ? doubt::silent : doubt::none;
    }

    /// The exchange has failed.
    /// @param chance a random number in [0, 1)
    order failed(std::error_code why, exchange_progress progress, time_point now, double chance, retry_budget& budget) {
        const bool timed_out = why == errc::first_byte_timed_out;
        // Where the execution context has ended, the request may have as well: it is not to be asked then.
        if (!is_loss(why) && !(timed_out && now < deadline_)) return fail(why);
        failed_try t = this_try(progress);
        t.timed_out = timed_out;
        return tries_again(t, duration::zero(), now, chance, budget) ? next_try() : fail(why);
    }

    /// The exchange has brought a response. It is not the caller's if its request is sent again.
    /// @param date what the calendar says
    order answered(unsigned status, const http::fields_view& fields, exchange_progress progress, time_point now,
                   std::chrono::sys_seconds date, double chance, retry_budget& budget) {
        if (status == 417) return progress.body_withheld ? refused_to_be_asked(now) : order::deliver;
        const std::optional<duration> asked = wait_asked_for(status, fields, date);
        if (!asked) return order::deliver;
        failed_try t = this_try(progress);
        t.asked_back = true;
        return tries_again(t, *asked, now, chance, budget) ? next_try() : order::deliver;
    }
    /// Whether `answered` is to be asked of a response with this status.
    bool may_ask_back(unsigned status) const noexcept {
        if (status == 417) return asks_first_ && request_->expects_continue();
        return max_retry_after_ != duration::zero() && (status == 503 || status == 429);
    }
    /// Whether the origin is asked before a body is sent, if the request says so.
    bool asks_first() const noexcept { return asks_first_; }

private:
    /// What was asked for as fresh counts as that, though a probe may have used it: so no request goes from one stale
    /// connection to the next.
    bool is_reused() const noexcept { return reused_ && !wants_fresh_; }
    static bool is_loss(std::error_code why) noexcept {
        return why == condition::connection_lost || why == errc::unsolicited_bytes;
    }
    failed_try this_try(exchange_progress progress) const noexcept {
        return {.tries = tries_,
                .reused = is_reused(),
                .wrote_nothing = progress.wrote_nothing,
                .response_begun = progress.response_begun,
                .idempotent = request_->is_idempotent(),
                .replayable = request_->replayable()};
    }

    bool tries_again(const failed_try& t, duration asked, time_point now, double chance, retry_budget& budget) {
        const retry_verdict verdict = policy_->judge(t);
        if (verdict == retry_verdict::give_up) return false;
        const bool stale = t.was_stale();
        const duration wait = stale ? duration::zero() : std::max(asked, policy_->pause(t, chance));
        const time_point when = wait > duration::zero() ? base::after(now, wait) : time_point::min();
        if (when >= deadline_ || !(stale || budget.withdraw())) return false;
        if (!t.wrote_nothing && request_->rewind() != errc{}) return false;
        wants_fresh_ = stale || verdict == retry_verdict::again_on_fresh;
        sent_ = sent_ || !t.wrote_nothing;
        resumes_at_ = when;
        if (!stale) ++tries_;
        return true;
    }
    order next_try() const noexcept { return resumes_at_ == time_point::min() ? order::get : order::pause; }

    /// It has not looked at the request: that goes out once more, whatever its method, and is no retry.
    /// @source RFC 9110, 10.1.1 and 15.5.18
    order refused_to_be_asked(time_point now) noexcept {
        if (now >= deadline_ || request_->rewind() != errc{}) return order::deliver;
        asks_first_ = false;
        resumes_at_ = time_point::min();
        return order::get;
    }

    /// How long the origin asks to wait before the request is sent again, if that is not too long.
    std::optional<duration> wait_asked_for(unsigned status, const http::fields_view& fields,
                                           std::chrono::sys_seconds date) const noexcept {
        if (!may_ask_back(status)) return std::nullopt;
        std::optional<std::string_view> value;
        for (const http::field& f : fields) {
            if (!http::equals_ignoring_case(f.name, "Retry-After")) continue;
            if (value) return std::nullopt;
            value = f.value;
        }
        if (!value) return std::nullopt;
        const auto wait = http::parse_retry_after(*value, date);
        return wait && *wait <= max_retry_after_ ? wait : std::nullopt;
    }

    /// An earlier try may have left what the last one did not.
    order fail(std::error_code why) noexcept {
        error_ = why == errc::request_unsent && sent_ ? make_error_code(errc::request_timed_out) : why;
        return order::fail;
    }

    const request_builder* request_;
    const Retry* policy_;
    const duration max_retry_after_;
    time_point deadline_ = never;
    time_point resumes_at_ = time_point::min();
    std::error_code error_;
    unsigned tries_ = 1;
    bool reused_ = false;
    bool wants_fresh_ = false;
    bool asks_first_ = true;
    bool sent_ = false;  // bytes of the request left in an earlier try
};

}  // namespace hotpool::detail
