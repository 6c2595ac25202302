// What a pool asks the system's resolver, in a way that neither keeps the pool nor its execution context waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/reserved_memory.hpp"
#include "hotpool/policy/endpoint_source.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/resolver.hpp"

namespace hotpool::detail {

/// One question. Until it is answered or forgotten it is outstanding work of the executor's context. A thread of the
/// resolver touches the context under `mutex_` only, and for no longer than it takes to post the answer; once `forget`
/// has returned, none does.
/// @tparam Receiver called with `(std::error_code, bool definite, endpoint_list)`, once at most, on the executor
/// @threads any thread
/// @lifetime forgotten before the context is destroyed, or told to by the end of the context
template <class Executor, class Receiver>
class name_question final : public look_up_asker,
                            public std::enable_shared_from_this<name_question<Executor, Receiver>> {
public:
    name_question(const Executor& executor, std::uint16_t port, Receiver receiver)
        : port_(port), pending_(std::in_place, executor, std::move(receiver)) {}

    void ask(resolver& names, const std::string& host, bool fresh) noexcept {
        if (const std::error_code refused = names.ask(host, this->weak_from_this(), fresh))
            answered({.error = refused});
    }
    void forget() noexcept {
        const std::lock_guard lock(mutex_);
        pending_.reset();
    }

    void answered(const look_up_answer& answer) noexcept override {
        const std::lock_guard lock(mutex_);
        if (!pending_) return;
        take(answer);
        try {
            post_to(pending_->executor, delivery(this->shared_from_this()));
        } catch (...) {  // of memory, on an executor that wants its own: the pool asks again
        }
        pending_->work.reset();
    }

private:
    using reserve_type = shared_reserve<256, 2>;

    struct pending {
        pending(const Executor& e, Receiver r) : executor(e), work(e), receiver(std::move(r)) {}
        Executor executor;
        net::executor_work_guard<Executor> work;
        Receiver receiver;
    };

    /// Brings the answer to the executor, in memory that is set aside.
    class delivery {
    public:
        using allocator_type = reserved_allocator<std::byte, typename reserve_type::memory>;
        explicit delivery(std::shared_ptr<name_question> question) noexcept
            : question_(std::move(question)), memory_(&*question_->memory_) {}
        allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
        void operator()() { question_->deliver(); }

    private:
        std::shared_ptr<name_question> question_;
        typename reserve_type::memory* memory_;
    };

    void take(const look_up_answer& answer) noexcept {
        error_ = answer.error;
        definite_ = answer.definite;
        try {
            for (const ip_address& address : answer.addresses) endpoints_.push_back({address, port_});
        } catch (const std::bad_alloc&) {
            error_ = std::make_error_code(std::errc::not_enough_memory);
            definite_ = false;
        }
    }
    void deliver() {
        std::optional<pending> taken;
        {
            const std::lock_guard lock(mutex_);
            if (!pending_) return;
            taken.emplace(std::move(*pending_));
            pending_.reset();
        }
        taken->receiver(error_, definite_, std::move(endpoints_));
    }

    const std::uint16_t port_;
    reserve_type memory_;
    std::mutex mutex_;
    // Under `mutex_`.
    std::optional<pending> pending_;
    std::error_code error_;
    bool definite_ = false;
    endpoint_list endpoints_;
};

/// Where a pool without an endpoint source has its addresses from. A new question takes the place of the one before.
/// @threads any thread
template <class Executor, class Receiver>
class name_source {
public:
    name_source() = default;
    name_source(const name_source&) = delete;
    name_source& operator=(const name_source&) = delete;
    ~name_source() { stop(); }

    /// @param receiver see `name_question`
    /// @errors throws `std::bad_alloc`; then nothing is asked
    void ask(const Executor& executor, const origin& target, Receiver receiver, bool fresh) {
        resolver& names = system_resolver();
        auto question = std::make_shared<question_type>(executor, port_number(target.port), std::move(receiver));
        replace(question);
        question->ask(names, target.host, fresh);
    }
    /// Nothing is asked any more, and no thread of the resolver will touch the execution context.
    void stop() noexcept { replace(nullptr); }

private:
    using question_type = name_question<Executor, Receiver>;

    void replace(std::shared_ptr<question_type> next) noexcept {
        {
            const std::lock_guard lock(mutex_);
            if (next == nullptr) stopped_ = true;
            if (next == nullptr || !stopped_) question_.swap(next);
        }
        if (next != nullptr) next->forget();
    }

    std::mutex mutex_;
    std::shared_ptr<question_type> question_;
    bool stopped_ = false;
};

}  // namespace hotpool::detail
