// The file in which the keys of TLS connections are written down, for those who look at recorded bytes.
#pragma once

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "hotpool/transport/openssl.hpp"

namespace hotpool::detail {

/// Lines as `SSLKEYLOGFILE` has them, appended. Whoever reads the file reads the connections, so only its owner may.
/// @threads any thread: a line is one write, and whole where several processes share the file
/// @source RFC 9850
class tls_key_log {
public:
    /// @return null if the file cannot be opened
    static std::shared_ptr<const tls_key_log> open(const std::string& file) {
        const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
        return descriptor < 0 ? nullptr : std::shared_ptr<const tls_key_log>(new tls_key_log(descriptor));
    }
    tls_key_log(const tls_key_log&) = delete;
    tls_key_log& operator=(const tls_key_log&) = delete;
    ~tls_key_log() { ::close(descriptor_); }

    /// A line that cannot be written is lost, and no connection with it.
    void write(const char* line) const noexcept {
        char end = '\n';
        const std::array<iovec, 2> whole{iovec{const_cast<char*>(line), std::strlen(line)}, iovec{&end, 1}};
        [[maybe_unused]] const ssize_t written = ::writev(descriptor_, whole.data(), static_cast<int>(whole.size()));
    }

private:
    explicit tls_key_log(int descriptor) noexcept : descriptor_(descriptor) {}

    const int descriptor_;
};

/// Where a context keeps its log; negative if OpenSSL has no room.
inline int key_log_index() noexcept {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

/// @param log as long as any session of the context
/// @return false if OpenSSL has no room
inline bool keep_keys(SSL_CTX& context, const tls_key_log& log) noexcept {
    if (SSL_CTX_set_ex_data(&context, key_log_index(), const_cast<tls_key_log*>(&log)) != 1) return false;
    SSL_CTX_set_keylog_callback(&context, [](const SSL* session, const char* line) {
        const void* const kept = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), key_log_index());
        static_cast<const tls_key_log*>(kept)->write(line);
    });
    return true;
}

}  // namespace hotpool::detail
