// What tests of acceptors on real sockets share: clients that block, a loop on a thread of its own, a server that echoes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/inbound/acceptor.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"

namespace hotpool::test {

/// How a client's read ended.
enum class peer_end { none, closed, reset, timed_out };

/// A client on a blocking socket, which gives up after `plenty`.
class client_socket {
public:
    /// Not connected yet.
    explicit client_socket(bool six = false) : six_(six) {
        ::signal(SIGPIPE, SIG_IGN);
        fd_ = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd_ < 0) throw std::runtime_error("no socket");
        const timeval limit{static_cast<time_t>(plenty.count()), 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    explicit client_socket(std::uint16_t port, const char* to = "127.0.0.1", const char* from = nullptr)
        : client_socket(std::string_view(to).find(':') != std::string_view::npos) {
        connect(port, to, from);
    }
    client_socket(client_socket&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)),
          six_(other.six_),
          connected_(other.connected_),
          ssl_(std::move(other.ssl_)),
          context_(std::move(other.context_)) {}
    ~client_socket() { close(); }

    void connect(std::uint16_t port, const char* to = "127.0.0.1", const char* from = nullptr) {
        sockaddr_storage address{};
        if (from != nullptr) {
            const socklen_t size = fill(address, six_, from, 0);
            if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("cannot bind");
        }
        const socklen_t size = fill(address, six_, to, port);
        connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0;
    }
    bool is_connected() const noexcept { return connected_; }
    int fd() const noexcept { return fd_; }
    SSL* ssl() const noexcept { return ssl_.get(); }

    /// Trusts nobody and asks nobody: what is tested is the other side.
    bool shake_hands(const identity* own = nullptr) {
        context_.reset(SSL_CTX_new(TLS_client_method()));
        if (own != nullptr) use(*own);
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), fd_);
        const bool done = SSL_connect(ssl_.get()) == 1;
        ERR_clear_error();
        return done;
    }

    bool write(std::string_view bytes) {
        while (!bytes.empty()) {
            const long put = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                  : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            ERR_clear_error();
            if (put <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
        return true;
    }
    /// What comes next, empty at the end.
    std::string read_some(std::size_t most = 16 * 1024) {
        std::string bytes(most, '\0');
        errno = 0;
        const long got =
            ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(most)) : ::recv(fd_, bytes.data(), most, 0);
        if (got <= 0) {
            const bool goodbye = ssl_ && (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
            said_goodbye_ = ssl_ ? goodbye : got == 0;
            end_ = errno == EAGAIN ? peer_end::timed_out : errno == ECONNRESET ? peer_end::reset : peer_end::closed;
        }
        ERR_clear_error();
        bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return bytes;
    }
    std::string read_exactly(std::size_t bytes) {
        std::string all;
        while (all.size() < bytes) {
            const std::string more = read_some(bytes - all.size());
            if (more.empty()) break;
            all += more;
        }
        return all;
    }
    std::string read_to_end() {
        std::string all;
        for (std::string more = read_some(); !more.empty(); more = read_some()) all += more;
        return all;
    }
    /// Reads until the server ends the connection.
    peer_end wait_for_end() {
        read_to_end();
        return end_;
    }
    /// Whether the end was one in order, in TLS too. After a read has met it.
    bool said_goodbye() const noexcept { return said_goodbye_; }

    void end_sending() {
        if (ssl_) SSL_shutdown(ssl_.get());
        ERR_clear_error();
        ::shutdown(fd_, SHUT_WR);
    }
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }
    void close() {
        if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
    }

private:
    struct free_ssl {
        void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
        void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
    };
    static socklen_t fill(sockaddr_storage& out, bool six, const char* address, std::uint16_t port) {
        out = {};
        if (six) {
            auto* const to = reinterpret_cast<sockaddr_in6*>(&out);
            to->sin6_family = AF_INET6;
            to->sin6_port = htons(port);
            ::inet_pton(AF_INET6, address, &to->sin6_addr);
            return sizeof *to;
        }
        auto* const to = reinterpret_cast<sockaddr_in*>(&out);
        to->sin_family = AF_INET;
        to->sin_port = htons(port);
        ::inet_pton(AF_INET, address, &to->sin_addr);
        return sizeof *to;
    }
    void use(const identity& own) {
        const auto from_pem = [](const std::string& text, auto read) {
            const std::unique_ptr<BIO, int (*)(BIO*)> memory(
                BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
            return read(memory.get(), nullptr, nullptr, nullptr);
        };
        X509* const leaf = from_pem(own.certificate_pem, PEM_read_bio_X509);
        EVP_PKEY* const key = from_pem(own.key_pem, PEM_read_bio_PrivateKey);
        SSL_CTX_use_certificate(context_.get(), leaf);
        SSL_CTX_use_PrivateKey(context_.get(), key);
        X509_free(leaf);
        EVP_PKEY_free(key);
    }

    int fd_ = -1;
    bool six_ = false;
    bool connected_ = false;
    bool said_goodbye_ = false;
    peer_end end_ = peer_end::none;
    std::unique_ptr<SSL, free_ssl> ssl_;
    std::unique_ptr<SSL_CTX, free_ssl> context_;
};

/// An io_context that runs on threads of its own until the end.
class running_loop {
public:
    explicit running_loop(int threads = 1) : work_(net::make_work_guard(io)) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { io.run(); });
    }
    ~running_loop() { finish(); }
    /// Lets it run out of work.
    void finish() {
        work_.reset();
        for (std::thread& t : threads_) t.join();
        threads_.clear();
    }

    net::io_context io;

