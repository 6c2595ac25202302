// Names looked up in threads of our own, because the system's resolver blocks whoever asks it.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if __has_include(<pthread.h>)
#    include <pthread.h>
#    include <signal.h>
#endif

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/transport/look_up_queue.hpp"
#include "hotpool/transport/resolver_stats.hpp"

namespace hotpool::detail {

/// What a look-up has brought: an error, or addresses in order of preference.
struct look_up_answer {
    std::error_code error{};
    bool definite = false;  ///< the name service has said that there is no such name, or no address of it
    std::vector<ip_address> addresses{};
};

/// Somebody who wants to know. The resolver holds it weakly: who no longer wants to know just goes.
class look_up_asker {
public:
    /// Called once at most, by a thread of the resolver's and under no lock of it. Must not take long.
    virtual void answered(const look_up_answer& answer) noexcept = 0;

protected:
    ~look_up_asker() = default;
};

/// Signals are the program's affair: a thread that is started meanwhile takes none.
class no_signals {
public:
#if __has_include(<pthread.h>)
    no_signals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~no_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
#else
    no_signals() noexcept {}
    ~no_signals() {}
#endif

public:
    no_signals(const no_signals&) = delete;
    no_signals& operator=(const no_signals&) = delete;
};

/// Looks names up in threads that are started when they are needed and end when nothing has been asked for some time;
/// `look_up_queue` says which name has its turn. Nobody ever waits for a look-up to end: threads are detached, and share
/// what they work on with this object.
/// @threads any thread
/// @lifetime it may end while look-ups are under way; their askers are told nothing then. A process that was forked
/// has none of its threads: look nothing up in a child. A library that hides its symbols has a resolver of its own,
/// and must not be unloaded while that has threads
class resolver {
public:
    using function = std::function<look_up_answer(const std::string& host)>;

    /// @param look_up called by several threads at once; may block, and throw
    explicit resolver(function look_up, const look_up_limits& limits = {},
                      duration idle_life = std::chrono::seconds(10))
        : works_(std::make_shared<works>(std::move(look_up), limits, idle_life)) {}
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;
    ~resolver() { works_->stop(); }

    /// Has `asker` answered, unless it has gone by then.
    /// @param fresh whether the answer of a look-up that is under way already would be of no use
    /// @return an error: there is no answer to come. `errc::resolver_busy`, `std::errc::not_enough_memory`
    std::error_code ask(const std::string& host, std::weak_ptr<look_up_asker> asker, bool fresh = false) noexcept {
        try {
            return works_->ask(host, std::move(asker), fresh);
        } catch (const std::bad_alloc&) {
            return std::make_error_code(std::errc::not_enough_memory);
        }
    }

    resolver_stats stats() const noexcept { return works_->stats(); }

private:
    using asker_ptr = std::weak_ptr<look_up_asker>;
    using queue_type = look_up_queue<asker_ptr>;

    class works : public std::enable_shared_from_this<works> {
    public:
        works(function look_up, const look_up_limits& limits, duration idle_life)
            : look_up_(std::move(look_up)), idle_life_(idle_life), queue_(limits) {}

        std::error_code ask(const std::string& host, asker_ptr asker, bool fresh) {
            const std::lock_guard lock(mutex_);
            switch (queue_.asked(host, std::move(asker), fresh, clock_type::now())) {
                case queue_type::admission::joined: return {};
                case queue_type::admission::refused: return errc::resolver_busy;
                case queue_type::admission::waits: break;
            }
            // Where the system gives no further thread, one of those that are there comes back for it.
            if (has_idle_thread() || threads_ != 0) return {};
            queue_.withdraw_newest();
            return errc::resolver_busy;
        }
        void stop() noexcept {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
            changed_.notify_all();
        }
        resolver_stats stats() const noexcept {
            const std::lock_guard lock(mutex_);
            const auto& total = queue_.total();
            return {.threads = threads_,
                    .under_way = queue_.under_way(),
                    .slow = queue_.slow(clock_type::now()),
                    .waiting = queue_.waiting(),
                    .look_ups = total.begun,
                    .joined = total.joined,
                    .failed = failed_,
                    .refused = total.refused};
        }

    private:
        /// While a name waits there is a thread that is free to look it up, or to refuse it when its time is over.
        bool has_idle_thread() noexcept {
            if (idle_ != 0) {
                changed_.notify_one();
                return true;
            }
            try {
                const no_signals meanwhile;
                std::thread([self = this->shared_from_this()] { self->work(); }).detach();
                ++threads_;
                ++idle_;
                return true;
            } catch (...) {  // of the system, or for want of memory
                return false;
            }
        }

        void work() noexcept {
            std::unique_lock lock(mutex_);
            --idle_;
            while (!stopped_) {
                const time_point now = clock_type::now();
                const typename queue_type::order next = queue_.next(now);
                if (next.begun != nullptr) {
                    if (queue_.anybody_waits()) has_idle_thread();
                    look_up(lock, *next.begun);
                } else if (!next.refused.empty()) {
                    lock.unlock();
                    tell(next.refused, {.error = errc::resolver_busy});
                    lock.lock();
                } else if (!wait(lock, now)) {
                    break;
                }
            }
            --threads_;
        }
        /// False if this thread is no longer needed.
        bool wait(std::unique_lock<std::mutex>& lock, time_point now) noexcept {
            const time_point end = base::after(now, idle_life_);
            ++idle_;
            changed_.wait_until(lock, std::min(end, queue_.next_due(now)));
            --idle_;
            return queue_.anybody_waits() || clock_type::now() < end;
        }
        void look_up(std::unique_lock<std::mutex>& lock, const typename queue_type::look_up& which) noexcept {
            lock.unlock();
            const look_up_answer answer = answer_for(which.host);
            lock.lock();
            failed_ += static_cast<bool>(answer.error);
            const std::vector<asker_ptr> askers = queue_.ended(which, clock_type::now());
            if (stopped_) return;
            lock.unlock();
            tell(askers, answer);
            lock.lock();
        }
        look_up_answer answer_for(const std::string& host) noexcept {
            try {
                return look_up_(host);
            } catch (const std::bad_alloc&) {
                return {.error = std::make_error_code(std::errc::not_enough_memory)};
            } catch (...) {
                return {.error = errc::resolve_failed};
            }
        }
        static void tell(const std::vector<asker_ptr>& askers, const look_up_answer& answer) noexcept {
            for (const asker_ptr& asker : askers)
                if (const auto there = asker.lock()) there->answered(answer);
        }

        const function look_up_;
        const duration idle_life_;
        mutable std::mutex mutex_;
        std::condition_variable changed_;
        // Under `mutex_`.
        queue_type queue_;
        std::size_t threads_ = 0;
        std::size_t idle_ = 0;  // of them, those that wait or have just been started
        std::uint64_t failed_ = 0;
        bool stopped_ = false;
    };

    const std::shared_ptr<works> works_;
};

}  // namespace hotpool::detail
