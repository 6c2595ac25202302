// Where the connections of a pool may lead, and what the source of endpoints has said of that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/endpoint_pool.hpp"
#include "hotpool/manager/ledger.hpp"

namespace hotpool::detail {

/// What an answer of the source means for the connections that are open.
enum class answer_effect : std::uint8_t {
    nothing_left,  ///< nothing: all addresses are still there, or it says nothing any more
    some_left,     ///< addresses have left the list
    outrun         ///< it was merged with a list that another answer has replaced; nothing has changed
};

/// The addresses to try for one connection, or why there is none.
struct route_plan {
    std::vector<endpoint_ptr> addresses{};
    std::error_code hopeless{};
};

/// The addresses of the origin with the filter that forbids some of them; or nowhere in particular, where the transport
/// finds its own way. Tells the ledger what the source answered.
/// @threads distinct objects only
template <balance_policy Balance>
class routes {
public:
    routes(const pool_options& options, Balance balance) : options_(options), endpoints_(std::move(balance)) {}

    /// Connections lead to endpoints, of which a filter may forbid some.
    void use_endpoints(endpoint_filter allows) noexcept {
        to_endpoints_ = true;
        allows_ = std::move(allows);
    }
    bool lead_to_endpoints() const noexcept { return to_endpoints_; }
    endpoint_pool<Balance>& endpoints() noexcept { return endpoints_; }
    const endpoint_pool<Balance>& endpoints() const noexcept { return endpoints_; }

    // --- where to

    bool are_known(time_point now) const noexcept { return endpoints_.is_known(now, options_); }
    /// @param chance a random number in [0, 1)
    route_plan plan(time_point now, double chance) noexcept {
        try {
            route_plan made{.addresses = endpoints_.plan(now, chance, allows_)};
            if (made.addresses.empty())
                made.hopeless = endpoints_.all_filtered(now, allows_) ? errc::access_denied : errc::connect_unreachable;
            return made;
        } catch (const std::bad_alloc&) {
            return {{}, std::make_error_code(std::errc::not_enough_memory)};
        }
    }
    /// An ejected address whose time is over, now on trial; null when there is none.
    endpoint_ptr begin_trial(time_point now) noexcept {
        return to_endpoints_ ? endpoints_.begin_trial(now, allows_, options_) : nullptr;
    }
    /// There is no memory for the trial.
    void put_off_trial(endpoint_state& e, time_point now) noexcept { endpoints_.trial_put_off(e, now, options_); }
    /// An attempt failed, or a connection broke, by the address's fault. True if this ejects it.
    bool failed(endpoint_state& e, std::uint64_t failures_before, time_point now) noexcept {
        return endpoints_.failed(e, failures_before, now, options_);
    }

    // --- the source. @param active whether connections are open or wanted

    bool wants_answer(time_point now, bool active) const noexcept {
        return to_endpoints_ && endpoints_.wants_answer(now, active);
    }
    /// When a trial or a question is due, or the question under way is lost.
    time_point next_due(bool active, bool has_room) const noexcept {
        if (!to_endpoints_ || !active) return never;
        return std::min({has_room ? endpoints_.trial_due() : never, endpoints_.ask_due(), endpoints_.absent_due()});
    }
    /// Whether addresses have left, since no answer has named them for too long.
    template <class Resource>
    bool absence_over(ledger<Resource>& l, time_point now) noexcept {
        if (now < endpoints_.absent_due()) return false;
        bool some = false;
        endpoints_.absence_over(now, options_, [&](const endpoint_state& e) {
            some = true;
            tell_left(l, e);
        });
        return some;
    }
    template <class Resource>
    answer_effect answer_came(ledger<Resource>& l, std::uint64_t question, merged_addresses& answer,
                              time_point now) noexcept {
        if (answer.before != endpoints_.list()) return answer_effect::outrun;
        endpoints_.answer_came(question, answer, now, options_);
        ++l.counters.answers;
        for (const endpoint_ptr& e : answer.left) tell_left(l, *e);
        return answer.left.empty() ? answer_effect::nothing_left : answer_effect::some_left;
    }
    /// What is known stays in use. @param pause told how many answers in a row have failed, how long to wait
    template <class Resource, class Pause>
    void answer_failed(ledger<Resource>& l, time_point now, std::error_code error, bool definite,
                       Pause pause) noexcept {
        ++l.counters.failed_answers;
        endpoints_.answer_failed(now, pause(endpoints_.failed_answers() + 1), definite);
        l.report({.kind = pool_event_kind::addresses_unknown, .error = error});
    }

private:
    template <class Resource>
    static void tell_left(ledger<Resource>& l, const endpoint_state& e) noexcept {
        l.report({.kind = pool_event_kind::address_left, .endpoint = e.where});
    }

    const pool_options& options_;
    endpoint_pool<Balance> endpoints_;
    endpoint_filter allows_;
    bool to_endpoints_ = false;
};

}  // namespace hotpool::detail
