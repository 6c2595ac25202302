// Lists of revoked certificates, from files.
#pragma once

#include <algorithm>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_trust.hpp"

namespace hotpool::detail {

inline void free_crls(STACK_OF(X509_CRL) * lists) noexcept { sk_X509_CRL_pop_free(lists, X509_CRL_free); }

/// The lists that the chain of a peer is looked up in. Never changed once they are read.
struct tls_crls {
    std::unique_ptr<STACK_OF(X509_CRL), freed_by<&free_crls>> lists;

    bool add(x509_crl_ptr list) noexcept {
        if (!lists) lists.reset(sk_X509_CRL_new_null());
        if (!lists || sk_X509_CRL_push(lists.get(), list.get()) == 0) return false;
        static_cast<void>(list.release());
        return true;
    }

    /// Until when what they say holds: the first of them to expire.
    std::time_t end(std::time_t now) const noexcept {
        std::time_t first = std::numeric_limits<std::time_t>::max();
        for (int i = 0; i < sk_X509_CRL_num(lists.get()); ++i)
            if (const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(sk_X509_CRL_value(lists.get(), i)))
                first = std::min(first, time_of(*next, now));
        return first;
    }
};

/// Looks up the whole chain that `store` is about to verify: each issuer must have a list, and a current one.
/// @param crls as long as `store`
inline void look_up_chain(X509_STORE_CTX& store, const tls_crls& crls) noexcept {
    X509_STORE_CTX_set0_crls(&store, crls.lists.get());
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(&store), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

}  // namespace hotpool::detail
