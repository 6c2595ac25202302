// The seam to OpenSSL: its headers, the least version, and owners for its objects.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#    error "hotpool needs OpenSSL 3.0 or newer"
#endif

namespace hotpool::detail {

template <auto Free>
struct freed_by {
    template <class Object>
    void operator()(Object* object) const noexcept {
        Free(object);
    }
};

using ssl_ptr = std::unique_ptr<SSL, freed_by<&SSL_free>>;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, freed_by<&SSL_SESSION_free>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, freed_by<&SSL_CTX_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_by<&BIO_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<&X509_free>>;
using x509_crl_ptr = std::unique_ptr<X509_CRL, freed_by<&X509_CRL_free>>;
using x509_store_ptr = std::unique_ptr<X509_STORE, freed_by<&X509_STORE_free>>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, freed_by<&EVP_PKEY_free>>;

}  // namespace hotpool::detail
