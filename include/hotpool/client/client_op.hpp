// The driver of a client's request: gets connections, makes exchanges and pauses as the machine says.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/doubt.hpp"
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
            cancellation_ =
                std::allocate_shared<client_cancellation<Core>>(base::recycling_allocator<void>(), client_->pool);
            this->link_to_me = cancellation_->waiting();
            slot.assign([c = cancellation_](net::cancellation_type type) {
                if (type != net::cancellation_type::none) c->cancel();
            });
        }
    }

    /// Takes the first steps. False when the rest comes by itself, and this is not to be touched any more.
    /// @errors throws when there is no memory to begin; nothing has happened then
    [[gnu::always_inline]] bool prepare() {
        const duration limit = client_->request_timeout;
        if (limit != duration::zero()) this->lease_deadline = base::end_of(limit);
        if (machine_.start(this->lease_deadline, client_->budget) == order::get) return prepare_try();
        next_ = step::fail;
        return true;
    }
    [[gnu::always_inline]] void go() {
        if (next_ == step::exchange) [[likely]]
            return this->run();
        conclude_early();
    }
    auto memory() const noexcept { return completion_.get_allocator(); }

private:
    using machine_type = client_machine<typename Core::retry_type>;
    using order = typename machine_type::order;
    using timer_type =
        net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, typename Core::executor_type>;

    /// What follows when a try has been prepared.
    enum class step : std::uint8_t { exchange, refused, answered, fail };

    /// It ends without an exchange.
    [[gnu::noinline]] void conclude_early() {
        switch (next_) {
            case step::exchange: return;
            case step::refused: return failed(delivery::posted, why_not_);
            case step::answered: return answered();
            case step::fail: return fail();
        }
    }

    // --- a connection

    /// Gets a hot connection at once, or waits in the queue; see `prepare`.
    [[gnu::always_inline]] bool prepare_try() {
        next_ = step::fail;
        if (cancellation_ && cancellation_->is_cancelled()) {
            machine_.cancelled();
            return true;
        }
        this->fresh_only = machine_.wants_fresh();
        if (!this->fresh_only) {
            if (auto hot = access::make<lease_type>(client_->pool->take(this->lease_deadline)))
                return prepare_exchange(std::move(hot));
        }
        completion_.hold_work();
        this->granted = nullptr;
        this->lent = nullptr;
        this->error = {};
        next_ = step::answered;
        const auto cancellation = cancellation_;
        if (!client_->pool->queue(*this, std::nullopt)) return true;
        // From here on this operation may be answered, and gone.
        if (cancellation && cancellation->is_cancelled()) stop_waiting(*cancellation);
        return false;
    }
    static void stop_waiting(client_cancellation<Core>& cancellation) noexcept {
        try {
            cancellation.stop_waiting();
        } catch (...) {  // the executor could not take the completion
        }
    }
    [[gnu::always_inline]] bool prepare_exchange(lease_type&& lease) {
        lease_ = std::move(lease);
        machine_.lent(lease_.reused());
        if (!machine_.asks_first()) [[unlikely]]
            this->machine().do_not_ask_first();
        why_not_ = this->prepare_on(*access::connection(lease_));
        next_ = why_not_ == errc{} ? step::exchange : step::refused;
        return true;
    }
    /// The same for a step after the first, which fails the request where there is no memory for it.
    template <class Prepare>
    void take_step(Prepare prepare) {
        bool goes = true;
        try {
            goes = prepare();
        } catch (...) {
            machine_.memory_refused();
            next_ = step::fail;
        }
        if (goes) go();
    }

    void answered() override {
        take_step([this] {
            if (this->lent != nullptr) return prepare_exchange(access::make<lease_type>(this->lent));
            machine_.not_lent(this->error, clock_type::now());
            next_ = step::fail;
            return true;
        });
    }
    void abandoned() noexcept override { completion_.abandon(this); }

    // --- an exchange

    void began(connection_type& c, std::uint64_t serial) override {
        if (cancellation_) cancellation_->began(c, serial);
    }
    time_point own_deadline() const noexcept override { return this->lease_deadline; }
    exchange_progress progress() noexcept {
        return {.wrote_nothing = this->machine().wrote_nothing(),
                .response_begun = this->machine().response_begun(),
                .body_withheld = this->machine().body_withheld()};
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
        if constexpr (what == collect::whole) access::end(lease_, false);
        finish(how, std::move(result));
    }

    void failed(delivery how, std::error_code failure) {
        const time_point now = clock_type::now();
        if (const doubt cast = machine_.casts_doubt(failure, progress()); cast != doubt::none)
            client_->pool->distrust(*access::connection(lease_), cast, base::after(now, -silence_before(failure)));
        const order next = machine_.failed(failure, progress(), now, chance(now), client_->budget);
        if (next != order::fail) {
            lease_ = {};
            return again(next);
        }
        if constexpr (what == collect::whole) access::end(lease_, false);
        finish(how, {});
    }

    /// At least so long ago the connection was asked, and had not failed yet.
    duration silence_before(std::error_code failure) const noexcept {
        return failure == errc::first_byte_timed_out ? client_->exchange.first_byte_timeout : client_->request_timeout;
    }

    Result take_result() {
        if constexpr (what == collect::whole) {
            return this->take_response();
        } else {
            this->lift_limits();
            Result reader =
                reader_access::make<Result>(this->take_response(), *access::connection(lease_), this->serial());
            reader_access::keep(reader, std::move(lease_));
            return reader;
        }
    }
    /// The response is not for the caller, its connection may be for others meanwhile.
    void put_back(Result& result) {
        if constexpr (what == collect::whole)
            access::end(lease_, false);
        else
            result.close();
    }

    // --- again

    void again(order next) {
        if (next == order::pause) return pause_until(machine_.resumes_at());
        take_step([this] { return prepare_try(); });
    }
    /// Requests that failed together should not return together, no more.
    double chance(time_point now) const noexcept {
        const auto count = static_cast<std::uint64_t>(now.time_since_epoch().count());
        return base::random_source(count ^ reinterpret_cast<std::uintptr_t>(this)).uniform();
    }

    void pause_until(time_point when) {
        const auto cancellation = cancellation_;
        std::shared_ptr<pause> begun;
        try {
            timer_ = std::make_unique<timer_type>(client_->pool->executor());
            begun = begin_pause(*this, *timer_, when);
        } catch (...) {
            machine_.memory_refused();
            return fail();
        }
        // From here on this operation may go on elsewhere, and be gone.
        if (cancellation) cancellation->paused(begun);
    }
    void pause_over(bool cancelled) override {
        timer_.reset();
        if (!cancelled) return take_step([this] { return prepare_try(); });
        machine_.cancelled();
        fail();
    }

    // --- the end

    void fail() {
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
    step next_ = step::fail;
    errc why_not_{};
};

}  // namespace hotpool::detail
