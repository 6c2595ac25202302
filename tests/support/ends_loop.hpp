// Where the operations of the matrix run, and from which thread their surroundings end.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "hotpool/base/time.hpp"
#include "hotpool/transport/asio.hpp"
#include "support/ends_memory.hpp"

namespace hotpool::test {

enum class executor_kind { io_context, strand, thread_pool };
enum class ending_thread {
    same,   ///< in a handler, on the executor that the operation runs on
    other,  ///< on a thread that runs no handler, while another one does
};

inline const char* name_of(executor_kind kind) noexcept {
    switch (kind) {
        case executor_kind::io_context: return "io_context";
        case executor_kind::strand: return "strand";
        case executor_kind::thread_pool: return "thread_pool";
    }
    return "?";
}
inline const char* name_of(ending_thread where) noexcept {
    return where == ending_thread::same ? "same_thread" : "other_thread";
}

/// What a handler of the matrix throws out of `run`.
struct thrown_by_handler : std::runtime_error {
    thrown_by_handler() : std::runtime_error("thrown by a handler") {}
};

/// An execution context that the test drives itself where it can; where endings come from another thread, threads of its
/// own do.
class ends_loop {
public:
    /// A cell that waits longer has failed.
    static constexpr std::chrono::seconds patience{10};

    ends_loop(executor_kind kind, ending_thread where) : kind_(kind), where_(where) {
        if (kind == executor_kind::thread_pool) {
            threads_ = std::make_unique<net::thread_pool>(2);
            executor_ = threads_->get_executor();
            return;
        }
        io_ = std::make_unique<net::io_context>();
        executor_ = io_->get_executor();
        if (kind == executor_kind::strand) {
            strand_.emplace(io_->get_executor());
            executor_ = *strand_;
        }
        if (where == ending_thread::same) return;
        work_.emplace(io_->get_executor());
        runner_ = std::thread([this] { run_on(); });
    }
    ~ends_loop() { destroy(); }
    ends_loop(const ends_loop&) = delete;

    const net::any_io_executor& executor() const noexcept { return executor_; }
    executor_kind kind() const noexcept { return kind_; }
    ending_thread where() const noexcept { return where_; }
    /// Whether this thread runs the handlers, while it waits.
    bool driven() const noexcept { return io_ != nullptr && !runner_.joinable(); }
    bool runs_here() const {
        if (strand_) return strand_->running_in_this_thread();
        return io_ ? io_->get_executor().running_in_this_thread() : threads_->get_executor().running_in_this_thread();
    }

    /// From now on waiting runs handlers with memory for so many allocations only, then none for one, then for all.
    void limit_memory(memory_limit& limit) noexcept { limit_ = &limit; }

    void forget_limit() noexcept { limit_ = nullptr; }

    /// Runs `what` on the executor.
    void call(const std::function<void()>& what) {
        if (limit_ != nullptr) return what();
        std::promise<void> done;
        std::future<void> future = done.get_future();
        net::post(executor_, [&] {
            what();
            done.set_value();
        });
        until([&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
        future.get();
    }
    /// Runs an ending on the thread that is asked for.
    void end(const std::function<void()>& what) {
        if (where_ == ending_thread::same) return call(what);
        what();
    }

    /// Whether `done()` became true in time.
    bool until(const std::function<bool()>& done, duration limit = patience) {
        const time_point deadline = clock_type::now() + limit;
        while (!done()) {
            if (clock_type::now() >= deadline) return false;
            step();
        }
        return true;
    }
    /// Until everything that is due has run.
    void settle() {
        if (!driven()) return std::this_thread::sleep_for(std::chrono::milliseconds(1));
        while (step()) {
        }
    }

    /// Runs out of work; false where something keeps it running.
    bool run_dry() {
        if (!io_) return true;
        if (driven()) return until([this] { return io_->stopped(); });
        work_.reset();
        if (!until([this] { return io_->stopped(); })) return false;
        runner_.join();
        return true;
    }

    /// Runs no handler any more.
    void halt() {
        if (threads_) {
            threads_->stop();
            threads_->join();
        }
        if (io_) io_->stop();
        if (runner_.joinable()) runner_.join();
    }
    /// Destroys the context, and with it the handlers that are left.
    void destroy() {
        halt();
        executor_ = {};
        threads_.reset();
        work_.reset();
        strand_.reset();
        io_.reset();
    }

private:
    bool step() {
        if (!driven()) {
            std::this_thread::sleep_for(std::chrono::microseconds(50));
            return false;
        }
        if (io_->stopped()) io_->restart();
        try {
            const memory_limit::scope scarce(limit_);
            return io_->run_one_for(std::chrono::milliseconds(1)) != 0;
        } catch (const thrown_by_handler&) {
        } catch (const std::bad_alloc&) {
        }
        return true;
    }
    void run_on() {
        for (;;) {
            try {
                io_->run();
                return;
            } catch (const thrown_by_handler&) {
            }
        }
    }

    executor_kind kind_;
    ending_thread where_;
    std::unique_ptr<net::io_context> io_;
    std::unique_ptr<net::thread_pool> threads_;
    std::optional<net::strand<net::io_context::executor_type>> strand_;
    std::optional<net::executor_work_guard<net::io_context::executor_type>> work_;
    net::any_io_executor executor_;
    std::thread runner_;
    memory_limit* limit_ = nullptr;
};

}  // namespace hotpool::test
