// A response in memory.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/response_head.hpp"

namespace hotpool {

/// A status line, fields, and a body, in one recycled block. Move-only; views into it live as long as it does.
/// @threads distinct objects only
/// @cost fields are looked up by walking over the head's text
class response {
public:
    response() = default;

    /// As it came: 100 to 999, where one beyond 599 means what a 5xx does; 0 in a response that was never received.
    unsigned status() const noexcept { return head_.status; }
    /// May be empty, and says nothing that `status` does not.
    std::string_view reason() const noexcept { return head_.reason(bytes_.view()); }
    /// 10 for HTTP/1.0, 11 for HTTP/1.1 and above.
    unsigned version() const noexcept { return 10u + head_.version_minor; }
    /// The value of the first field of that name, ignoring case.
    std::optional<std::string_view> header(std::string_view name) const noexcept { return headers().find(name); }
    /// All fields in order, as `{name, value}`.
    http::fields_view headers() const noexcept { return head_.fields(bytes_.view()); }
    /// The body, its transfer coding removed.
    std::string_view body() const noexcept { return bytes_.view_from(head_size_); }

    /// Whether the request had left whole when this was delivered. The origin may answer earlier; the rest of a request
    /// is not sent behind a response other than 2xx, or where the origin closes or takes no more of it.
    bool request_complete() const noexcept { return request_complete_; }

private:
    friend struct detail::access;

    /// A head of `head_size` bytes at the front of `bytes`, the body behind it.
    response(const http::response_head& head, std::size_t head_size, base::byte_buffer&& bytes, bool request_complete)
        : head_(head), head_size_(head_size), bytes_(fitted(std::move(bytes))), request_complete_(request_complete) {}

    /// A small response does not keep the large block that it was read into, unless there is no memory for another.
    static base::byte_buffer fitted(base::byte_buffer&& bytes) noexcept {
        if (bytes.size() * 4 > bytes.capacity()) return std::move(bytes);
        base::byte_buffer fitting;
        try {
            fitting.append(bytes.view());
        } catch (const std::bad_alloc&) {
            return std::move(bytes);
        }
        return fitting;
    }

    http::response_head head_;
    std::size_t head_size_ = 0;
    base::byte_buffer bytes_;
    bool request_complete_ = false;
};

}  // namespace hotpool
