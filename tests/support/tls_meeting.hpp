// A TLS server of ours and a client of OpenSSL's that meet on loopback.
//
//     meeting met(options, [](tls_client& c) { c.shake_hands(); });
//     REQUIRE_FALSE(met.error);
//     read_exactly(met.io, *met.stream, 5);
#pragma once

#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/transport/tls_server.hpp"
#include "support/blocking_io.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

namespace hotpool::test {

/// A server's options with the certificate that most tests trust.
inline tls_server_options serving(tls_server_options more = {}) {
    if (more.certificate_file.empty() && more.certificate_pem.empty()) {
        more.certificate_pem = test_identity().certificate_pem;
        more.private_key_pem = test_identity().key_pem;
    }
    return more;
}

/// Options that ask clients for a certificate.
inline tls_server_options asking(client_auth how, tls_server_options more = {}) {
    more.client_certificates = how;
    return serving(std::move(more));
}

/// How a client speaks TLS.
struct client_tls {
    identity own{};       ///< empty: it has no certificate
    int min_version = 0;  ///< TLS1_2_VERSION and so on; 0: any
    int max_version = 0;
    std::string alpn{};  ///< as it is sent: each protocol after its length
    std::string ciphers{};
    std::function<void(SSL_CTX*)> prepare{};  ///< for whatever else is to be set
};

/// A connected socket of loopback.
inline int dial(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) throw connection_over();
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

struct free_ssl_ctx {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using client_context = std::unique_ptr<SSL_CTX, free_ssl_ctx>;

/// It trusts the root of `test_identity`.
inline client_context make_client_context(const client_tls& tls = {}) {
    client_context context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context.get(), tls.min_version);
    SSL_CTX_set_max_proto_version(context.get(), tls.max_version);
    const auto from_pem = [](const std::string& text, auto read) {
        const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                         BIO_free);
        return read(memory.get(), nullptr, nullptr, nullptr);
    };
    const x509::certificate_ptr root(from_pem(test_root().certificate_pem(), PEM_read_bio_X509));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (!tls.own.certificate_pem.empty()) {
        const x509::certificate_ptr leaf(from_pem(tls.own.certificate_pem, PEM_read_bio_X509));
        const x509::key_ptr key(from_pem(tls.own.key_pem, PEM_read_bio_PrivateKey));
        SSL_CTX_use_certificate(context.get(), leaf.get());
        SSL_CTX_use_PrivateKey(context.get(), key.get());
        if (!tls.own.issuers_pem.empty())
            SSL_CTX_add0_chain_cert(context.get(), from_pem(tls.own.issuers_pem, PEM_read_bio_X509));
    }
    if (!tls.ciphers.empty()) SSL_CTX_set_cipher_list(context.get(), tls.ciphers.c_str());
    if (!tls.alpn.empty())
        SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(tls.alpn.data()),
                                static_cast<unsigned>(tls.alpn.size()));
    if (tls.prepare) tls.prepare(context.get());
    return context;
}

/// The client's end of one connection, blocking; without a context it is a plain socket.
struct tls_client : server_connection {
    explicit tls_client(std::uint16_t port, SSL_CTX* context = nullptr) : server_connection(dial(port), context) {}

    bool shake_hands() {
        const bool done = SSL_connect(ssl()) == 1;
        ERR_clear_error();
        return done;
    }
    /// Reads on until the server has closed, so that it never meets a reset. Without a goodbye of its own OpenSSL
    /// would not go on with the session.
    void see_off() {
        while (!peer_has_closed()) {
        }
        close_notify();
    }
};

/// Accepts on loopback, and shakes hands.
class tls_listener {
public:
    explicit tls_listener(tls_server server) : server_(std::move(server)) {
        ::signal(SIGPIPE, SIG_IGN);  // SSL_write has no MSG_NOSIGNAL
    }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    net::io_context& io() noexcept { return io_; }
    tls_server& server() noexcept { return server_; }

    using stream_type = tls_stream<net::any_io_executor>;

    /// The next connection's stream, its handshake still to be made.
    stream_type accept_unshaken(std::error_code& error) {
        std::optional<net::ip::tcp::socket> socket;
        acceptor_.async_accept([&](const std::error_code& failed, net::ip::tcp::socket got) {
            if (!failed) socket = std::move(got);
        });
        if (!run_until(io_, [&] { return socket.has_value(); })) throw std::runtime_error("nobody came");
        return server_.make(std::move(*socket), error);
    }
    std::error_code shake_hands(stream_type& stream) {
        for (;;) {
            const io_result step = stream.try_handshake();
            if (step.want == io_want::none) return step.error;
            bool ready = false;
            stream.async_wait(step.want, [&ready](const std::error_code&) { ready = true; });
            if (!run_until(io_, [&] { return ready; })) throw std::runtime_error("the handshake stands still");
        }
    }
    /// The next connection's stream, its handshake made; an error closes it.
    std::optional<stream_type> accept(std::error_code& error) {
        std::optional stream(accept_unshaken(error));
        if (!error) error = shake_hands(*stream);
        if (error) stream.reset();
        return stream;
    }

private:
    net::io_context io_;
    net::ip::tcp::acceptor acceptor_{io_, {net::ip::address_v4::loopback(), 0}};
    tls_server server_;
};

/// One connection to a listener, whose client runs a blocking script on a thread of its own.
struct meeting {
    template <class Script>
    meeting(tls_listener& listener, SSL_CTX* context, Script script)
        : io(listener.io()), client([port = listener.port(), context, script] {
              try {
                  tls_client c(port, context);
                  script(c);
              } catch (const connection_over&) {
              }
          }) {
        stream = listener.accept(error);
    }
    meeting(const meeting&) = delete;
    meeting& operator=(const meeting&) = delete;
    ~meeting() { part(); }

    /// Closes the server's side, if it is not, and waits for the client's script.
    void part() {
        if (stream) stream->close();
        if (client.joinable()) client.join();
    }

    net::io_context& io;
    std::thread client;
    std::error_code error;
    std::optional<tls_listener::stream_type> stream;
};

/// A script: shakes hands and stays until the server closes.
inline void come_and_stay(tls_client& c) {
    if (c.shake_hands()) c.see_off();
}

}  // namespace hotpool::test
