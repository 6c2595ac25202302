// Making the connections of a pool: where to, from where, with whose leave.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/manager/address_list.hpp"
#include "hotpool/manager/endpoint_pool.hpp"
#include "hotpool/policy/endpoint_source.hpp"
#include "hotpool/pool/egress.hpp"
#include "hotpool/pool/name_question.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// The part of a pool's driver that opens, by its transport, and asks for addresses. `Driver` derives from it and has:
///
/// - `executor()`, `shared_from_this()`, `own_ticket()`
/// - `with_machine(input)`: `input(machine)` under the lock; `tell_machine(input)`: the same with the time, and then
///   what the machine asks for is done
/// - `has_permit(slot)`, `permit_used()`, `release_permit()`: see `budget_share`
/// - `tell_of(c, watch, input)`: as `tell_machine`, and afterwards `c` is looked at
/// @threads any thread
template <class Driver, class Transport, class Executor>
class opener {
public:
    using connection_type = connection<Transport, Executor>;
    using slot_type = typename connection_type::slot_type;
    using stream_type = typename connection_type::stream_type;

protected:
    opener(Transport transport, pool_services& services)
        : transport_(std::move(transport)),
          source_(std::move(services.endpoints)),
          egress_(std::move(services.local_addresses), std::move(services.access)) {}
    ~opener() = default;

    Transport& transport() noexcept { return transport_; }
    const Transport& transport() const noexcept { return transport_; }
    egress& ways_out() noexcept { return egress_; }

    /// Before anything else: where the machine's endpoints come from.
    /// @errors throws `std::invalid_argument` if services were given that the transport has no use for
    template <class Machine>
    void prepare_endpoints(Machine& machine) {
        if constexpr (endpoint_transport<Transport, Executor>) {
            const origin& dialled = transport_.dialled();
            const auto address = ip_address::parse(dialled.host);
            if (!source_ && address)
                return machine.use_endpoints(endpoint_list{{*address, port_number(dialled.port)}}, egress_.filter());
            machine.use_endpoints(egress_.filter());
        } else if (source_ || !egress_.is_open()) {
            throw std::invalid_argument(
                "hotpool::pool_services::endpoints, local_addresses and access need a transport "
                "that connects to endpoints");
        }
    }

    /// Makes a connection for `s`, which has been told where to. Whatever goes wrong is told to the machine.
    void open(slot_type& s) {
        if (!driver().has_permit(s)) return;
        std::error_code error = std::make_error_code(std::errc::not_enough_memory);
        bool handled = false;  // its handler says how it ends
        try {
            // Until it is open, its handler is what holds it: should that never be called, nothing is leaked.
            const auto core = driver().shared_from_this();
            const counted_ref<connection_type> c(new connection_type(core, core->own_ticket(), s, core->executor()));
            const open_request request = begin(*c, s);
            c->peer = request.to.address;
            open_handler handler(core, c);
            handled = true;
            if (!egress_.may_open(c->peer, clock_type::now())) return handler.fail(errc::access_denied);
            return under_way(*c, start(request, std::move(handler)));
        } catch (const std::bad_alloc&) {
        } catch (...) {  // of the user's: his transport
            error = errc::connect_failed;
        }
        if (!handled) has_failed(s, error);
    }

    /// Has the source say where to.
    void ask_source(endpoint_question question) noexcept {
        bool handled = false;  // the answer, even if it is dropped, tells the machine
        try {
            const name_receiver receiver{driver().weak_from_this(), question.number};
            if (source_) {
                endpoint_answer answer([receiver](std::error_code error, const endpoint_list& all) {
                    receiver(error, error == errc::resolve_empty, all);
                });
                handled = true;
                source_(std::move(answer));
            } else if constexpr (endpoint_transport<Transport, Executor>) {
                names_.ask(driver().executor(), transport_.dialled(), receiver, question.fresh);
                handled = true;
            }
        } catch (...) {
        }
        if (!handled) answered(question.number, std::make_error_code(std::errc::not_enough_memory), false, {});
    }
    /// It will not be asked again; what the system's resolver is at is nobody's affair any more.
    void stop_asking() noexcept { names_.stop(); }

private:
    /// Holds a connection until it is open. Dropped instead of called, it says so: there was no memory to go on with, or
    /// the execution context has ended.
    class open_handler {
    public:
        open_handler(std::shared_ptr<Driver> driver, counted_ref<connection_type> c) noexcept
            : driver_(std::move(driver)), connection_(std::move(c)) {}
        open_handler(open_handler&&) noexcept = default;
        ~open_handler() {
            if (driver_ == nullptr) return;
            try {
                fail(std::make_error_code(std::errc::not_enough_memory));
            } catch (...) {  // of the user's, who was told; the loop goes on by itself
            }
        }

