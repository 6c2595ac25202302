// Every bound that the parsers keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace hotpool::http {

/// No bound: a value for `limits::max_body_bytes`.
inline constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

/// What a peer may send, and how much of it. What exceeds a bound is refused, and the connection with it.
struct limits {
    /// Bytes of a head, up to and including its empty line, and of the interim heads before it together.
    /// 64 to 16 Mi; a head is kept in memory whole, and servers refuse to send more than 8 to 64 KiB.
    std::size_t max_head_bytes = 64 * 1024;

    /// Field lines in one head. 1 to 65,536; common responses have 5 to 30, and lookups scan all of them.
    std::size_t max_fields = 128;

    /// 1xx responses before the final one; 0 accepts none. Any value; usual are one `100` and a few `103`.
    std::size_t max_interim_responses = 16;

    /// Bytes of one chunk-size line with its extensions and CRLF. 18 (sixteen digits) to 64 Ki; the
    /// extensions are thrown away, so they get little room to waste the reader's time.
    std::size_t max_chunk_line_bytes = 1024;

    /// Bytes of the field lines behind the last chunk; 0 accepts none. Up to 16 Mi; they are thrown away.
    std::size_t max_trailer_bytes = 8 * 1024;

    /// Bytes of one body; 0 accepts empty bodies only. Any value; it bounds what is collected in memory, so
    /// whoever reads a body piece by piece sets `unlimited`.
    std::uint64_t max_body_bytes = 64 * 1024 * 1024;

    /// Bytes of a request line with its CRLF; responses have no bound but that of the head. 16 to 16 Mi; RFC 9112, 3 asks
    /// for 8,000 at least, and the line is refused by a status of its own, so that a client can tell what to shorten.
    std::size_t max_request_line_bytes = 8 * 1024;

    /// Whether responses are refused too that RFC 9110 and 9112 ask a client to bear with: folded lines, status codes from
    /// 600 to 999, minor versions above 1. Requests always are.
    bool strict = false;

    /// @errors throws `std::invalid_argument` that names the field and its rule
    void validate() const {
        constexpr std::size_t kibi = 1024;
        constexpr std::size_t mebi = 1024 * kibi;
        if (max_head_bytes < 64 || max_head_bytes > 16 * mebi)
            throw std::invalid_argument("limits.max_head_bytes: must be 64 to 16777216");
        if (max_fields < 1 || max_fields > 64 * kibi)
            throw std::invalid_argument("limits.max_fields: must be 1 to 65536");
        if (max_chunk_line_bytes < 18 || max_chunk_line_bytes > 64 * kibi)
            throw std::invalid_argument("limits.max_chunk_line_bytes: must be 18 to 65536");
        if (max_trailer_bytes > 16 * mebi)
            throw std::invalid_argument("limits.max_trailer_bytes: must be 0 to 16777216");
        if (max_request_line_bytes < 16 || max_request_line_bytes > 16 * mebi)
            throw std::invalid_argument("limits.max_request_line_bytes: must be 16 to 16777216");
    }
};

}  // namespace hotpool::http
