// The transport for plain TCP.
#pragma once

#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/origin.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/open.hpp"
#include "hotpool/transport/proxy_connect.hpp"
#include "hotpool/transport/tcp_options.hpp"
#include "hotpool/transport/tcp_stream.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool {

/// Makes plain TCP connections to one origin. `endpoint_transport` says what each member does.
/// @threads any thread
class tcp_transport {
public:
    using options = tcp_options;
    template <class Executor>
    using stream = tcp_stream<Executor>;

    static constexpr std::string_view scheme = "http";
    static constexpr std::string_view default_port = "80";

    explicit tcp_transport(origin target, const options& choices = {}) : target_(std::move(target)), options_(choices) {
        validate(target_);
        validate(options_);
        detail::validate_tunnel(options_.proxy, target_);
        dialled_ = detail::first_hop(target_, options_.proxy);
    }

    const origin& target() const noexcept { return target_; }
    const origin& dialled() const noexcept { return dialled_; }

    /// Opens a connection to one endpoint, through the proxy if there is one.
    /// @param handler move-only; its member `connected()`, if any, is called when only the handshake remains
    /// @completes `void(std::error_code, stream<Executor>)`, once, posted to `executor`
    /// @errors `errc::cancelled`, `condition::open_failed` but those of TLS
    /// @cancels by the `opening` that is returned
    /// @lifetime it goes on when the transport and the `opening` have gone
    template <class Executor, class Handler>
    opening async_open(const Executor& executor, const open_request& request, Handler handler) const {
        using socket_type = typename stream<Executor>::socket_type;
        return detail::start_opening<stream<Executor>>(
            executor, request, target_, options_,
            [](socket_type socket, std::error_code&) { return stream<Executor>(std::move(socket)); },
            std::move(handler));
    }

private:
    origin target_;
    origin dialled_;  // the proxy's where there is one
    options options_;
};

}  // namespace hotpool
