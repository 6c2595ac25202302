// The listening sockets of an acceptor, and the loop that accepts from them. What may be accepted, and what to do about
// an error, is said by the core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/accept_backoff.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/detail/listening_socket.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp_stream.hpp"

namespace hotpool::inbound::detail {

/// One address that is listened at.
template <class Executor>
struct listener {
    listener(typename listening_socket<Executor>::socket_type s, const accept_backoff_options& errors)
        : socket(std::move(s)), where(socket.local_endpoint()), backoff(errors) {}

    net::ip::tcp protocol() const noexcept { return where.address.is_v6() ? net::ip::tcp::v6() : net::ip::tcp::v4(); }

    listening_socket<Executor> socket;
    const ip_endpoint where;
    // Under the core's lock.
    accept_backoff backoff;
    time_point resume_at = never;  // accepting pauses until then
    bool lost = false;             // and is to be opened again then
};

/// How accepting goes on that was held back, or put off.
enum class accept_resumption : std::uint8_t { later, watch, reopen };

/// Wakes a core, or says that nothing ever will again.
template <class Core, class Executor>
class wake_handler {
public:
    using allocator_type = base::recycling_allocator<void>;
    using listener_type = listener<Executor>;
    using run_type = void (*)(Core&, listener_type*);

    /// @param l whose wait this is; null for the timer's
    /// @param beginning whether the wait has still to begin; of the core's
    wake_handler(std::shared_ptr<Core> core, listener_type* l, const bool& beginning, run_type run) noexcept
        : core_(std::move(core)), listener_(l), beginning_(&beginning), run_(run) {}
    wake_handler(wake_handler&&) noexcept = default;
    ~wake_handler() {
        if (core_ != nullptr && !*beginning_) core_->close();
    }
    allocator_type get_allocator() const noexcept { return {}; }
    void operator()(const std::error_code& error) {
        const auto core = std::move(core_);
        const bool failed = listener_ != nullptr && error && error != net::error::operation_aborted;
        if (!error || failed) run_(*core, listener_);
    }

private:
    std::shared_ptr<Core> core_;
    listener_type* listener_;
    const bool* beginning_;
    run_type run_;
};

/// The part of a `Core` that accepts. The core derives from it and has, besides `executor` and `close`:
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
    using handler_type = wake_handler<Core, Executor>;

    /// @errors throws as `listen_on_all`
    accept_loop(const Executor& executor, const acceptor_options& options)
        : executor_(executor), backlog_(options.backlog), reuse_address_(options.reuse_address) {
        listen_request request{.port = options.port, .backlog = backlog_, .reuse_address = reuse_address_};
        for (const std::string& text : options.addresses) request.addresses.push_back(*ip_address::parse(text));
        if (request.addresses.empty()) {
            request.addresses = {ip_address(), ip_address(ip_address::v6_bytes_type{})};
            request.any_will_do = true;
        }
        for (auto& socket : listen_on_all(executor, request))
            listeners_.push_back(std::make_unique<listener_type>(std::move(socket), options.accept_errors));
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
    Core& core() noexcept { return static_cast<Core&>(*this); }

    void watch(listener_type& l) {
        try {
            l.socket.async_wait([&](const bool& beginning) {
                return handler_type(core().shared_from_this(), &l, beginning,
                                    [](Core& self, listener_type* woken) { self.accept_some(*woken); });
            });
        } catch (...) {  // of memory: it is tried again after a pause
            core().accept_failed(l, std::make_error_code(std::errc::not_enough_memory));
        }
    }
    void accept_some(listener_type& l) {
        for (std::size_t left = core().may_accept(l); left != 0; --left) {
            accepted_socket a = l.socket.accept();
            if (!a.error)
                core().admit(std::move(a), l);
            else if (!goes_on_after(l, a.error))
                return;
            else if (hotpool::detail::would_block(a.error))
                break;
            if (left != 1 && core().may_accept(l) == 0) return;
        }
        if (core().may_accept(l) != 0) watch(l);
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
        const std::error_code error = l.socket.reopen(
            executor_, l.where, {.port = l.where.port, .backlog = backlog_, .reuse_address = reuse_address_});
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
