// The listening sockets of an acceptor, and the loop that accepts from them. What may be accepted, and what to do about
// an error, is said by the core.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/inbound/accept_backoff.hpp"
#include "hotpool/inbound/accept_gate.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/detail/listening_socket.hpp"
#include "hotpool/io/reserved_memory.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp_stream.hpp"

namespace hotpool::inbound::detail {

/// One address that is listened at.
template <class Executor>
struct listener {
    using memory_type = hotpool::detail::shared_reserve<192, 2>;

    listener(typename listening_socket<Executor>::socket_type s, std::size_t n)
        : socket(std::move(s)), where(socket.local_endpoint()), number(n) {}

    net::ip::tcp protocol() const noexcept { return where.address.is_v6() ? net::ip::tcp::v6() : net::ip::tcp::v4(); }

    memory_type memory;  // for its wait
    listening_socket<Executor> socket;
    const ip_endpoint where;
    const std::size_t number;
};

/// The end of a wait at a listening socket; holds the core for it.
template <class Core, class Executor>
class accept_handler {
public:
    using listener_type = listener<Executor>;
    using allocator_type = hotpool::detail::reserved_allocator<std::byte, typename listener_type::memory_type::memory>;

    accept_handler(std::shared_ptr<Core> core, listener_type& l) noexcept
        : core_(std::move(core)), listener_(&l), memory_(&*l.memory) {}
    allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
    void operator()(const std::error_code& error) {
        listener_->socket.wait_ended();
        if (error != net::error::operation_aborted) core_->accept_some(*listener_);
    }

private:
    std::shared_ptr<Core> core_;
    listener_type* listener_;
    typename listener_type::memory_type::memory* memory_;  // asked for after the core has been let go of, too
};

/// The part of a `Core` that accepts. The core derives from it and has, for a listener:
///
/// - `may_accept(listener)`: how many may be accepted in this turn. Where none may, the core resumes it.
/// - `accept_failed(listener, error)`: what to do about that.
/// - `admit(accepted_socket, listener)`
/// - `shed(count)`: so many were told to go, since there was no descriptor for them.
/// - `resumption_of(listener)`, `reopened(listener, error)`
/// @threads any thread, under no lock
template <class Core, class Executor>
class accept_loop {
protected:
    using listener_type = listener<Executor>;

    /// @errors throws as `listen_on_all`
    accept_loop(const Executor& executor, const acceptor_options& options)
        : executor_(executor), backlog_(options.backlog), reuse_address_(options.reuse_address) {
        listen_request request{.port = options.port, .backlog = backlog_, .reuse_address = reuse_address_};
        for (const std::string& text : options.addresses)
            request.addresses.push_back(ip_address::parse(text)->unmapped());
        if (request.addresses.empty()) {
            request.addresses = {ip_address(), ip_address(ip_address::v6_bytes_type{})};
            request.any_will_do = true;
        }
        for (auto& socket : listen_on_all(executor, request))
            listeners_.push_back(std::make_unique<listener_type>(std::move(socket), listeners_.size()));
    }
    ~accept_loop() = default;

    /// As many as when it was made.
    const std::vector<std::unique_ptr<listener_type>>& listeners() const noexcept { return listeners_; }

    void begin_accepting() {
        for (const auto& l : listeners_) watch(*l);
    }
    void resume_accepting() {
        for (const auto& l : listeners_) {
            const accept_resumption how = core().resumption_of(*l);
            if (how == accept_resumption::later || (how == accept_resumption::reopen && !reopen(*l))) continue;
            watch(*l);
        }
    }
    void close_listeners() noexcept {
        for (const auto& l : listeners_) l->socket.close();
    }

private:
    friend class accept_handler<Core, Executor>;

    /// Goes on waiting, though somebody's function has thrown.
    struct watch_at_end {
        accept_loop& loop;
        listener_type& l;
        bool wanted = true;

        ~watch_at_end() {
            if (wanted && loop.core().may_accept(l) != 0) loop.watch(l);
        }
    };

    Core& core() noexcept { return static_cast<Core&>(*this); }

    void watch(listener_type& l) {
        try {
            l.socket.async_wait(accept_handler<Core, Executor>(core().shared_from_this(), l));
        } catch (...) {  // of memory: it is tried again after a pause
            core().accept_failed(l, std::make_error_code(std::errc::not_enough_memory));
        }
    }
    void accept_some(listener_type& l) {
        watch_at_end rest{*this, l};
        for (std::size_t left = core().may_accept(l); left != 0; --left) {
            accepted_socket a = l.socket.accept();
            if (!a.error) {
                core().admit(std::move(a), l);
            } else if (!goes_on_after(l, a.error)) {
                rest.wanted = false;
                return;
            } else if (a.error == std::errc::operation_would_block ||
                       a.error == std::errc::resource_unavailable_try_again) {
                return;
            }
            if (left != 1 && core().may_accept(l) == 0) return;
        }
    }
    bool goes_on_after(listener_type& l, const std::error_code& error) {
        switch (core().accept_failed(l, error)) {
            case accept_verdict::go_on:
            case accept_verdict::wait: return true;
            case accept_verdict::pause: shed(l); return false;
            case accept_verdict::dead: l.socket.close(); return false;
        }
        return false;
    }
    /// Who waits while there are no descriptors is told to go, not left hanging.
    void shed(listener_type& l) {
        constexpr std::size_t most = 64;
        std::size_t count;
        {
            const std::lock_guard lock(reserve_mutex_);
            count = l.socket.shed(reserve_, most);
        }
        core().shed(count);
    }
    bool reopen(listener_type& l) {
        std::error_code error;
        try {
            error = l.socket.reopen(executor_, l.where,
                                    {.port = l.where.port, .backlog = backlog_, .reuse_address = reuse_address_});
        } catch (...) {
            error = std::make_error_code(std::errc::not_enough_memory);
        }
        core().reopened(l, error);
        return !error;
    }

    const Executor executor_;
    const int backlog_;
    const bool reuse_address_;
    std::vector<std::unique_ptr<listener_type>> listeners_;

    std::mutex reserve_mutex_;
    reserve_descriptor reserve_;
};

}  // namespace hotpool::inbound::detail
