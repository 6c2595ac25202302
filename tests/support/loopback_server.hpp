// A server on loopback, with or without TLS, that runs a blocking function of the test for each connection.
//
//     loopback_server echo([](server_connection& c) { for (;;) c.write(c.read_some()); });
//
// The function runs on a thread of its own and returns, or is thrown out by a read or write, when the peer or
// the test is done. The server's destructor ends all connections and joins the threads.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/certificates.hpp"

namespace hotpool::test {

/// How a server speaks TLS.
struct server_tls {
    identity own;
    std::string client_ca_pem{};  ///< not empty: a client must show a certificate of this root
    int min_version = 0;          ///< TLS1_2_VERSION and so on; 0: any
    int max_version = 0;
    std::string alpn{};                       ///< chosen whatever the client offers; empty: none
    bool choose_only_offered = true;          ///< false: `alpn` is chosen even if the client did not offer it
    std::function<void(SSL_CTX*)> prepare{};  ///< for whatever else is to be set
};

/// Thrown into a connection's function when it can go no further.
struct connection_over : std::runtime_error {
    connection_over() : std::runtime_error("the connection is over") {}
};

/// The server's end of one connection.
class server_connection {
public:
    server_connection(int fd, SSL_CTX* tls) : fd_(fd) {
        if (tls == nullptr) return;
        ssl_.reset(SSL_new(tls));
        SSL_set_fd(ssl_.get(), fd);
    }
    ~server_connection() { close(); }
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;

    bool shake_hands() {
        const bool done = !ssl_ || SSL_accept(ssl_.get()) == 1;
        ERR_clear_error();
        return done;
    }

    /// Whatever has come, at least one byte.
    std::string read_some(std::size_t max_bytes = 64 * 1024) {
        std::string bytes(max_bytes, '\0');
        const long got = ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : ::recv(fd_, bytes.data(), bytes.size(), 0);
        ERR_clear_error();
        if (got <= 0) throw connection_over();
        bytes.resize(static_cast<std::size_t>(got));
        return bytes;
    }
    std::string read_exactly(std::size_t bytes) {
        while (held_.size() < bytes) held_ += read_some();
        return take(bytes);
    }
    /// Everything up to the end of `mark`: read_until("\r\n\r\n") is a request's head.
    std::string read_until(std::string_view mark) {
        for (;;) {
            if (const auto at = held_.find(mark); at != std::string::npos) return take(at + mark.size());
            held_ += read_some();
        }
    }
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const long put = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                  : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            ERR_clear_error();
            if (put <= 0) throw connection_over();
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
    }
    /// Past TLS, straight into the socket.
    void write_raw(std::string_view bytes) {
        if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) throw connection_over();
    }
    /// Waits until the peer has closed or sent something more.
    bool peer_has_closed() {
        char byte = 0;
        return (ssl_ ? SSL_read(ssl_.get(), &byte, 1) : ::recv(fd_, &byte, 1, 0)) <= 0;
    }

    /// Waits until the peer has closed, without reading what it sends.
    void stay() {
        pollfd closed{fd_, POLLRDHUP, 0};
        while (::poll(&closed, 1, -1) < 0) {
        }
    }

    void close_notify() {
        if (ssl_) SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }
    /// Ends this side's sending; the connection stays readable.
    void end_sending() { ::shutdown(fd_, SHUT_WR); }
    /// Ends both directions without a word, from any thread.
    void cut() { ::shutdown(fd_, SHUT_RDWR); }
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }
    void close() {
        if (const int fd = fd_.exchange(-1); fd >= 0) ::close(fd);
    }

    SSL* ssl() const noexcept { return ssl_.get(); }
    int fd() const noexcept { return fd_; }

private:
    struct free_ssl {
        void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    };
    std::string take(std::size_t bytes) {
        std::string taken = held_.substr(0, bytes);
        held_.erase(0, bytes);
        return taken;
    }

    std::atomic<int> fd_;
    std::unique_ptr<SSL, free_ssl> ssl_;
    std::string held_;
};

class loopback_server {
public:
    using script = std::function<void(server_connection&)>;

    // A template, so that clang does not take a braced server_tls for a script.
    template <std::invocable<server_connection&> Script>
    explicit loopback_server(Script each, const char* address = "127.0.0.1") : each_(std::move(each)) {
        listen(address);
    }
    /// A connection whose handshake fails is closed; the function is not called.
    loopback_server(const server_tls& tls, script each, const char* address = "127.0.0.1")
        : tls_(make_context(tls)), each_(std::move(each)) {
        listen(address);
    }
    loopback_server(const loopback_server&) = delete;
    loopback_server& operator=(const loopback_server&) = delete;
    ~loopback_server() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const auto& connection : connections_) connection->cut();
        }
        for (std::thread& thread : threads_) thread.join();
        ::close(listener_);
    }

    /// What a restart would: connections accepted from now on meet other certificates, versions and ticket keys.
    void change_tls(const server_tls& tls) {
        context_ptr fresh = make_context(tls);
        const std::lock_guard lock(mutex_);
        tls_ = std::move(fresh);
    }

    std::string port() const { return std::to_string(port_); }
    int accepted() const noexcept { return accepted_; }
    int handshakes_failed() const noexcept { return handshakes_failed_; }

