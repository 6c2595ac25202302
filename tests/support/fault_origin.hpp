// An origin that counts how often it has processed each request, and does wrong what its plan says.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "support/certificates.hpp"
#include "support/fault_proxy.hpp"
#include "support/fault_session.hpp"

namespace hotpool::test {

/// @threads runs on the thread of its context
class fault_origin {
public:
    /// @param own with it, TLS is spoken
    /// @param settings how much it does wrong
    fault_origin(asio::io_context& io, const tcp_endpoint& at, const std::optional<identity>& own, request_log& log,
                 const fault_settings& settings, fault_tally& tally)
        : io_(io), office_(log, tally, origin_plan(settings.seed, settings.per_thousand_chunks)), acceptor_(io, at) {
        if (settings.buffer_bytes != 0)
            acceptor_.set_option(asio::socket_base::receive_buffer_size(settings.buffer_bytes));
        if (own) {
            tls_.emplace(asio::ssl::context::tls_server);
            tls_->use_certificate(asio::buffer(own->certificate_pem), asio::ssl::context::pem);
            tls_->use_private_key(asio::buffer(own->key_pem), asio::ssl::context::pem);
        }
        asio::co_spawn(io_, accept_all(), asio::detached);
    }
    fault_origin(const fault_origin&) = delete;
    fault_origin& operator=(const fault_origin&) = delete;

    tcp_endpoint endpoint() const { return acceptor_.local_endpoint(); }
    /// Where it is said what goes wrong next.
    fault_office& office() noexcept { return office_; }
    /// Connections being served.
    int live() const noexcept { return *live_; }

private:
    struct presence {
        explicit presence(std::shared_ptr<std::atomic<int>> of) : count(std::move(of)) { ++*count; }
        presence(const presence&) = delete;
        ~presence() { --*count; }
        std::shared_ptr<std::atomic<int>> count;
    };

    static auto into(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

    asio::awaitable<void> accept_all() {
        for (;;) {
            std::error_code error;
            tcp_socket socket = co_await acceptor_.async_accept(into(error));
            if (error) co_return;
            socket.set_option(asio::ip::tcp::no_delay(true), error);
            if (tls_)
                asio::co_spawn(io_, shake_hands(asio::ssl::stream<tcp_socket>(std::move(socket), *tls_)),
                               asio::detached);
            else
                asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
        }
    }

    asio::awaitable<void> shake_hands(asio::ssl::stream<tcp_socket> stream) {
        const handshake_order order = office_.next_handshake();
        if (order.wants_certificate) {
            want_certificate(*stream.native_handle(), order.speaks_tls12);
            office_.tally.note(fault::certificate_wanted);
        }
        std::error_code error;
        co_await stream.async_handshake(asio::ssl::stream_base::server, into(error));
        if (!error) co_await serve(std::move(stream));
    }
    /// No root is known here, so that no certificate will do.
    static void want_certificate(SSL& session, bool in_tls12) {
        if (in_tls12) SSL_set_max_proto_version(&session, TLS1_2_VERSION);
        SSL_set_verify(&session, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        // A session of a time when none was wanted counts for nothing.
        SSL_set_session_id_context(&session, reinterpret_cast<const unsigned char*>("strict"), 6);
    }

    template <class Stream>
    asio::awaitable<void> serve(Stream stream) {
        const presence here(live_);
        fault_session<Stream> session(std::move(stream), office_);
        co_await session.run();
    }

    asio::io_context& io_;
    fault_office office_;
    std::optional<asio::ssl::context> tls_;
    asio::ip::tcp::acceptor acceptor_;
    // Sessions are destroyed with the context, after the origin.
    const std::shared_ptr<std::atomic<int>> live_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace hotpool::test
