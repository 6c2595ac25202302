// The chunked coding read by another hand: whole, from RFC 9112, 7.1, sharing nothing with the library.
#pragma once

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hotpool::fuzz {

/// What a chunked body is, in one piece.
struct plain_chunks {
    enum class end : std::uint8_t { complete, unfinished, wrong };

    end how = end::unfinished;
    std::string body;
    std::size_t consumed = 0;  ///< only if it is complete
};

struct chunk_bounds {
    std::size_t line = 0;
    std::size_t trailer = 0;
    std::uint64_t body = 0;
};

inline bool plain_is_token(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
inline bool plain_is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }

/// chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
inline bool plain_is_extension(std::string_view s) {
    std::size_t i = 0;
    const auto at = [&](std::size_t k) { return k < s.size() ? s[k] : '\0'; };
    const auto space = [&] {
        while (at(i) == ' ' || at(i) == '\t') ++i;
    };
    const auto token = [&] {
        const std::size_t from = i;
        while (i < s.size() && plain_is_token(s[i])) ++i;
        return i > from;
    };
    while (i < s.size()) {
        space();
        if (at(i++) != ';') return false;
        space();
        if (!token()) return false;
        const std::size_t behind_name = i;
        space();
        if (at(i) != '=') {
            i = behind_name;
            continue;
        }
        ++i;
        space();
        if (at(i) != '"') {
            if (!token()) return false;
            continue;
        }
        for (++i; at(i) != '"'; ++i) {
            if (at(i) == '\\') ++i;
            if (i >= s.size() || !plain_is_text(s[i])) return false;
        }
        ++i;
    }
    return true;
}

inline bool plain_is_field(std::string_view s) {
    const std::size_t colon = s.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    for (const char c : s.substr(0, colon))
        if (!plain_is_token(c)) return false;
    for (const char c : s.substr(colon + 1))
        if (!plain_is_text(c)) return false;
    return true;
}

inline plain_chunks read_plain_chunks(std::string_view s, chunk_bounds left) {
    using end = plain_chunks::end;
    plain_chunks result;
    std::size_t at = 0;
    const auto over = [&](end how) {
        result.how = how;
        return result;
    };
    /// The line at `at` without CRLF; `state` says whether there is one.
    const auto line_at = [&](std::size_t most, end& state) -> std::string_view {
        const std::size_t feed = s.find('\n', at);
        const std::size_t size = (feed == std::string_view::npos ? s.size() : feed + 1) - at;
        state = size > most ? end::wrong : feed == std::string_view::npos ? end::unfinished : end::complete;
        if (state != end::complete) return {};
        if (size < 2 || s[feed - 1] != '\r') state = end::wrong;
        const std::string_view line = s.substr(at, size - 2 > size ? 0 : size - 2);
        at = feed + 1;
        return line;
    };
    for (;;) {
        end state{};
        const std::string_view line = line_at(left.line, state);
        if (state != end::complete) return over(state);
        std::uint64_t size = 0;
        std::size_t digits = 0;
        for (; digits < line.size() && std::isxdigit(static_cast<unsigned char>(line[digits])) != 0; ++digits) {
            const char c = line[digits];
            if (size > (UINT64_MAX >> 4)) return over(end::wrong);
            size = size * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c & 0x5f) - 'A' + 10);
        }
        if (digits == 0 || !plain_is_extension(line.substr(digits)) || size > left.body) return over(end::wrong);
        left.body -= size;
        if (size == 0) break;
        const std::string_view data = s.substr(at, size > s.size() ? s.size() : static_cast<std::size_t>(size));
        result.body += data;
        at += data.size();
        if (data.size() < size) return over(end::unfinished);
        const std::string_view ending = s.substr(at, 2);
        if (ending != std::string_view("\r\n").substr(0, ending.size())) return over(end::wrong);
        if (ending.size() < 2) return over(end::unfinished);
        at += 2;
    }
    for (;;) {
        end state{};
        const std::string_view line = line_at(left.trailer > 2 ? left.trailer : 2, state);
        if (state != end::complete) return over(state);
        if (line.empty()) break;
        if (line.size() + 2 > left.trailer || !plain_is_field(line)) return over(end::wrong);
        left.trailer -= line.size() + 2;
    }
    result.consumed = at;
    return over(end::complete);
}

}  // namespace hotpool::fuzz
