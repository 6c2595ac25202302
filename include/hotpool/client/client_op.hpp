// The driver of a client's request: gets connections, makes exchanges and pauses as the machine says.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/client/client_core.hpp"
#include "hotpool/client/client_machine.hpp"
#include "hotpool/client/pause.hpp"
#include "hotpool/exchange/exchange_op.hpp"
#include "hotpool/exchange/request_box.hpp"
#include "hotpool/exchange/response_reader.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/pool/pool_core.hpp"

namespace hotpool::detail {

/// @tparam Result `response` or a `response_reader`
/// @tparam Box a `request_box`
template <class Core, class Result, class Box, class Handler>
class client_op final : private boxed_request<Box>,
                        public exchange_op<typename Core::connection_type>,
                        public Core::waiter_type,
                        private pausing_op {
public:
    using connection_type = typename Core::connection_type;
    using lease_type = typename Core::lease_type;
    static constexpr collect what = std::is_same_v<Result, response> ? collect::whole : collect::head;

    client_op(Handler handler, std::shared_ptr<client_core<Core>> client, Box what_to_send)
        : boxed_request<Box>{std::move(what_to_send)},
          exchange_op<connection_type>(this->request.get(), client->exchange, what),
          client_(std::move(client)),
          machine_(this->request.get(), client_->retry, client_->max_retry_after),
          completion_(std::move(handler), client_->pool->executor()) {
        if (auto slot = completion_.get_cancellation_slot(); slot.is_connected()) {
            cancellation_ = std::allocate_shared<client_cancellation<Core>>(base::recycling_allocator<void>(), client_->pool);
            this->link_to_me = cancellation_->waiting();
            slot.assign([c = cancellation_](net::cancellation_type type) {
                if (type != net::cancellation_type::none) c->cancel();
            });
        }
    }

    /// @errors throws when there is no memory to begin; nothing has happened then
    void start() {
        const duration limit = client_->request_timeout;
        if (limit != duration::zero()) this->lease_deadline = base::end_of(limit);
        if (machine_.start(this->lease_deadline, client_->budget) == order::get) return attempt();
        finish(delivery::posted, {});
    }
    auto memory() const noexcept { return completion_.get_allocator(); }

private:
    using machine_type = client_machine<typename Core::retry_type>;
    using order = typename machine_type::order;
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, typename Core::executor_type>;

    // --- a connection

    /// One try: with a hot connection at once, else in the queue.
    void attempt() {
        if (cancellation_ && cancellation_->is_cancelled()) return fail(machine_.cancelled());
        this->fresh_only = machine_.wants_fresh();
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

    void abandoned() noexcept override { completion_.abandon(this); }
    void answered() override {
        if (this->lent == nullptr) return fail(machine_.not_lent(this->error, clock_type::now()));
        or_fail([this] { exchange(lease_type(this->lent)); });
    }

    // --- an exchange

    void exchange(lease_type&& lease) {
        lease_ = std::move(lease);
        machine_.lent(lease_.reused());
        this->run(*lease_.connection());
    }

    void began(connection_type& c, std::uint64_t serial) override {
        if (cancellation_) cancellation_->began(c, serial);
    }
    time_point own_deadline() const noexcept override { return this->lease_deadline; }
    exchange_progress progress() noexcept {
        return {.wrote_nothing = this->machine().wrote_nothing(), .response_begun = this->machine().response_begun()};
    }

    void ended(delivery how, std::error_code failure) override {
        this->leave();
        if (failure) return failed(how, failure);
        Result result = take_result();
        if (machine_.may_ask_back(result.status())) [[unlikely]] {
            const time_point now = clock_type::now();
            const auto date = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
            const order next = machine_.answered(result.status(), result.headers(), progress(), now, date, chance(now),
                                                 client_->budget);
            if (next != order::deliver) {
                put_back(result);
                return again(next);
            }
        }
        if constexpr (what == collect::whole) lease_.end(false);
        finish(how, std::move(result));
    }

    /// Another request has the lease, as is never so with a client's own, or this one must not be sent.
    void refused(errc why_not) override { failed(delivery::posted, why_not); }

    void failed(delivery how, std::error_code failure) {
        if (machine_.blames_age(failure, progress())) client_->pool->distrust(*lease_.connection());
        const time_point now = clock_type::now();
        const order next = machine_.failed(failure, progress(), now, chance(now), client_->budget);
        if (next != order::fail) {
            lease_ = {};
            return again(next);
        }
        if constexpr (what == collect::whole) lease_.end(false);
        finish(how, {});
    }

    Result take_result() {
        if constexpr (what == collect::whole) {
            return this->take_response();
        } else {
            this->lift_limits();
            Result reader = reader_access::make<Result>(this->take_response(), *lease_.connection(), this->serial());
            reader_access::keep(reader, std::move(lease_));
            return reader;
        }
    }
    /// The response is not for the caller, its connection may be for others meanwhile.
    void put_back(Result& result) {
        if constexpr (what == collect::whole)
            lease_.end(false);
        else
            result.close();
    }

    // --- again

    void again(order next) {
        or_fail([&] { next == order::get ? attempt() : pause_until(machine_.resumes_at()); });
    }
    /// Requests that failed together should not return together, no more.
    double chance(time_point now) const noexcept {
        const auto count = static_cast<std::uint64_t>(now.time_since_epoch().count());
        return base::random_source(count ^ reinterpret_cast<std::uintptr_t>(this)).uniform();
    }

    void pause_until(time_point when) {
        const auto cancellation = cancellation_;
        timer_ = std::make_unique<timer_type>(client_->pool->executor());
        auto p = begin_pause(*this, *timer_, when);
        // From here on this operation may go on elsewhere, and be gone.
        if (cancellation) cancellation->paused(std::move(p));
    }
    void pause_over(bool cancelled) override {
        timer_.reset();
        if (cancelled) return fail(machine_.cancelled());
        or_fail([this] { attempt(); });
    }

    // --- the end

    /// A step after the first one, for which there may be no memory.
    template <class Step>
    void or_fail(Step step) {
        try {
            step();
        } catch (...) {
            fail(machine_.memory_refused());
        }
    }
    void fail(order) {
        lease_ = {};
        finish(delivery::posted, {});
    }
    void finish(delivery how, Result&& result) {
        completion_.end(this, how, std::error_code(machine_.error()), std::move(result));
    }

    const std::shared_ptr<client_core<Core>> client_;
    machine_type machine_;
    completion<Handler, typename Core::executor_type> completion_;
    std::shared_ptr<client_cancellation<Core>> cancellation_;
    lease_type lease_;
    std::unique_ptr<timer_type> timer_;
};

}  // namespace hotpool::detail
