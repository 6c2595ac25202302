// The scans that touch every byte of a head. They read nothing outside [`at`, `end`).
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>

#include "hotpool/http/grammar.hpp"

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

namespace hotpool::http {

/// The first line feed in [`at`, `end`), or `end`.
inline const char* find_line_feed(const char* at, const char* end) noexcept {
    if (at == end) return end;
    const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    return found != nullptr ? static_cast<const char*>(found) : end;
}

#if defined(__SSE2__)
namespace detail {

/// The first byte for which `are_usual` has no bit set, or where fewer than sixteen bytes are left.
template <class AreUsual>
const char* skip_usual(const char* at, const char* end, AreUsual are_usual) noexcept {
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const unsigned others = static_cast<unsigned>(_mm_movemask_epi8(are_usual(bytes))) ^ 0xffffu;
        if (others != 0) return at + std::countr_zero(others);
    }
    return at;
}

}  // namespace detail
#endif

/// The first character in [`at`, `end`) that no token has, or `end`.
inline const char* skip_token(const char* at, const char* end) noexcept {
    for (;;) {
#if defined(__SSE2__)
        at = detail::skip_usual(at, end, [](__m128i bytes) {
            // Letters shifted to the top of the signed bytes; those that lie above them come out at the bottom.
            const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            const __m128i shifted = _mm_add_epi8(lower, _mm_set1_epi8(0x7f - 'z'));
            const __m128i letter = _mm_cmpgt_epi8(shifted, _mm_set1_epi8(0x7f - 26));
            return _mm_or_si128(letter, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        });
#endif
        if (at == end || !is_token_char(*at)) return at;
        ++at;
    }
}

/// The first control character other than HTAB in [`at`, `end`), or `end`.
inline const char* skip_field_text(const char* at, const char* end) noexcept {
    for (;;) {
#if defined(__SSE2__)
        at = detail::skip_usual(at, end, [](__m128i bytes) {
            // Visible ASCII and spaces: one more makes DEL negative, as bytes beyond ASCII are.
            return _mm_cmpgt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(1)), _mm_set1_epi8(0x20));
        });
#endif
        if (at == end || !is_field_char(*at)) return at;
        ++at;
    }
}

}  // namespace hotpool::http
