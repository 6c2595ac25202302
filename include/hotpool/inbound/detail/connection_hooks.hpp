// What a program wants to be told of its connection.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "hotpool/io/counted.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/reserved_memory.hpp"

namespace hotpool::inbound::detail {

/// The hooks of a connection, and how they are run: on its executor, and not once it has begun to end. Most connections
/// have none, and pay a pointer; memory to post them with is set aside with them.
/// @tparam State derives from it, and has `hooks_mutex`, `takes_hooks` and `is_in_use`, asked under it, and
/// `get_executor`
/// @threads any thread
template <class State>
class connection_hooks {
public:
    using hook_type = std::function<void()>;

    /// @errors throws `std::bad_alloc`, nothing has changed then
    void on_drain(hook_type hook) {
        bool told = false;
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (!state().takes_hooks()) return;
            made().drain.swap(hook);
            told = draining_;
        }
        if (told) post(&connection_hooks::run_drain_hook);
    }
    /// @errors throws `std::bad_alloc`, nothing has changed then
    void on_ping(hook_type hook) {
        auto shared = hook ? std::make_shared<const hook_type>(std::move(hook)) : nullptr;
        const std::lock_guard lock(state().hooks_mutex());
        if (state().takes_hooks()) made().ping.swap(shared);
    }
    /// @errors throws `std::bad_alloc` where the executor wants memory of its own
    void tell_draining() {
        {
            const std::lock_guard lock(state().hooks_mutex());
            draining_ = true;
            if (kept_ == nullptr || !kept_->drain) return;
        }
        post(&connection_hooks::run_drain_hook);
    }
    /// @errors as `tell_draining`
    void tell_ping() {
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (kept_ == nullptr || kept_->ping == nullptr) return;
        }
        post(&connection_hooks::run_ping_hook);
    }
    bool draining() const noexcept {
        const std::lock_guard lock(state().hooks_mutex());
        return draining_;
    }

protected:
    using reserve_type = hotpool::detail::shared_reserve<128, 2>;
    using memory_type = typename reserve_type::memory;
    struct kept_type {
        hook_type drain;
        std::shared_ptr<const hook_type> ping;
        reserve_type posts;
    };
    using spent_type = std::shared_ptr<kept_type>;

    ~connection_hooks() = default;

    /// None will run any more. Under the lock; what is returned is to end under none, since a hook often keeps what has
    /// the handle.
    spent_type take_hooks() noexcept { return std::exchange(kept_, nullptr); }

private:
    struct hook_post {
        using allocator_type = hotpool::detail::reserved_allocator<std::byte, memory_type>;
        allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
        void operator()() { ((*self).*run)(); }

        hotpool::detail::counted_ref<State> self;
        spent_type keeps_memory;
        memory_type* memory;  // a handler is asked for it after it was moved from, too
        void (connection_hooks::*run)();
    };

    State& state() noexcept { return static_cast<State&>(*this); }
    const State& state() const noexcept { return static_cast<const State&>(*this); }

    kept_type& made() {
        if (kept_ == nullptr) kept_ = std::make_shared<kept_type>();
        return *kept_;
    }
    void post(void (connection_hooks::*run)()) {
        spent_type keep;
        {
            const std::lock_guard lock(state().hooks_mutex());
            keep = kept_;
        }
        if (keep == nullptr) return;  // it has ended meanwhile
        hotpool::detail::post_to(state().get_executor(),
                                 hook_post{hotpool::detail::counted_ref<State>(state()), keep, &*keep->posts, run});
    }
    void run_drain_hook() {
        hook_type hook;
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (kept_ != nullptr && state().is_in_use()) hook.swap(kept_->drain);
        }
        if (hook) hook();
    }
    void run_ping_hook() {
        std::shared_ptr<const hook_type> hook;
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (kept_ != nullptr && state().is_in_use()) hook = kept_->ping;
        }
        if (hook) (*hook)();
    }

    // Under the connection's lock.
    spent_type kept_;  // null while there are none
    bool draining_ = false;
};

}  // namespace hotpool::inbound::detail
