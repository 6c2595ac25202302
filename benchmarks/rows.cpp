// What every row shares: the request's bytes, and the check of a response's first bytes.
#include "bench.hpp"

#include <charconv>
#include <stdexcept>

namespace bench {

std::string request_bytes(const job& job) {
    return "GET " + job.path + " HTTP/1.1\r\nHost: " + job.host + ':' + job.port + "\r\nConnection: keep-alive\r\n\r\n";
}

std::size_t response_bytes(std::string_view text, const job& job) {
    constexpr std::string_view end = "\r\n\r\n";
    constexpr std::string_view field = "Content-Length: ";
    const std::size_t head = text.find(end);
    if (head == text.npos) return 0;
    const std::string_view lines = text.substr(0, head);
    const std::size_t at = lines.find(field);
    std::size_t length = 0;
    if (at != lines.npos) std::from_chars(lines.data() + at + field.size(), lines.data() + lines.size(), length);
    if (!lines.starts_with("HTTP/1.1 200 ") || length != job.body_bytes)
        throw std::runtime_error{"unexpected response: " + std::string{lines}};
    return head + end.size() + length;
}

}  // namespace bench
