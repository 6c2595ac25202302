#include "streams.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <stdexcept>
#include <utility>

#include "fail.hpp"

namespace bench {

namespace {

int connect_to(const job& job) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(job.host.c_str(), job.port.c_str(), &hints, &found) != 0)
        throw std::runtime_error{"cannot resolve " + job.host};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address{found, ::freeaddrinfo};
    const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, address->ai_addr, address->ai_addrlen) != 0) fail("connect");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

SSL_CTX* client_context(const job& job) {
    static SSL_CTX* const context = [&job] {
        SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
        if (made == nullptr || SSL_CTX_load_verify_locations(made, job.ca_file.c_str(), nullptr) != 1)
            fail_tls("TLS context");
        SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_read_ahead(made, 1);  // a record's head and body in one read
        return made;
    }();
    return context;
}

// One request by blocking calls: checks the server's answer and learns how long its answers are.
template <class Stream>
std::size_t learn_response_size(Stream& stream, const job& job, blocking mode) {
    stream.write(request_bytes(job));
    std::string response;
    std::size_t size = 0;
    while (size == 0 || response.size() < size) {
        std::array<char, 4096> part;
        response.append(part.data(), stream.read(part.data(), part.size()));
        if (size == 0) size = response_bytes(response, job);
    }
    if (mode == blocking::no) ::fcntl(stream.fd(), F_SETFL, ::fcntl(stream.fd(), F_GETFL) | O_NONBLOCK);
    return size;
}

}  // namespace

plain_stream::plain_stream(const job& job, blocking mode) : fd_{connect_to(job)} {
    response_size_ = learn_response_size(*this, job, mode);
}

plain_stream::plain_stream(plain_stream&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, response_size_{other.response_size_} {}

plain_stream::~plain_stream() {
    if (fd_ >= 0) ::close(fd_);
}

void plain_stream::write(std::string_view bytes) {
    if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) fail("send");
}

std::size_t plain_stream::read(char* to, std::size_t size) {
    const ssize_t got = ::recv(fd_, to, size, 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EAGAIN) return 0;
    fail("recv");
}

openssl_stream::openssl_stream(const job& job, blocking mode) : ssl_{SSL_new(client_context(job))} {
    const int fd = connect_to(job);
    if (SSL_set_fd(ssl_.get(), fd) != 1 || SSL_connect(ssl_.get()) != 1) fail_tls("TLS handshake");
    response_size_ = learn_response_size(*this, job, mode);
}

void openssl_stream::close_tls::operator()(SSL* ssl) const {
    const int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    ::close(fd);
}

void openssl_stream::write(std::string_view bytes) {
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) fail_tls("SSL_write");
}

std::size_t openssl_stream::read(char* to, std::size_t size) {
    std::size_t total = 0;
    do {
        std::size_t got = 0;
        if (SSL_read_ex(ssl_.get(), to + total, size - total, &got) != 1) {
            if (SSL_get_error(ssl_.get(), 0) == SSL_ERROR_WANT_READ) break;
            fail_tls("SSL_read");
        }
        total += got;
    } while (total < size && SSL_has_pending(ssl_.get()) == 1);
    return total;
}

}  // namespace bench
