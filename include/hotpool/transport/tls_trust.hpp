// Until when a TLS session stands for a certificate that was verified once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "hotpool/transport/openssl.hpp"

namespace hotpool::detail {

/// The longest that handshakes may go on from one that verified the certificate, in seconds: each resumed one
/// may bring a session for the next, without end. A day is as long as most servers' tickets last.
/// @source RFC 8446, 4.6.1, which recommends a limit and names none
inline constexpr std::time_t max_trust_seconds = 24 * 60 * 60;

/// When `then` is, by the clock of which it is `now`; `now` if it is no time.
inline std::time_t time_of(const ASN1_TIME& then, std::time_t now) noexcept {
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, nullptr, &then) != 1) return now;
    return now + std::time_t{days} * 24 * 60 * 60 + seconds;
}

/// When the verification that `ssl` has just made would come out differently: a certificate of the chain
/// expires, or what was said of its revocation, or `max_trust_seconds` are over.
/// @param chain_counts false where nobody looks at the certificates' dates
/// @param revocation_end until when lists and staples hold
inline std::time_t trust_end(const SSL& ssl, bool chain_counts, std::time_t revocation_end, std::time_t now) noexcept {
    std::time_t end = std::min(now + max_trust_seconds, revocation_end);
    if (!chain_counts) return end;
    const STACK_OF(X509)* const chain = SSL_get0_verified_chain(&ssl);
    if (chain == nullptr) return now;
    for (int i = 0; i < sk_X509_num(chain); ++i)
        end = std::min(end, time_of(*X509_get0_notAfter(sk_X509_value(chain, i)), now));
    return end;
}

/// Where sessions carry their mark; negative if OpenSSL has no room.
inline int trust_index() noexcept {
    static const int index = SSL_SESSION_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

/// Marks a session whose peer has been accepted. OpenSSL copies the mark to the sessions that the peer sends on
/// this connection and on those resumed from it, so that the limit is that of the one verification.
/// @param session not offered to anyone yet
inline void mark_trusted(SSL_SESSION& session, std::time_t end) noexcept {
    SSL_SESSION_set_ex_data(&session, trust_index(), reinterpret_cast<void*>(static_cast<std::uintptr_t>(end)));
}

inline bool is_trusted(const SSL_SESSION& session, std::time_t now) noexcept {
    const auto end = reinterpret_cast<std::uintptr_t>(SSL_SESSION_get_ex_data(&session, trust_index()));
    return now < static_cast<std::time_t>(end);
}

}  // namespace hotpool::detail
