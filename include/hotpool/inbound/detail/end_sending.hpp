// The last thing that this side sends.
#pragma once

#include <system_error>

#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/openssl.hpp"

namespace hotpool::inbound::detail {

/// Says goodbye, in TLS too if it can at once, and sends nothing any more; what the peer sends can still be read.
template <class Stream>
void end_sending(Stream& stream) noexcept {
    if constexpr (requires { stream.ssl(); }) {
        if (stream.ssl() != nullptr && SSL_is_init_finished(stream.ssl()) == 1) SSL_shutdown(stream.ssl());
        ERR_clear_error();
    }
    std::error_code ignored;
    stream.socket().shutdown(net::socket_base::shutdown_send, ignored);
}

}  // namespace hotpool::inbound::detail
