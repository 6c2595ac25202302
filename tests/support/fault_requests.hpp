// The requests of a fault bench: each carries its id, and so does its response.
//
//     GET /<id>, POST /<id>    processed, and answered with `body_of(id)`
//     HEAD /                   a probe
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace hotpool::test {

using request_id = std::uint64_t;

/// How often each request has been processed, by whichever origin. @threads any thread
class request_log {
public:
    /// @param ids requests have the numbers below this
    explicit request_log(std::size_t ids) : times_(ids), whole_(ids) {}
    void processed(request_id id) noexcept {
        if (id < times_.size())
            ++times_[id];
        else
            ++garbled_;
    }
    /// Its body has come to its end, be it before or after the response.
    void received(request_id id) noexcept {
        if (id < whole_.size()) whole_[id] = true;
    }
    void garbled() noexcept { ++garbled_; }

    unsigned times(request_id id) const noexcept { return times_[id]; }
    bool came_whole(request_id id) const noexcept { return whole_[id]; }
    /// Requests that nobody has sent like this.
    unsigned garbled_requests() const noexcept { return garbled_; }

private:
    std::vector<std::atomic<std::uint8_t>> times_;
    std::vector<std::atomic<bool>> whole_;
    std::atomic<unsigned> garbled_{0};
};

/// The body of a response to this request: mostly small, sometimes of several TLS records.
inline std::string body_of(request_id id) {
    const std::size_t padding = id % 37 == 5 ? 40'000 : id % 9 == 8 ? 3'000 : id % 50;
    return "id " + std::to_string(id) + ' ' + std::string(padding, static_cast<char>('a' + id % 26));
}

/// The requests whose bodies are more than the sockets on their way hold.
constexpr bool is_long_upload(request_id id) noexcept { return id % 75 == 57; }
inline constexpr std::size_t long_upload_bytes = 400'000;

/// The body of a POST with this id.
inline std::string upload_of(request_id id) {
    std::string body = body_of(id);
    if (is_long_upload(id)) body.resize(long_upload_bytes, static_cast<char>('A' + id % 26));
    return body;
}

/// What an origin says that nobody has asked: a request that has been written by then may take it for its own.
inline const std::string unsolicited_response =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A request's head, as an origin reads it.
struct request_line {
    explicit request_line(std::string_view head)
        : is_probe(head.starts_with("HEAD ")),
          is_post(head.starts_with("POST ")),
          is_known(is_post || head.starts_with("GET ")),
          asks_first(head.find("Expect: 100-continue\r\n") != head.npos),
          id(number_behind(head, " /")),
          body_bytes(number_behind(head, "Content-Length: ")) {}

    /// Whether somebody has sent it like this, with that body.
    bool is_whole_with(std::string_view body) const { return is_known && body == (is_post ? upload_of(id) : ""); }

    bool is_probe;
    bool is_post;
    bool is_known;
    bool asks_first;
    request_id id;
    std::size_t body_bytes;

private:
    static std::uint64_t number_behind(std::string_view head, std::string_view mark) {
        const auto at = head.find(mark);
        std::uint64_t number = 0;
        if (at == head.npos) return number;
        for (std::size_t i = at + mark.size(); i < head.size() && head[i] >= '0' && head[i] <= '9'; ++i)
            number = number * 10 + static_cast<std::uint64_t>(head[i] - '0');
        return number;
    }
};

/// A chunk of a body.
inline std::string chunk_of(std::string_view bytes) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
}

/// The response to request `id` with this status.
/// @param status as in "200 OK"
inline std::string response_to(request_id id, std::string_view status) {
    const std::string answer = body_of(id);
    std::string head = "HTTP/1.1 " + std::string(status) + "\r\n";
    // Some break the letter of HTTP.
    if (id % 7 == 3) head += "X-Folded: one\r\n two\r\n";
    if (id % 5 != 0) return head + "Content-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer;
    return head + "Transfer-Encoding: chunked\r\n\r\n" + chunk_of(answer.substr(0, 1)) + chunk_of(answer.substr(1)) +
           "0\r\n\r\n";
}

}  // namespace hotpool::test
