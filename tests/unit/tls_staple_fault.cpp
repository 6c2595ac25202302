// What follows from a stapled response, or from none: by what was asked, what the certificate says, what came.
#include "hotpool/transport/tls_stapling.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using detail::staple_fault;
using detail::staple_verdict;

TEST_CASE("tls_staple_fault_by_what_was_asked_and_what_came") {
    struct row {
        tls_stapling asked;
        bool must_staple;
        staple_verdict came;
        errc expected;
    };
    using enum staple_verdict;
    constexpr errc fine{};
    constexpr auto off = tls_stapling::off;
    constexpr auto request = tls_stapling::request;
    constexpr auto require = tls_stapling::require;
    constexpr row rows[] = {
        {off, false, missing, fine},
        {off, true, missing, fine},
        {off, false, revoked, fine},
        {request, false, missing, fine},
        {request, true, missing, errc::ocsp_response_missing},
        {request, false, good, fine},
        {request, true, good, fine},
        {request, false, revoked, errc::certificate_revoked},
        {request, false, invalid, errc::ocsp_response_invalid},
        {require, false, missing, errc::ocsp_response_missing},
        {require, true, missing, errc::ocsp_response_missing},
        {require, false, good, fine},
        {require, false, revoked, errc::certificate_revoked},
        {require, true, invalid, errc::ocsp_response_invalid},
    };
    for (const row& r : rows) {
        CAPTURE(static_cast<int>(r.asked), r.must_staple, static_cast<int>(r.came));
        CHECK(staple_fault(r.asked, r.must_staple, r.came) == r.expected);
    }
}
