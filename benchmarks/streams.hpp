// A TCP connection, and one with OpenSSL on it, as the bare rows use them: nothing between them and the system calls.
#pragma once

#include "bench.hpp"

#include <openssl/ssl.h>
#include <memory>
#include <string_view>

namespace bench {

enum class blocking { yes, no };

class plain_stream {
public:
    plain_stream(const job& job, blocking mode);
    plain_stream(plain_stream&& other) noexcept;
    plain_stream& operator=(plain_stream&&) = delete;
    ~plain_stream();

    void write(std::string_view bytes);  // all at once: a request fits the send buffer

    // What one call brings; 0 if nothing is there yet. Throws at the end of the stream.
    std::size_t read(char* to, std::size_t size);

    int fd() const { return fd_; }
    std::size_t response_size() const { return response_size_; }

private:
    int fd_ = -1;
    std::size_t response_size_ = 0;
};

class openssl_stream {
public:
    openssl_stream(const job& job, blocking mode);

    void write(std::string_view bytes);
    std::size_t read(char* to, std::size_t size);  // takes every record that has arrived

    int fd() const { return SSL_get_fd(ssl_.get()); }
    std::size_t response_size() const { return response_size_; }

private:
    struct close_tls {
        void operator()(SSL* ssl) const;
    };
    std::unique_ptr<SSL, close_tls> ssl_;
    std::size_t response_size_ = 0;
};

}  // namespace bench
