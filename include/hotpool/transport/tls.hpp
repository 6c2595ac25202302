// The transport for TLS.
#pragma once

#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/origin.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/open.hpp"
#include "hotpool/transport/proxy_connect.hpp"
#include "hotpool/transport/tls_contexts.hpp"
#include "hotpool/transport/tls_options.hpp"
#include "hotpool/transport/tls_stream.hpp"
#include "hotpool/transport/transport.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool {

/// Makes TLS connections to one origin. `endpoint_transport` says what each member does.
/// @threads any thread
class tls_transport {
public:
    using options = tls_options;
    template <class Executor>
    using stream = tls_stream<Executor>;

    static constexpr std::string_view scheme = "https";
    static constexpr std::string_view default_port = "443";

    /// Reads the files that `choices` names, here and in `update` only.
    /// @errors throws `std::invalid_argument` naming the field and the rule, and `std::system_error` with
    /// `errc::tls_setup_failed` if OpenSSL itself fails
    explicit tls_transport(origin target, options choices = {}) : target_(std::move(target)) {
        validate(target_);
        validate(choices.tcp);
        detail::validate_tunnel(choices.tcp.proxy, target_);
        dialled_ = detail::first_hop(target_, choices.tcp.proxy);
        contexts_ = std::make_shared<detail::tls_contexts>(target_, std::move(choices));
    }

    const origin& target() const noexcept { return target_; }
    const origin& dialled() const noexcept { return dialled_; }
    transport_stats stats() const noexcept { return contexts_->stats(); }

    /// Replaces the options, of the copies too, at once: `updatable_transport`. Files are read again, so that the same
    /// options bring in a renewed certificate; not so the system's roots, while anybody uses them. Sessions are
    /// forgotten, and the choice of profiles begins anew.
    /// @errors as the constructor, also if the proxy is another one; then nothing has changed
    void update(options choices) {
        validate(choices.tcp);
        detail::validate_tunnel(choices.tcp.proxy, target_);
        if (detail::first_hop(target_, choices.tcp.proxy) != dialled_)
            throw std::invalid_argument(
                "hotpool::tls_options::tcp proxy must be the one that the transport was made with");
        contexts_->replace(target_, std::move(choices));
    }

    /// Opens a connection to one endpoint, through the proxy if there is one.
    /// @param handler move-only; its member `connected()`, if any, is called when only the handshake remains
    /// @completes `void(std::error_code, stream<Executor>)`, once, posted to `executor`
    /// @errors `errc::cancelled`, `condition::open_failed`
    /// @cancels by the `opening` that is returned
    /// @lifetime it goes on when the transport and the `opening` have gone
    template <class Executor, class Handler>
    opening async_open(const Executor& executor, const open_request& request, Handler handler) const {
        using socket_type = typename stream<Executor>::socket_type;
        detail::tls_context_ptr context = contexts_->pick();
        return detail::start_opening<stream<Executor>>(
            executor, request, target_, context->options().tcp,
            [context](socket_type socket, std::error_code& error) {
                return stream<Executor>(std::move(socket), context, error);
            },
            std::move(handler));
    }

private:
    origin target_;
    origin dialled_;  // the proxy's where there is one
    std::shared_ptr<detail::tls_contexts> contexts_;
};

}  // namespace hotpool