        void connected() { opener_of(*driver_).connected(*connection_); }
        void operator()(std::error_code error, stream_type stream) {
            if (error) return fail(error);
            const auto driver = std::exchange(driver_, nullptr);
            opener_of(*driver).opened(*connection_, std::move(stream));
        }
        void fail(std::error_code error) {
            const auto driver = std::exchange(driver_, nullptr);
            opener_of(*driver).not_opened(*connection_, error);
        }

    private:
        static opener& opener_of(Driver& d) noexcept { return d; }
        std::shared_ptr<Driver> driver_;
        counted_ref<connection_type> connection_;
    };

    /// Takes the answer to one question, if the driver is still there.
    struct name_receiver {
        void operator()(std::error_code error, bool definite, const endpoint_list& endpoints) const {
            if (const auto self = driver.lock())
                static_cast<opener&>(*self).answered(question, error, definite, endpoints);
        }
        std::weak_ptr<Driver> driver;
        std::uint64_t question;
    };

    Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    /// What is being opened is the slot's from now on.
    open_request begin(connection_type& c, slot_type& s) {
        open_request request;
        driver().with_machine([&](auto& machine) {
            s.resource = &c;
            request.timeout = machine.opening_timeout(s, clock_type::now());
            request.handshake_timeout = machine.options().handshake_timeout;
            if (s.dialling == nullptr) return;
            request.to = s.endpoint->where;
            request.from = egress_.local_address(request.to.address.family());
        });
        return request;
    }
    opening start(const open_request& request, open_handler handler) {
        if constexpr (endpoint_transport<Transport, Executor>)
            return transport_.async_open(driver().executor(), request, std::move(handler));
        else
            return transport_.async_open(driver().executor(), request.timeout, std::move(handler));
    }
    void under_way(connection_type& c, opening begun) {
        bool cut = false;
        driver().with_machine([&](auto& machine) {
            cut = machine.stopped() || c.cut_early;
            if (c.slot != nullptr && c.slot->resource == &c && c.slot->state == slot_state::opening)
                c.under_way = begun;
        });
        if (cut) begun.cancel();
    }

    void connected(connection_type& c) {
        driver().with_machine([&](auto& machine) { machine.opening_connected(*c.slot, clock_type::now()); });
    }
    void opened(connection_type& c, stream_type stream) {
        c.stream = std::move(stream);
        c.add_ref();  // the slot's
        driver().permit_used();
        driver().tell_of(c, true, [&](auto& machine, time_point now) {
            c.under_way = {};
            machine.slot_opened(*c.slot, now);
        });
    }
    void not_opened(connection_type& c, std::error_code error) {
        try {
            egress_.opening_failed(c.peer, error, clock_type::now());
        } catch (const std::bad_alloc&) {  // what cannot be remembered does not count
        }
        has_failed(*std::exchange(c.slot, nullptr), error);
    }
    void has_failed(slot_type& s, std::error_code error) {
        driver().release_permit();
        driver().tell_machine([&](auto& machine, time_point now) {
            s.resource = nullptr;  // the slot may go on without this connection
            machine.opening_failed(s, now, error);
        });
    }

    void answered(std::uint64_t question, std::error_code error, bool definite, const endpoint_list& endpoints) {
        if (!error) return came(question, endpoints);
        if (is_proxied()) error = errc::proxy_unreachable;
        driver().tell_machine(
            [&](auto& machine, time_point now) { machine.endpoints_failed(question, error, definite, now); });
    }
    /// However long the list, it is put in order under no lock.
    void came(std::uint64_t question, const endpoint_list& endpoints) {
        for (bool taken = false; !taken;) {
            std::shared_ptr<const address_list> known;
            driver().with_machine([&](auto& machine) { known = machine.known_addresses(); });
            merged_addresses merged;
            try {
                merged = address_list::merge(endpoints, std::move(known));
            } catch (const std::bad_alloc&) {
                return answered(question, std::make_error_code(std::errc::not_enough_memory), false, {});
            }
            driver().tell_machine(
                [&](auto& machine, time_point now) { taken = machine.endpoints_came(question, merged, now); });
        }
    }
    /// Whether the addresses are those of a proxy.
    bool is_proxied() const noexcept {
        if constexpr (endpoint_transport<Transport, Executor>)
            return transport_.dialled() != transport_.target();
        else
            return false;
    }

    Transport transport_;
    endpoint_source source_;  // empty: the system's resolver, or no source where none is needed
    name_source<Executor, name_receiver> names_;
    egress egress_;
};

}  // namespace hotpool::detail
