// Making the connections of a pool: where to, from where, with whose leave.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/policy/endpoint_source.hpp"
#include "hotpool/pool/egress.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// The part of a pool's driver that opens, by its transport, and asks for addresses. `Core` says what became of it:
///
/// - `connecting(c, slot)`: under the lock, what is being opened is the slot's
/// - `connected(c)`: only the handshake remains; `opened(c, stream)`; `not_opened(c, error)`
/// - `endpoints_answered(error, endpoints)`
/// @threads any thread
template <class Core, class Transport, class Executor>
class opener {
public:
    using connection_type = typename Core::connection_type;
    using slot_type = typename connection_type::slot_type;
    using stream_type = typename connection_type::stream_type;

    opener(Transport transport, pool_services& services)
        : transport_(std::move(transport)),
          source_(std::move(services.endpoints)),
          egress_(std::move(services.local_addresses), std::move(services.access)) {}

    Transport& transport() noexcept { return transport_; }
    const Transport& transport() const noexcept { return transport_; }
    egress& ways_out() noexcept { return egress_; }

    /// Before anything else: where the machine's endpoints come from.
    /// @errors throws `std::invalid_argument` if services were given that the transport has no use for
    template <class Machine>
    void prepare(Machine& machine, const Executor& executor) {
        if constexpr (endpoint_transport<Transport, Executor>) {
            const origin& dialled = transport_.dialled();
            const auto address = ip_address::parse(dialled.host);
            if (!source_ && address)
                return machine.use_endpoints(endpoint_list{{*address, port_number(dialled.port)}}, egress_.filter());
            if (!source_) source_ = system_resolver(executor, dialled);
            machine.use_endpoints(egress_.filter());
        } else if (source_ || !egress_.is_open()) {
            throw std::invalid_argument("hotpool::pool_services::endpoints, local_addresses and access need a transport "
                                        "that connects to endpoints");
        }
    }

    /// Makes a connection for `s`, which has been told where to.
    /// @errors none: whatever goes wrong is told to the core
    void open(const std::shared_ptr<Core>& core, slot_type& s) noexcept {
        std::error_code error = std::make_error_code(std::errc::not_enough_memory);
        try {
            // Until it is open, its handler is what holds it: should that never be called, nothing is leaked.
            const counted_ref<connection_type> c(
                new connection_type(core, core->own_ticket(), s, core->executor()));
            const open_request request = core->connecting(*c, s, egress_);
            c->peer = request.to.address;
            open_handler handler(core, c);
            if (!egress_.may_open(request.to.address, clock_type::now()))
                return handler.fail(errc::access_denied);
            core->under_way(*c, begin(core->executor(), request, std::move(handler)));
            return;
        } catch (const std::bad_alloc&) {
        } catch (...) {  // of the user's: his transport
            error = errc::connect_failed;
        }
        core->not_begun(s, error);
    }

    /// Has the source say where to.
    void ask(const std::shared_ptr<Core>& core) noexcept {
        try {
            source_(endpoint_answer([weak = std::weak_ptr<Core>(core)](std::error_code error, const endpoint_list& all) {
                if (const auto self = weak.lock()) self->endpoints_answered(error, all);
            }));
        } catch (...) {  // the answer that was dropped has said so
        }
    }
    /// What callers are told when there is no answer.
    std::error_code unknown(std::error_code error) const noexcept {
        if constexpr (endpoint_transport<Transport, Executor>)
            if (transport_.dialled() != transport_.target()) return errc::proxy_unreachable;
        return error;
    }

private:
    /// Holds a connection until it is open. Dropped instead of called, it says so: there was no memory to go on with, or
    /// the execution context has ended.
    class open_handler {
    public:
        open_handler(std::shared_ptr<Core> core, counted_ref<connection_type> c) noexcept
            : core_(std::move(core)), connection_(std::move(c)) {}
        open_handler(open_handler&&) noexcept = default;
        ~open_handler() {
            if (core_ != nullptr) fail(std::make_error_code(std::errc::not_enough_memory));
        }

        void connected() { core_->connected(*connection_); }
        void operator()(std::error_code error, stream_type stream) {
            if (error) return fail(error);
            std::shared_ptr<Core>(std::move(core_))->opened(*connection_, std::move(stream));
        }
        void fail(std::error_code error) noexcept {
            const auto core = std::exchange(core_, nullptr);
            core->not_opened(*connection_, error);
        }

    private:
        std::shared_ptr<Core> core_;
        counted_ref<connection_type> connection_;
    };

    opening begin(const Executor& executor, const open_request& request, open_handler handler) {
        if constexpr (endpoint_transport<Transport, Executor>)
            return transport_.async_open(executor, request, std::move(handler));
        else
            return transport_.async_open(executor, request.timeout, std::move(handler));
    }

    Transport transport_;
    endpoint_source source_;  // empty where the endpoints are fixed, or the transport's affair
    egress egress_;
};

}  // namespace hotpool::detail
