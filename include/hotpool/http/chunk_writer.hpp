// The chunked coding, put on a body.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "hotpool/base/byte_buffer.hpp"

namespace hotpool::http {

/// What ends a chunked body; no trailer fields are sent.
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

namespace detail {

constexpr std::size_t hex_digits(std::size_t value) noexcept {
    std::size_t digits = 1;
    while (value >>= 4) ++digits;
    return digits;
}

/// Writes `value` in as many digits as `hex_digits` says, and CRLF.
inline void write_chunk_line(char* out, std::size_t value) noexcept {
    const std::size_t digits = hex_digits(value);
    for (std::size_t at = digits; at-- > 0; value >>= 4) out[at] = "0123456789abcdef"[value & 15];
    std::memcpy(out + digits, "\r\n", 2);
}

}  // namespace detail

/// Appends one chunk whose data `fill` writes in place.
/// @param max_bytes how much room `fill` gets, at least 1
/// @param fill called once as `std::size_t fill(std::span<char>)`; returns how many bytes it wrote
/// @return what `fill` returned; after 0 nothing is appended, since an empty chunk would end the body
/// @cost data is moved only if it is so much shorter than its room that its size has fewer digits
template <class Fill>
std::size_t append_chunk(base::byte_buffer& out, std::size_t max_bytes, Fill&& fill) {
    constexpr std::size_t line_end = 2;
    const std::size_t room_begin = detail::hex_digits(max_bytes) + line_end;
    char* const begin = out.prepare(room_begin + max_bytes + line_end);
    const std::size_t size = fill(std::span<char>(begin + room_begin, max_bytes));
    if (size == 0) return 0;

    const std::size_t data_begin = detail::hex_digits(size) + line_end;
    if (data_begin != room_begin) std::memmove(begin + data_begin, begin + room_begin, size);
    detail::write_chunk_line(begin, size);
    std::memcpy(begin + data_begin + size, "\r\n", line_end);
    out.commit(data_begin + size + line_end);
    return size;
}

/// Appends one chunk, unless `data` is empty.
inline void append_chunk(base::byte_buffer& out, std::string_view data) {
    if (data.empty()) return;
    append_chunk(out, data.size(), [data](std::span<char> room) {
        std::memcpy(room.data(), data.data(), data.size());
        return data.size();
    });
}

}  // namespace hotpool::http
