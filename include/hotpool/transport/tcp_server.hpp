// The accepting side of plain TCP.
#pragma once

#include <system_error>
#include <utility>

#include "hotpool/transport/server.hpp"
#include "hotpool/transport/tcp_server_options.hpp"
#include "hotpool/transport/tcp_stream.hpp"

namespace hotpool {

/// Makes plain TCP streams of accepted sockets: `server_for` says what each member does.
/// @threads any thread
class tcp_server {
public:
    using options = tcp_server_options;
    template <class Executor>
    using stream = tcp_stream<Executor>;

    static constexpr bool handshakes = false;

    explicit tcp_server(options choices = {}) noexcept : options_(choices) {}

    template <class Executor>
    stream<Executor> make(net::basic_stream_socket<net::ip::tcp, Executor> socket, std::error_code& error) const {
        error = detail::prepare_accepted(socket, options_);
        return stream<Executor>(std::move(socket));
    }

private:
    options options_;
};

}  // namespace hotpool