private:
    struct shared_connection : server_connection {
        using server_connection::server_connection;
        void cut() {
            if (!done) server_connection::cut();
        }
        std::atomic<bool> done = false;
    };

    void listen(const char* address) {
        ::signal(SIGPIPE, SIG_IGN);  // SSL_write has no MSG_NOSIGNAL
        const bool six = std::string_view(address).find(':') != std::string_view::npos;
        listener_ = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage any{};
        socklen_t size = sizeof any;
        if (six) {
            auto* to = reinterpret_cast<sockaddr_in6*>(&any);
            to->sin6_family = AF_INET6;
            ::inet_pton(AF_INET6, address, &to->sin6_addr);
            size = sizeof *to;
        } else {
            auto* to = reinterpret_cast<sockaddr_in*>(&any);
            to->sin_family = AF_INET;
            ::inet_pton(AF_INET, address, &to->sin_addr);
            size = sizeof *to;
        }
        auto* const name = reinterpret_cast<sockaddr*>(&any);
        if (::bind(listener_, name, size) != 0 || ::listen(listener_, 128) != 0 ||
            ::getsockname(listener_, name, &size) != 0)
            throw std::runtime_error("cannot listen on loopback");
        // Both families keep the port at the same place.
        port_ = ntohs(reinterpret_cast<sockaddr_in*>(&any)->sin_port);
        acceptor_ = std::thread([this] { accept_all(); });
    }

    void accept_all() {
        while (!stopping_) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ++accepted_;
            const std::lock_guard lock(mutex_);
            auto connection = std::make_shared<shared_connection>(fd, tls_.get());
            connections_.push_back(connection);
            threads_.emplace_back([this, connection] { serve(*connection); });
        }
    }

    void serve(shared_connection& connection) {
        try {
            if (connection.shake_hands())
                each_(connection);
            else
                ++handshakes_failed_;
        } catch (const connection_over&) {
        }
        const std::lock_guard lock(mutex_);
        connection.done = true;
        connection.close();
    }

    struct free_context {
        void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
    };
    using context_ptr = std::unique_ptr<SSL_CTX, free_context>;

    context_ptr make_context(const server_tls& tls) {
        context_ptr context(SSL_CTX_new(TLS_server_method()));
        SSL_CTX_set_min_proto_version(context.get(), tls.min_version);
        SSL_CTX_set_max_proto_version(context.get(), tls.max_version);
        const auto from_pem = [](const std::string& text, auto read) {
            const std::unique_ptr<BIO, int (*)(BIO*)> memory(
                BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
            return read(memory.get(), nullptr, nullptr, nullptr);
        };
        X509* const leaf = from_pem(tls.own.certificate_pem, PEM_read_bio_X509);
        EVP_PKEY* const key = from_pem(tls.own.key_pem, PEM_read_bio_PrivateKey);
        SSL_CTX_use_certificate(context.get(), leaf);
        SSL_CTX_use_PrivateKey(context.get(), key);
        X509_free(leaf);
        EVP_PKEY_free(key);
        if (!tls.own.issuers_pem.empty())
            SSL_CTX_add0_chain_cert(context.get(), from_pem(tls.own.issuers_pem, PEM_read_bio_X509));
        if (!tls.client_ca_pem.empty()) {
            X509* const root = from_pem(tls.client_ca_pem, PEM_read_bio_X509);
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root);
            X509_free(root);
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        }
        if (!tls.alpn.empty()) {
            alpn_ = {tls.alpn, tls.choose_only_offered};
            SSL_CTX_set_alpn_select_cb(context.get(), &choose_protocol, &alpn_);
        }
        if (tls.prepare) tls.prepare(context.get());
        return context;
    }

    struct alpn_choice {
        std::string protocol;
        bool only_offered = true;
    };
    static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                               const unsigned char* offered, unsigned offered_size, void* data) {
        const auto& choice = *static_cast<alpn_choice*>(data);
        const std::string wire = static_cast<char>(choice.protocol.size()) + choice.protocol;
        const std::string_view all(reinterpret_cast<const char*>(offered), offered_size);
        if (choice.only_offered && all.find(wire) == std::string_view::npos) return SSL_TLSEXT_ERR_ALERT_FATAL;
        *chosen = reinterpret_cast<const unsigned char*>(choice.protocol.data());
        *chosen_size = static_cast<unsigned char>(choice.protocol.size());
        return SSL_TLSEXT_ERR_OK;
    }

    alpn_choice alpn_;
    context_ptr tls_;
    script each_;
    int listener_ = -1;
    unsigned short port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> accepted_ = 0;
    std::atomic<int> handshakes_failed_ = 0;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<shared_connection>> connections_;
    std::vector<std::thread> threads_;
};

// --- scripts

inline void echo(server_connection& c) {
    for (;;) c.write(c.read_some());
}
inline void stay(server_connection& c) { c.stay(); }

/// Where nobody listens any more.
inline std::string closed_port() { return loopback_server(stay).port(); }

}  // namespace hotpool::test
