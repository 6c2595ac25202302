// Whether a client asks for a stapled OCSP response, and what follows from the one that it gets.
#pragma once

#include <cstdint>

#include "hotpool/base/errc.hpp"

namespace hotpool {

/// Whether the peer is asked to bring its issuer's word that its certificate has not been revoked (RFC 6066, 8).
enum class tls_stapling : std::uint8_t {
    off,      ///< it is not, and what it brings is not looked at
    request,  ///< it is, and what it brings must be good; it may bring nothing, unless its certificate says it must
    require,  ///< it is, and must
};

namespace detail {

/// What a stapled response says of a certificate.
enum class staple_verdict : std::uint8_t {
    good,
    revoked,
    missing,  ///< there is none
    invalid,  ///< not a response, not to this certificate, not of its issuer, out of date, or the issuer does not know
};

/// What is wrong with the peer, if anything.
/// @param must_staple its certificate says that it comes with a response (RFC 7633)
constexpr errc staple_fault(tls_stapling asked, bool must_staple, staple_verdict verdict) noexcept {
    if (asked == tls_stapling::off) return errc{};
    switch (verdict) {
        case staple_verdict::good: return errc{};
        case staple_verdict::revoked: return errc::certificate_revoked;
        case staple_verdict::invalid: return errc::ocsp_response_invalid;
        case staple_verdict::missing: break;
    }
    return asked == tls_stapling::require || must_staple ? errc::ocsp_response_missing : errc{};
}

}  // namespace detail
}  // namespace hotpool
