// What the fields of one head say about the end of its message and the future of its connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

/// Takes the fields of a head one by one and keeps what Content-Length, Transfer-Encoding, Connection and
/// Keep-Alive say together.
/// @source RFC 9112, 6 (framing) and 9.3 (persistence)
class framing_fields {
public:
    /// @return `no_error`, or why the head must be refused
    errc take(std::string_view name, std::string_view value) noexcept {
        switch (name.size()) {  // few other names have these lengths, so most fields cost no comparison
            case 10:
                if (is_word(name, "connection"))
                    take_connection(value);
                else if (is_word(name, "keep-alive"))
                    take_keep_alive(value);
                return no_error;
            case 14: return is_word(name, "content-length") ? take_length(value) : no_error;
            case 17: return is_word(name, "transfer-encoding") ? take_coding(value) : no_error;
            default: return no_error;
        }
    }

    /// To be asked once all fields are taken: what is wrong with them together.
    /// @param version_minor of HTTP/1.0 or HTTP/1.1
    errc check(std::uint8_t version_minor) const noexcept {
        if (chunked_ && length_) return errc::length_with_transfer_encoding;
        if (chunked_ && version_minor == 0) return errc::bad_transfer_encoding;  // RFC 9112, 6.1
        return no_error;
    }

    /// To be told that a field of that name goes on in another line.
    /// @return `no_error`, or why the head must be refused: who knows nothing of folding would find another end of the
    /// message. What a folded Connection or Keep-Alive says is not worth a connection.
    errc take_fold(std::string_view name) noexcept {
        if (is_length_or_coding(name)) return errc::bad_field_folding;
        close_ = close_ || is_word(name, "connection") || is_word(name, "keep-alive");
        return no_error;
    }
    static bool is_length_or_coding(std::string_view name) noexcept {
        return is_word(name, "content-length") || is_word(name, "transfer-encoding");
    }

    bool chunked() const noexcept { return chunked_; }
    std::optional<std::uint64_t> content_length() const noexcept { return length_; }
    std::optional<std::chrono::seconds> keep_alive_timeout() const noexcept { return timeout_; }

    /// Whether the connection persists after the message, its framing permitting.
    bool persistent(std::uint8_t version_minor) const noexcept {
        return !close_ && (version_minor == 1 || keep_alive_);
    }

private:
    void take_connection(std::string_view value) noexcept {
        do {
            if (is_word(value, "keep-alive")) {  // the whole of most lists
                keep_alive_ = true;
                return;
            }
            const std::string_view option = take_list_element(value);
            close_ = close_ || is_word(option, "close");
            keep_alive_ = keep_alive_ || is_word(option, "keep-alive");
        } while (value.data() != nullptr);
    }

    /// The shortest timeout counts; parameters that are unknown or malformed are passed over, since the field
    /// is only advice.
    void take_keep_alive(std::string_view value) noexcept {
        constexpr std::string_view prefix = "timeout=";
        while (value.data() != nullptr) {
            const std::string_view parameter = take_list_element(value);
            if (!equals_ignoring_case(parameter.substr(0, prefix.size()), prefix)) continue;
            const auto given = parse_decimal(parameter.substr(prefix.size()));
            if (!given || *given > std::numeric_limits<std::int32_t>::max()) continue;
            const std::chrono::seconds seconds{static_cast<std::int32_t>(*given)};
            if (!timeout_ || seconds < *timeout_) timeout_ = seconds;
        }
    }

    /// Repeats of the same value, in one field line or several, are one value (RFC 9112, 6.3).
    errc take_length(std::string_view value) noexcept {
        if (const auto length = parse_decimal(value)) return note_length(*length);  // a list of one, as it should be
        do {
            const auto length = parse_decimal(take_list_element(value));
            if (!length) return errc::bad_content_length;
            if (const errc e = note_length(*length); e != no_error) return e;
        } while (value.data() != nullptr);
        return no_error;
    }
    errc note_length(std::uint64_t length) noexcept {
        if (length_ && *length_ != length) return errc::conflicting_content_length;
        length_ = length;
        return no_error;
    }

    /// `chunked` is the only coding spoken, and it is never applied twice (RFC 9112, 6.1). `identity` was one that left
    /// everything as it is; where a body so announced ends, two readers need not agree on.
    errc take_coding(std::string_view value) noexcept {
        if (chunked_) return errc::bad_transfer_encoding;
        if (is_word(value, "identity")) return errc::identity_transfer_encoding;
        if (!is_word(value, "chunked")) return errc::bad_transfer_encoding;
        chunked_ = true;
        return no_error;
    }

    std::optional<std::uint64_t> length_;
    std::optional<std::chrono::seconds> timeout_;
    bool chunked_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
};

}  // namespace hotpool::http
