// One request of a client: a connection, the exchange, and again where that is harmless.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/client_options.hpp"
#include "hotpool/detail/completion.hpp"
#include "hotpool/detail/exchange_op.hpp"
#include "hotpool/detail/pool_core.hpp"
#include "hotpool/error.hpp"
#include "hotpool/exchange_options.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/policy/retry.hpp"
#include "hotpool/response.hpp"
#include "hotpool/response_reader.hpp"

namespace hotpool::detail {

/// What the requests of a client share. @threads any thread
template <class Core>
struct client_core {
    client_core(std::shared_ptr<Core> of_pool, const client_options& options)
        : pool(std::move(of_pool)),
          fields(default_fields(options)),
          exchange{options.limits, options.continue_timeout, &fields},
          request_timeout(options.request_timeout) {}
    client_core(const client_core&) = delete;
    client_core& operator=(const client_core&) = delete;

    const std::shared_ptr<Core> pool;
    const http::field_block fields;
    const exchange_options exchange;
    const duration request_timeout;
    const typename Core::retry_type retry{};
    retry_budget budget;
};

/// How a request is stopped from outside, in whichever step it is.
template <class Core>
class client_cancellation {
public:
    using connection_type = typename Core::connection_type;
    using link_type = typename Core::waiter_type::link;

    explicit client_cancellation(std::shared_ptr<Core> core)
        : core_(std::move(core)),
          waiting_(std::allocate_shared<link_type>(base::recycling_allocator<link_type>())) {}

    const std::shared_ptr<link_type>& waiting() const noexcept { return waiting_; }

    /// The exchange has begun. If the request has been cancelled already, the exchange is told.
    void began(connection_type& c, std::uint64_t serial) {
        bool late = false;
        {
            std::lock_guard lock(mutex_);
            connection_.emplace(c);
            serial_ = serial;
            late = cancelled_;
        }
        if (late) c.cancel(serial);
    }
    bool is_cancelled() {
        std::lock_guard lock(mutex_);
        return cancelled_;
    }
    void cancel() {
        std::optional<connection_ref<connection_type>> c;
        std::uint64_t serial = 0;
        {
            std::lock_guard lock(mutex_);
            cancelled_ = true;
            c = connection_;
            serial = serial_;
        }
        if (c) (*c)->cancel(serial);
        stop_waiting();
    }
    void stop_waiting() {
        if (auto* w = core_->forget(*waiting_)) {
            w->error = errc::cancelled;
            w->answered();
        }
    }

private:
    const std::shared_ptr<Core> core_;
    const std::shared_ptr<link_type> waiting_;
    std::mutex mutex_;
    std::optional<connection_ref<connection_type>> connection_;
    std::uint64_t serial_ = 0;
    bool cancelled_ = false;
};

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
                        public Core::waiter_type {
public:
    using connection_type = typename Core::connection_type;
    using exchange_type = exchange_op<connection_type>;
    using lease_type = typename Core::lease_type;
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
        this->error = {};
        const auto cancellation = cancellation_;
        if (!client_->pool->queue(*this, std::nullopt)) return answered();
        // From here on this operation may be answered, and gone.
        if (cancellation && cancellation->is_cancelled()) cancellation->stop_waiting();
    }

    void answered() override {
        if (this->granted != nullptr) return exchange(lease_type(this->granted->resource));
        const bool overdue = this->error == errc::get_timed_out && clock_type::now() >= this->lease_deadline;
        finish(delivery::posted, overdue ? make_error_code(errc::request_timed_out) : this->error, {});
    }

    void exchange(lease_type lease) {
        lease_ = std::move(lease);
        reused_ = lease_.reused();
        this->run(*lease_.connection());
    }

    void began(connection_type& c, std::uint64_t serial) override {
        if (cancellation_) cancellation_->began(c, serial);
    }

    void ended(delivery how, std::error_code failure) override {
        if (failure && is_loss(failure) && may_retry()) {
            lease_ = {};
            return attempt();
        }
        Result result;
        if (!failure) result = take_result();
        if constexpr (what == collect::whole) lease_.end(false);
        finish(how, failure, std::move(result));
    }

    static bool is_loss(std::error_code failure) noexcept {
        return failure == condition::connection_lost || failure == errc::unsolicited_bytes;
    }

    Result take_result() {
        if constexpr (what == collect::whole) {
            return this->take_response();
        } else {
            Result reader(this->take_response(), *lease_.connection());
            reader.keep(std::move(lease_));
            return reader;
        }
    }

    bool may_retry() {
        const failed_try t{.tries = tries_,
                           .reused = reused_,
                           .wrote_nothing = this->wrote_nothing(),
                           .response_begun = this->response_begun(),
                           .idempotent = this->request.is_idempotent(),
                           .replayable = this->request.replayable()};
        const retry_verdict verdict = client_->retry.judge(t);
        if (verdict == retry_verdict::give_up || !client_->budget.withdraw()) return false;
        if (!t.wrote_nothing && this->request.rewind() != errc{}) return false;
        this->fresh_only = verdict == retry_verdict::again_on_fresh;
        ++tries_;
        return true;
    }

    void finish(delivery how, std::error_code outcome, Result result) {
        auto completion = std::move(completion_);
        free_op(this, completion.get_allocator());
        completion.deliver(how, outcome, std::move(result));
    }

    const std::shared_ptr<client_core<Core>> client_;
    completion<Handler, typename Core::executor_type> completion_;
    std::shared_ptr<client_cancellation<Core>> cancellation_;
    lease_type lease_;
    bool reused_ = false;
    unsigned tries_ = 1;
};

}  // namespace hotpool::detail
