#include "dial.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "fail.hpp"

namespace bench {

plain_dial::plain_dial(const job& job) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<in_port_t>(std::stoi(job.port)));
    if (::inet_pton(AF_INET, job.host.c_str(), &to.sin_addr) != 1)
        throw std::invalid_argument{"not an address: " + job.host};
    const int on = 1;
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        fail("connect");
}

plain_dial::~plain_dial() { ::close(fd_); }

void plain_dial::write(std::string_view bytes) {
    if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) fail("send");
}

std::size_t plain_dial::read(char* to, std::size_t size) {
    const ssize_t got = ::recv(fd_, to, size, 0);
    if (got == 0) throw std::runtime_error{"the server closed the connection"};
    if (got < 0) fail("recv");
    return static_cast<std::size_t>(got);
}

tls_context make_tls_context(const job& job) {
    constexpr unsigned char alpn[] = "\x08http/1.1";
    tls_context made{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    if (!made || SSL_CTX_load_verify_locations(made.get(), job.ca_file.c_str(), nullptr) != 1 ||
        X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(made.get()), job.host.c_str()) != 1 ||
        SSL_CTX_set_alpn_protos(made.get(), alpn, sizeof alpn - 1) != 0)
        fail_tls("TLS context");
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_read_ahead(made.get(), 1);
    return made;
}

tls_tickets::tls_tickets(SSL_CTX* context) {
    SSL_CTX_set_app_data(context, this);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &keep);
}

int tls_tickets::keep(SSL* ssl, SSL_SESSION* given) {
    static_cast<tls_tickets*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->newest_.reset(given);
    return 1;
}

tls_dial::tls_dial(const job& job, SSL_CTX* context, SSL_SESSION* session)
    : socket_{job}, ssl_{SSL_new(context), &SSL_free} {
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.fd()) != 1 ||
        (session != nullptr && SSL_set_session(ssl_.get(), session) != 1) || SSL_connect(ssl_.get()) != 1)
        fail_tls("TLS handshake");
}

tls_dial::~tls_dial() { SSL_shutdown(ssl_.get()); }

void tls_dial::write(std::string_view bytes) {
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) fail_tls("SSL_write");
}

std::size_t tls_dial::read(char* to, std::size_t size) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), to, size, &got) != 1) fail_tls("SSL_read");
    return got;
}

}  // namespace bench