private:
    net::executor_work_guard<net::io_context::executor_type> work_;
    std::vector<std::thread> threads_;
};

/// Plain and over TLS, for test cases that try both.
struct accept_tcp {
    using acceptor_type = inbound::tcp_acceptor;
    static constexpr bool handshakes = false;
    static tcp_server_options options() { return {}; }
    static client_socket connect(std::uint16_t port, const char* to = "127.0.0.1", const char* from = nullptr) {
        return client_socket(port, to, from);
    }
};
struct accept_tls {
    using acceptor_type = inbound::tls_acceptor;
    static constexpr bool handshakes = true;
    static tls_server_options options() {
        return {.certificate_pem = test_identity().certificate_pem, .private_key_pem = test_identity().key_pem};
    }
    static client_socket connect(std::uint16_t port, const char* to = "127.0.0.1", const char* from = nullptr) {
        client_socket client(port, to, from);
        if (client.is_connected()) client.shake_hands();
        return client;
    }
};

/// On loopback, with no limit that a test has not asked for.
inline inbound::acceptor_options on_loopback(inbound::acceptor_options options = {}) {
    if (options.addresses.empty()) options.addresses = {"127.0.0.1"};
    if (options.admission.max_connections_per_group == 10) options.admission.max_connections_per_group = 0;
    options.resources.check_interval = duration::zero();
    return options;
}

/// Echoes on every connection that an acceptor hands out, each until it ends, and leaves when it is told to.
template <class Acceptor>
class echo_service : public std::enable_shared_from_this<echo_service<Acceptor>> {
public:
    using connection_type = typename Acceptor::connection_type;

    explicit echo_service(Acceptor& acceptor) : acceptor_(acceptor) {}
    void start() { accept(); }

    std::atomic<int> accepted{0};
    std::atomic<int> ended{0};
    std::atomic<int> drained{0};
    /// Of the last one that ended.
    std::error_code last_error() const {
        const std::lock_guard lock(mutex_);
        return last_error_;
    }
    std::error_code accept_error() const {
        const std::lock_guard lock(mutex_);
        return accept_error_;
    }

private:
    struct session : std::enable_shared_from_this<session> {
        session(connection_type c, std::shared_ptr<echo_service> s) : connection(std::move(c)), service(std::move(s)) {}
        ~session() { ++service->ended; }

        void start() {
            connection.on_drain([weak = this->weak_from_this()] {
                if (const auto self = weak.lock()) self->leave();
            });
            read();
        }
        void leave() {
            ++service->drained;
            leaving = true;
            if (!busy) end();
        }
        void end() {
            connection.async_close([self = this->shared_from_this()](std::error_code) {});
        }
        void read() {
            connection.async_read_some(net::buffer(bytes),
                                       [self = this->shared_from_this()](std::error_code e, std::size_t n) {
                                           if (e) return self->over(e);
                                           self->busy = true;
                                           self->write(0, n);
                                       });
        }
        void write(std::size_t from, std::size_t to) {
            connection.async_write_some(net::buffer(bytes.data() + from, to - from),
                                        [self = this->shared_from_this(), from, to](std::error_code e, std::size_t n) {
                                            if (e) return self->over(e);
                                            if (from + n < to) return self->write(from + n, to);
                                            self->busy = false;
                                            if (self->leaving) return self->end();
                                            self->read();
                                        });
        }
        void over(std::error_code e) {
            const std::lock_guard lock(service->mutex_);
            service->last_error_ = e;
        }

        connection_type connection;
        std::shared_ptr<echo_service> service;
        std::array<char, 4096> bytes;
        bool busy = false;
        bool leaving = false;
    };

