// Connections as a program without a library makes them: blocking calls, one after the other.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bench.hpp"

namespace bench {

class plain_dial {
public:
    explicit plain_dial(const job& job);  // connects
    plain_dial(const plain_dial&) = delete;
    plain_dial& operator=(const plain_dial&) = delete;
    ~plain_dial();

    void write(std::string_view bytes);
    std::size_t read(char* to, std::size_t size);  // at least one byte
    int fd() const { return fd_; }

private:
    int fd_ = -1;
};

using tls_context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// Verifies the chain and the server's address, and offers and reads what hotpool does.
tls_context make_tls_context(const job& job);

class tls_dial {
public:
    // Connects and shakes hands. With a session it asks to resume that; `resumed` says what came of it.
    tls_dial(const job& job, SSL_CTX* context, SSL_SESSION* session = nullptr);
    ~tls_dial();

    void write(std::string_view bytes);
    std::size_t read(char* to, std::size_t size);
    bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    SSL* ssl() const { return ssl_.get(); }

private:
    plain_dial socket_;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

// The newest session that the server has given to any connection of a context, each to be used once.
class tls_tickets {
public:
    using session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

    explicit tls_tickets(SSL_CTX* context);  // must stay in its place while the context is used
    tls_tickets(const tls_tickets&) = delete;
    tls_tickets& operator=(const tls_tickets&) = delete;

    session take() { return std::exchange(newest_, session{nullptr, &SSL_SESSION_free}); }

private:
    static int keep(SSL* ssl, SSL_SESSION* given);
    session newest_{nullptr, &SSL_SESSION_free};
};

// One request and its response in full.
template <class Dial>
void fetch(Dial& connection, const std::string& request, const job& job) {
    connection.write(request);
    std::array<char, 4096> response;
    std::size_t received = 0;
    for (std::size_t size = 0; size == 0 || received < size;) {
        received += connection.read(response.data() + received, response.size() - received);
        if (size == 0) size = response_bytes({response.data(), received}, job);
    }
}

}  // namespace bench
