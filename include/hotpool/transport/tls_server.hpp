// The accepting side of TLS.
#pragma once

#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "hotpool/base/mutex.hpp"
#include "hotpool/transport/server.hpp"
#include "hotpool/transport/tls_server_context.hpp"
#include "hotpool/transport/tls_server_options.hpp"
#include "hotpool/transport/tls_stream.hpp"

namespace hotpool {

/// Makes TLS streams of accepted sockets: `server_for` says what each member does.
/// @threads any thread
class tls_server {
public:
    using options = tls_server_options;
    template <class Executor>
    using stream = tls_stream<Executor>;

    static constexpr bool handshakes = true;

    /// Reads the files that `choices` names, here and in `update` only.
    /// @errors throws `std::invalid_argument` naming the field and the rule, and `std::system_error` with
    /// `errc::tls_setup_failed` if OpenSSL itself fails
    explicit tls_server(const options& choices) : current_(std::make_shared<slot>(read(choices))) {}

    /// Replaces the options, of the copies too, at once: `updatable_transport`. All files are read again and checked
    /// before anything changes. Handshakes under way go on with what they began with, and connections keep what they
    /// have; earlier tickets are of no use any more, so that nobody comes in by rules that are gone.
    /// @errors as the constructor; then nothing has changed
    void update(const options& choices) {
        context_ptr fresh = read(choices);
        const std::lock_guard lock(current_->mutex);
        current_->context.swap(fresh);
    }

    /// @errors `errc::connection_reset`, `errc::tls_setup_failed`
    template <class Executor>
    stream<Executor> make(net::basic_stream_socket<net::ip::tcp, Executor> socket, std::error_code& error) const {
        context_ptr context = current();
        error = detail::prepare_accepted(socket, context->tcp());
        if (error) return stream<Executor>(socket.get_executor());
        return stream<Executor>(std::move(socket), std::move(context), error);
    }

private:
    using context_ptr = std::shared_ptr<const detail::tls_server_context>;
    struct slot {
        explicit slot(context_ptr first) noexcept : context(std::move(first)) {}
        base::mutex mutex;
        context_ptr context;
    };

    static context_ptr read(const options& choices) {
        return std::make_shared<const detail::tls_server_context>(choices);
    }
    context_ptr current() const noexcept {
        const std::lock_guard lock(current_->mutex);
        return current_->context;
    }

    std::shared_ptr<slot> current_;
};

}  // namespace hotpool
