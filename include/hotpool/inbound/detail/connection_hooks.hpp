// What a program wants to be told of its connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "hotpool/inbound/close_reason.hpp"
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
    /// What is said last to a peer whose request is cut by a limit, in the words of the program's protocol.
    /// @lifetime what it returns stays for ever
    using last_words = std::string_view (*)(close_reason);

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
    /// Run whenever something may have happened to the peer while nobody reads, and once more when the connection has ended;
    /// to be set once.
    /// @errors throws `std::bad_alloc`, nothing has changed then
    void on_stir(hook_type hook) {
        const std::lock_guard lock(state().hooks_mutex());
        if (state().takes_hooks()) made().stir.swap(hook);
    }
    /// @errors throws `std::bad_alloc`, nothing has changed then
    void set_last_words(last_words words) {
        const std::lock_guard lock(state().hooks_mutex());
        if (state().takes_hooks()) made().words = words;
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
        hook_type stir;
        last_words words = nullptr;
        std::atomic<bool> stirred{false};  // a post is on its way
        reserve_type posts;
    };
    using spent_type = std::shared_ptr<kept_type>;

    ~connection_hooks() = default;

    /// None will run any more, but for the last one of `tell_ended`. Under the lock; what is returned is to end under none,
    /// since a hook often keeps what has the handle.
    spent_type take_hooks() noexcept { return std::exchange(kept_, nullptr); }
    /// Under the lock.
    std::string_view words_for(close_reason why) const noexcept {
        return kept_ == nullptr || kept_->words == nullptr ? std::string_view() : kept_->words(why);
    }
    void tell_stir() noexcept { tell_ended(kept()); }
    /// Who cannot be told for want of memory finds out by himself.
    void tell_ended(const spent_type& spent) noexcept {
        if (spent == nullptr || !spent->stir || spent->stirred.exchange(true)) return;
        try {
            post(spent, &connection_hooks::run_stir_hook);
        } catch (...) {
            spent->stirred = false;
        }
    }

private:
    struct hook_post {
        using allocator_type = hotpool::detail::reserved_allocator<std::byte, memory_type>;
        allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
        void operator()() { ((*self).*run)(*keeps); }

        hotpool::detail::counted_ref<State> self;
        spent_type keeps;
        memory_type* memory;  // a handler is asked for it after it was moved from, too
        void (connection_hooks::*run)(kept_type&);
    };

    State& state() noexcept { return static_cast<State&>(*this); }
    const State& state() const noexcept { return static_cast<const State&>(*this); }

    kept_type& made() {
        if (kept_ == nullptr) kept_ = std::make_shared<kept_type>();
        return *kept_;
    }
    void post(void (connection_hooks::*run)(kept_type&)) {
        if (const spent_type keep = kept()) post(keep, run);  // otherwise it has ended meanwhile
    }
    spent_type kept() const noexcept {
        const std::lock_guard lock(state().hooks_mutex());
        return kept_;
    }
    void post(const spent_type& keep, void (connection_hooks::*run)(kept_type&)) {
        hotpool::detail::post_to(state().get_executor(),
                                 hook_post{hotpool::detail::counted_ref<State>(state()), keep, &*keep->posts, run});
    }
    void run_drain_hook(kept_type& kept) {
        hook_type hook;
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (kept_ != nullptr && state().is_in_use()) hook.swap(kept.drain);
        }
        if (hook) hook();
    }
    void run_ping_hook(kept_type& kept) {
        std::shared_ptr<const hook_type> hook;
        {
            const std::lock_guard lock(state().hooks_mutex());
            if (kept_ != nullptr && state().is_in_use()) hook = kept.ping;
        }
        if (hook) (*hook)();
    }
    void run_stir_hook(kept_type& kept) {
        kept.stirred = false;
        kept.stir();
    }

    // Under the connection's lock.
    spent_type kept_;  // null while there are none
    bool draining_ = false;
};

}  // namespace hotpool::inbound::detail