    void accept() {
        acceptor_.async_accept([self = this->shared_from_this()](std::error_code error, connection_type c) {
            if (error) {
                const std::lock_guard lock(self->mutex_);
                self->accept_error_ = error;
                return;
            }
            ++self->accepted;
            self->accept();
            const auto executor = c.get_executor();
            const auto made = std::make_shared<session>(std::move(c), self);
            net::dispatch(executor, [made] { made->start(); });
        });
    }

    Acceptor& acceptor_;
    mutable std::mutex mutex_;
    std::error_code last_error_;
    std::error_code accept_error_;
};

/// An acceptor with its loop and an echo on every connection.
template <class Kind>
struct echo_server {
    using acceptor_type = typename Kind::acceptor_type;
    using services_type = typename acceptor_type::services_type;

    explicit echo_server(const inbound::acceptor_options& options = {}, services_type services = {}, int threads = 1)
        : loop(threads),
          acceptor(loop.io.get_executor(), on_loopback(options), Kind::options(), std::move(services)),
          service(std::make_shared<echo_service<acceptor_type>>(acceptor)) {
        service->start();
    }
    ~echo_server() { acceptor.close(); }

    std::uint16_t port() const { return acceptor.port(); }
    client_socket connect(const char* to = "127.0.0.1", const char* from = nullptr) const {
        return Kind::connect(port(), to, from);
    }
    std::uint64_t closed(inbound::close_reason why) const { return acceptor.stats().total.closed_for(why); }
    std::uint64_t refused(inbound::refuse_reason why) const { return acceptor.stats().total.refused_for(why); }
    /// Whether nothing is left, and what was accepted ended for a reason each.
    bool is_spent() const {
        const inbound::inbound_stats s = acceptor.stats();
        std::uint64_t all = 0;
        for (const std::uint64_t n : s.total.closed) all += n;
        return s.now.total() == 0 && all == s.total.accepted;
    }

    running_loop loop;
    acceptor_type acceptor;
    std::shared_ptr<echo_service<acceptor_type>> service;
};

/// One accepted connection and its client, on a loop that the test runs.
template <class Kind>
struct accepted_pair {
    using acceptor_type = typename Kind::acceptor_type;
    using connection_type = typename acceptor_type::connection_type;

    explicit accepted_pair(const inbound::acceptor_options& options = {})
        : acceptor(std::make_unique<acceptor_type>(io->get_executor(), on_loopback(options), Kind::options())) {
        connect();
    }

    /// Connects (anew), and waits until that is accepted.
    void connect() {
        connection = {};
        client.reset();
        bool over = false;
        acceptor->async_accept([&](std::error_code error, connection_type c) {
            over = true;
            CHECK_FALSE(error);
            connection = std::move(c);
        });
        auto connecting = std::async(std::launch::async, [port = acceptor->port()] { return Kind::connect(port); });
        REQUIRE(run([&] { return over && connecting.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
        client.emplace(connecting.get());
    }
    bool run(predicate done) { return run_until(*io, done); }
    /// What `operation(handler)` ended with.
    template <class Operation>
    std::error_code outcome(Operation operation) {
        std::optional<std::error_code> result;
        operation([&](std::error_code error, auto...) {
            CHECK_FALSE(result);
            result = error;
        });
        CHECK_FALSE(result);  // never inside the call
        if (!run([&] { return result.has_value(); })) return std::make_error_code(std::errc::timed_out);
        return *result;
    }
    /// What one read brings.
    std::string read() {
        std::string room(1000, '\0');
        std::size_t bytes = 0;
        const std::error_code error = outcome([&](auto done) {
            connection.async_read_some(net::buffer(room), [&bytes, done](std::error_code e, std::size_t n) mutable {
                bytes = n;
                done(e);
            });
        });
        return error ? error.message() : room.substr(0, bytes);
    }
    std::error_code read_error() {
        char byte;
        return outcome([&](auto done) { connection.async_read_some(net::buffer(&byte, 1), done); });
    }
    std::error_code write(std::string_view text) {
        return outcome([&](auto done) { connection.async_write_some(net::buffer(text), done); });
    }
    std::uint64_t closed(inbound::close_reason why) const { return acceptor->stats().total.closed_for(why); }
    std::size_t left() const { return acceptor->stats().now.total(); }

    std::unique_ptr<net::io_context> io = std::make_unique<net::io_context>();
    std::unique_ptr<acceptor_type> acceptor;
    connection_type connection;
    std::optional<client_socket> client;
};

}  // namespace hotpool::test
