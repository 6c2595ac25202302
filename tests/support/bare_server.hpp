// The least server: what bad clients cost everybody on the same machine, whatever serves.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "hotpool/base/time.hpp"
#include "support/certificates.hpp"
#include "support/siege_kinds.hpp"
#include "support/siege_server.hpp"

namespace hotpool::test {

/// A thread around epoll, without a library but OpenSSL: one read for each readiness, one write for each answer. It
/// answers as `siege_server` does, keeps a body until it is whole, and knows its bad clients by their addresses: it ends
/// a flood of records before it has read one.
/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class bare_server {
public:
    bare_server() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&at), size);
        ::listen(listener_, 1024);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        watch(listener_, EPOLL_CTL_ADD);
        if constexpr (Kind::handshakes) context_ = server_context();
        thread_ = std::thread([this] { run(); });
    }
    ~bare_server() {
        over_ = true;
        thread_.join();
        clients_.clear();
        ::close(listener_);
        ::close(epoll_);
    }
    bare_server(const bare_server&) = delete;

    std::uint16_t port() const noexcept { return port_; }

private:
    using ssl_context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

    struct client {
        client(int s, std::uint32_t a) : fd(s), address(a) {}
        ~client() { ::close(fd); }
        client(const client&) = delete;

        const int fd;
        const std::uint32_t address;
        std::unique_ptr<SSL, void (*)(SSL*)> ssl{nullptr, SSL_free};
        bool shaken = !Kind::handshakes;
        bool is_flood = false;
        time_point limit = time_point::max();
        std::string request;
        std::size_t head = 0, body = 0;  // their sizes, once known
    };

    static ssl_context server_context() {
        ssl_context made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
        const auto bio = [](const std::string& pem) {
            return std::unique_ptr<BIO, int (*)(BIO*)>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                       BIO_free);
        };
        const std::unique_ptr<X509, void (*)(X509*)> shown(
            PEM_read_bio_X509(bio(test_identity().certificate_pem).get(), nullptr, nullptr, nullptr), X509_free);
        const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
            PEM_read_bio_PrivateKey(bio(test_identity().key_pem).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
        SSL_CTX_use_certificate(made.get(), shown.get());
        SSL_CTX_use_PrivateKey(made.get(), key.get());
        return made;
    }
    void watch(int fd, int operation) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        ::epoll_ctl(epoll_, operation, fd, &event);
    }

    void run() {
        std::array<epoll_event, 128> events;
        while (!over_) {
            const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10);
            for (int i = 0; i < n; ++i) {
                const int fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == listener_)
                    accept();
                else if (const auto c = clients_.find(fd); c != clients_.end() && !serve(*c->second))
                    clients_.erase(c);
            }
            const time_point now = clock_type::now();
            std::erase_if(clients_, [&](const auto& c) { return c.second->limit < now && cut(c.first); });
        }
    }
    /// By a reset, which a client sees that reads nothing.
    static bool cut(int fd) {
        const linger at_once{1, 0};
        return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0;
    }
    void accept() {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const int fd = ::accept4(listener_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::uint32_t address = ntohl(from.sin_addr.s_addr);
        const auto same = std::count_if(clients_.begin(), clients_.end(),
                                        [&](const auto& c) { return c.second->address == address; });
        if (same >= siege_limits::connections_per_group) return refuse(fd);
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto c = std::make_unique<client>(fd, address);
        const unsigned network = (address >> 8) & 0xFF;
        c->is_flood = network == 10 + static_cast<unsigned>(siege_kind::bare_records);
        if (network != 0) c->limit = base::after(clock_type::now(), siege_limits::patience);
        if constexpr (Kind::handshakes) {
            c->ssl.reset(SSL_new(context_.get()));
            SSL_set_fd(c->ssl.get(), fd);
        }
        clients_.emplace(fd, std::move(c));
        watch(fd, EPOLL_CTL_ADD);
    }
    static void refuse(int fd) {
        constexpr std::string_view why = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        if (!Kind::handshakes) static_cast<void>(::send(fd, why.data(), why.size(), MSG_NOSIGNAL));
        ::close(fd);
    }
    /// False at its end.
    bool serve(client& c) {
        if (!c.shaken) {
            const int done = SSL_accept(c.ssl.get());
            if (done != 1) return goes_on(c, done);
            c.shaken = true;
            if (c.is_flood) return false;
        }
        const int n = read(c);
        if (n <= 0) return goes_on(c, n);
        return take(c, std::string_view(room_.data(), static_cast<std::size_t>(n)));
    }
    int read(client& c) {
        if (c.ssl == nullptr) return static_cast<int>(::recv(c.fd, room_.data(), room_.size(), 0));
        return SSL_read(c.ssl.get(), room_.data(), static_cast<int>(room_.size()));
    }
    static bool goes_on(client& c, int result) {
        if (c.ssl == nullptr) return result < 0 && errno == EAGAIN;
        const int why = SSL_get_error(c.ssl.get(), result);
        ERR_clear_error();
        if (why == SSL_ERROR_ZERO_RETURN) SSL_shutdown(c.ssl.get());
        return why == SSL_ERROR_WANT_READ;
    }
    bool take(client& c, std::string_view bytes) {
        c.request += bytes;
        for (;;) {
            if (c.head == 0) {
                const std::string_view seen = c.request;
                if (!std::string_view("POST").starts_with(seen.substr(0, 4)) && !seen.starts_with("GET")) return false;
                const std::size_t end = seen.find("\r\n\r\n");
                if (end == seen.npos) return true;
                c.head = end + 4;
                const std::size_t length = seen.substr(0, end).find("Content-Length: ");
                c.body = length == seen.npos ? 0 : static_cast<std::size_t>(std::atol(c.request.c_str() + length + 16));
            }
            if (c.request.size() < c.head + c.body) return true;
            answer(c);
            c.request.erase(0, c.head + c.body);
            c.head = c.body = 0;
            if (c.request.empty()) return true;
        }
    }
    void answer(client& c) const {
        const std::string_view target = std::string_view(c.request).substr(0, c.request.find(" HTTP/"));
        std::string body(target.substr(target.rfind('/') + 1));
        body += ':';
        body.append(c.request, c.head, c.body);
        const std::string reply =
            "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        if (c.ssl == nullptr)
            static_cast<void>(::send(c.fd, reply.data(), reply.size(), MSG_NOSIGNAL));
        else
            SSL_write(c.ssl.get(), reply.data(), static_cast<int>(reply.size()));
    }

    const int listener_;
    const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::uint16_t port_ = 0;
    ssl_context context_{nullptr, SSL_CTX_free};
    std::map<int, std::unique_ptr<client>> clients_;
    std::array<char, 64 * 1024> room_;
    std::atomic<bool> over_{false};
    std::thread thread_;
};

}  // namespace hotpool::test
