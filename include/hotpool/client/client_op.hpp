// One request of a client: a connection, the exchange, and again where that is harmless.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/random.hpp"
#include "hotpool/client/client_core.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/exchange/exchange_op.hpp"
#include "hotpool/client/pause.hpp"
#include "hotpool/pool/pool_core.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/retry_after.hpp"
#include "hotpool/policy/retry.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/exchange/response_reader.hpp"

namespace hotpool::detail {

/// Keeps the request in front of the bases that refer to it: by value, or a reference to the caller's.
template <class Request>
struct request_holder {
    Request request;
};

/// @tparam Result `response` or a `response_reader`
/// @tparam Request `request_builder`, or a reference to a constant one
template <class Core, class Result, class Request, class Handler>
class client_op final : private request_holder<Request>,
                        public exchange_op<typename Core::connection_type>,
                        public Core::waiter_type,
                        private pausing_op {
public:
    using connection_type = typename Core::connection_type;
    using exchange_type = exchange_op<connection_type>;
    using lease_type = typename Core::lease_type;
    using timer_type =
        net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, typename Core::executor_type>;
    static constexpr collect what = std::is_same_v<Result, response> ? collect::whole : collect::head;

    client_op(Handler handler, std::shared_ptr<client_core<Core>> client, Request what_to_send)
        : request_holder<Request>{static_cast<Request&&>(what_to_send)},
          exchange_type(this->request, client->exchange, what),
          client_(std::move(client)),
          completion_(std::move(handler), client_->pool->executor()) {
        if (auto slot = completion_.get_cancellation_slot(); slot.is_connected()) {
            cancellation_ = std::allocate_shared<client_cancellation<Core>>(base::recycling_allocator<void>(), client_->pool);
            this->link_to_me = cancellation_->waiting();
            slot.assign([c = cancellation_](net::cancellation_type type) {
                if (type != net::cancellation_type::none) c->cancel();
            });
        }
    }

    void start() {
        client_->budget.note_request();
        if (client_->request_timeout != duration::zero())
            this->lease_deadline = base::end_of(client_->request_timeout);
        if (const errc e = this->request.error(); e != errc{}) return finish(delivery::posted, e, {});
        attempt();
    }

private:
    /// One try: with a hot connection at once, else in the queue.
    void attempt() {
        if (cancellation_ && cancellation_->is_cancelled()) return finish(delivery::posted, errc::cancelled, {});
        if (!this->fresh_only) {
            if (lease_type hot{client_->pool->take(this->lease_deadline)}) return exchange(std::move(hot));
        }
        completion_.hold_work();
        this->granted = nullptr;
        this->lent = nullptr;
        this->error = {};
        const auto cancellation = cancellation_;
        if (!client_->pool->queue(*this, std::nullopt)) return answered();
        // From here on this operation may be answered, and gone.
        if (cancellation && cancellation->is_cancelled()) cancellation->stop_waiting();
    }

    void answered() override {
        if (this->lent != nullptr) return exchange(lease_type(this->lent));
        const bool overdue = this->error == errc::get_timed_out && clock_type::now() >= this->lease_deadline;
        finish(delivery::posted, overdue ? of_all_tries(errc::request_unsent) : this->error, {});
    }

    void exchange(lease_type&& lease) {
        lease_ = std::move(lease);
        reused_ = lease_.reused();
        this->run(*lease_.connection());
    }

    void began(connection_type& c, std::uint64_t serial) override {
        if (cancellation_) cancellation_->began(c, serial);
    }

    time_point own_deadline() const noexcept override { return this->lease_deadline; }

    void ended(delivery how, std::error_code failure) override {
        if (failure) return failed(how, failure);
        Result result = take_result();
        if (client_->max_retry_after != duration::zero()) {
            const std::optional<duration> asked = wait_asked_for(result);
            if (const auto when = asked ? next_try(this_try(true), *asked) : std::nullopt) {
                put_back(result);
                return attempt_at(*when);
            }
        }
        if constexpr (what == collect::whole) lease_.end(false);
        finish(how, {}, std::move(result));
    }

    void failed(delivery how, std::error_code failure) {
        if (failure == condition::connection_lost && reused_ && !this->response_begun())
            client_->pool->distrust(*lease_.connection());
        if (is_loss(failure)) {
            if (const auto when = next_try(this_try(false), duration::zero())) {
                lease_ = {};
                return attempt_at(*when);
            }
        }
        if constexpr (what == collect::whole) lease_.end(false);
        finish(how, of_all_tries(failure), {});
    }

    static bool is_loss(std::error_code failure) noexcept {
        return failure == condition::connection_lost || failure == errc::unsolicited_bytes;
    }

    Result take_result() {
        if constexpr (what == collect::whole) {
            return this->take_response();
        } else {
            this->lift_limits();
            Result reader(this->take_response(), *lease_.connection());
            reader.keep(std::move(lease_));
            return reader;
        }
    }

    // --- again

    failed_try this_try(bool asked_back) {
        return {.tries = tries_,
                .reused = reused_,
                .wrote_nothing = this->wrote_nothing(),
                .response_begun = this->response_begun(),
                .asked_back = asked_back,
                .idempotent = this->request.is_idempotent(),
                .replayable = this->request.replayable()};
    }

    /// When the request is to be sent again, at once being `time_point::min`; nothing if it is not.
    /// @param asked how long the origin asked to wait
    std::optional<time_point> next_try(const failed_try& t, duration asked) {
        const retry_verdict verdict = client_->retry.judge(t);
        if (verdict == retry_verdict::give_up) return std::nullopt;
        const time_point now = clock_type::now();
        const duration wait = std::max(asked, client_->retry.pause(t, chance(now)));
        const time_point when = wait > duration::zero() ? base::after(now, wait) : time_point::min();
        if (when >= this->lease_deadline || !client_->budget.withdraw()) return std::nullopt;
        if (!t.wrote_nothing && this->request.rewind() != errc{}) return std::nullopt;
        this->fresh_only = verdict == retry_verdict::again_on_fresh;
        sent_ = sent_ || !t.wrote_nothing;
        ++tries_;
        return when;
    }
    /// Requests that failed together should not return together, no more.
    double chance(time_point now) const noexcept {
        const auto count = static_cast<std::uint64_t>(now.time_since_epoch().count());
        return base::random_source(count ^ reinterpret_cast<std::uintptr_t>(this)).uniform();
    }

    /// How long the origin asks to wait before the request is sent again, if that is not too long.
    std::optional<duration> wait_asked_for(const Result& result) const {
        if (result.status() != 503 && result.status() != 429) return std::nullopt;
        std::optional<std::string_view> value;
        for (const http::field& f : result.headers()) {
            if (!http::equals_ignoring_case(f.name, "Retry-After")) continue;
            if (value) return std::nullopt;
            value = f.value;
        }
        if (!value) return std::nullopt;
        using std::chrono::system_clock;
        const auto wait = http::parse_retry_after(*value, std::chrono::floor<std::chrono::seconds>(system_clock::now()));
        return wait && *wait <= client_->max_retry_after ? wait : std::nullopt;
    }

    /// The response is not for the caller, its connection may be for others meanwhile.
    void put_back(Result& result) {
        if constexpr (what == collect::whole)
            lease_.end(false);
        else
            result.close();
    }

    void attempt_at(time_point when) {
        if (when == time_point::min()) return attempt();
        const auto cancellation = cancellation_;
        timer_ = std::make_unique<timer_type>(client_->pool->executor());
        auto p = begin_pause(*this, *timer_, when);
        // From here on this operation may go on elsewhere, and be gone.
        if (cancellation) cancellation->paused(std::move(p));
    }
    void pause_over(bool cancelled) override {
        timer_.reset();
        if (cancelled) return finish(delivery::posted, errc::cancelled, {});
        attempt();
    }

    /// An earlier try may have left what the last one did not.
    std::error_code of_all_tries(std::error_code failure) const noexcept {
        return failure == errc::request_unsent && sent_ ? make_error_code(errc::request_timed_out) : failure;
    }

    void finish(delivery how, std::error_code outcome, Result&& result) {
        completion_.end(this, how, std::move(outcome), std::move(result));
    }

    const std::shared_ptr<client_core<Core>> client_;
    completion<Handler, typename Core::executor_type> completion_;
    std::shared_ptr<client_cancellation<Core>> cancellation_;
    lease_type lease_;
    std::unique_ptr<timer_type> timer_;
    bool reused_ = false;
    bool sent_ = false;  // bytes of the request left in an earlier try
    unsigned tries_ = 1;
};

}  // namespace hotpool::detail
