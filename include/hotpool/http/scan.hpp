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

/// The first byte for which `stop_bits` sets a bit, or where fewer than sixteen bytes are left.
template <class StopBits>
const char* skip_blocks(const char* at, const char* end, StopBits stop_bits) noexcept {
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const auto stops = static_cast<unsigned>(_mm_movemask_epi8(stop_bits(bytes)));
        if (stops != 0) return at + std::countr_zero(stops);
    }
    return at;
}

inline __m128i is_at_most(__m128i bytes, char most) noexcept {
    return _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(most)), bytes);
}
inline __m128i is(__m128i bytes, char c) noexcept { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); }

}  // namespace detail
#endif

/// The first character in [`at`, `end`) that no token has, or `end`.
inline const char* skip_token(const char* at, const char* end) noexcept {
    for (;;) {
#if defined(__SSE2__)
        at = detail::skip_blocks(at, end, [](__m128i bytes) {
            const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            const __m128i letter = detail::is_at_most(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 25);
            const __m128i usual = _mm_or_si128(letter, detail::is(bytes, '-'));
            return _mm_andnot_si128(usual, _mm_set1_epi8(-1));
        });
#endif
        if (at == end || !is_token_char(*at)) return at;
        ++at;
    }
}

/// The first control character other than HTAB in [`at`, `end`), or `end`.
inline const char* skip_field_text(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
    at = detail::skip_blocks(at, end, [](__m128i bytes) {
        const __m128i control = _mm_or_si128(detail::is_at_most(bytes, 0x1f), detail::is(bytes, 0x7f));
        return _mm_andnot_si128(detail::is(bytes, '\t'), control);
    });
#endif
    while (at != end && is_field_char(*at)) ++at;
    return at;
}

}  // namespace hotpool::http
