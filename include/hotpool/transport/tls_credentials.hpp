// What the options' files and texts hold: roots, a certificate and its key.
#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_crls.hpp"
#include "hotpool/transport/tls_key_log.hpp"
#include "hotpool/transport/tls_options.hpp"

namespace hotpool::detail {

/// The name of an option, for messages.
struct option_name {
    const char* options;  ///< `tls_options` or `tls_server_options`
    const char* field;

    [[noreturn]] void refuse(const std::string& rule) const {
        ERR_clear_error();
        throw std::invalid_argument(std::string("hotpool::") + options + "::" + field + " " + rule);
    }
};

[[noreturn]] inline void refuse_tls_option(const char* field, const std::string& rule) {
    option_name{"tls_options", field}.refuse(rule);
}

/// Throws unless OpenSSL has `done` what nothing but a lack of memory should keep it from.
inline void require_openssl(bool done) {
    if (done) return;
    ERR_clear_error();
    throw std::system_error(errc::tls_setup_failed);
}

/// A PEM text from one of its two fields; nothing if both are empty.
class pem_source {
public:
    pem_source(const std::string& file, const std::string& text, const option_name& file_field,
               const option_name& text_field)
        : field_(file.empty() ? text_field : file_field) {
        if (file.empty() && text.empty()) return;
        if (!file.empty() && !text.empty()) field_.refuse("must not be given together with the text");
        if (file.empty())
            bio_.reset(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        else
            bio_.reset(BIO_new_file(file.c_str(), "r"));
        if (!bio_) field_.refuse("must be a file that can be read");
    }

    explicit operator bool() const noexcept { return bio_ != nullptr; }
    const option_name& field() const noexcept { return field_; }

    /// The next certificate; null at the end of the text.
    x509_ptr next_certificate() {
        x509_ptr certificate(PEM_read_bio_X509(bio_.get(), nullptr, nullptr, nullptr));
        if (!certificate && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
            field_.refuse("must hold certificates in PEM");
        ERR_clear_error();
        return certificate;
    }
    /// Never asks at the terminal for a password, as OpenSSL would on its own.
    pkey_ptr private_key(const std::string& password) {
        pkey_ptr key(PEM_read_bio_PrivateKey(bio_.get(), nullptr, nullptr, const_cast<char*>(password.c_str())));
        if (!key) field_.refuse("must hold a private key in PEM, with its password if encrypted");
        return key;
    }

private:
    option_name field_;
    bio_ptr bio_;
};

/// The system's roots, read once for as long as anyone uses them: 140 of them take 0.9 MB and tens of ms.
inline std::shared_ptr<X509_STORE> system_roots() {
    static std::mutex mutex;
    static std::weak_ptr<X509_STORE> shared;
    const std::lock_guard lock(mutex);
    if (auto roots = shared.lock()) return roots;
    std::shared_ptr<X509_STORE> roots(X509_STORE_new(), freed_by<&X509_STORE_free>{});
    if (!roots || X509_STORE_set_default_paths(roots.get()) != 1) throw std::system_error(errc::tls_setup_failed);
    shared = roots;
    return roots;
}

/// Read once, so that contexts made together do not differ where a file changes meanwhile, and share their roots.
struct tls_credentials {
    std::shared_ptr<X509_STORE> roots;  // null: nobody is trusted
    x509_ptr certificate;               // null: none is shown
    std::vector<x509_ptr> issuers;
    pkey_ptr private_key;
    std::shared_ptr<const tls_crls> crls;        // null: none is looked up
    std::shared_ptr<const tls_key_log> key_log;  // null: keys are nobody's business
    option_name certificate_field{};
    option_name private_key_field{};
};

/// The roots that the options name; null if they name none.
/// @param options its fields are those of `tls_options`, as below
/// @param name the type's, for messages
/// @errors throws `std::invalid_argument` naming the field and the rule, as below
template <class Options>
std::shared_ptr<X509_STORE> read_roots(const Options& options, const char* name) {
    pem_source source(options.ca_file, options.ca_pem, {name, "ca_file"}, {name, "ca_pem"});
    if (!source) return nullptr;
    std::shared_ptr<X509_STORE> roots(X509_STORE_new(), freed_by<&X509_STORE_free>{});
    require_openssl(roots != nullptr);
    x509_ptr root = source.next_certificate();
    if (!root) source.field().refuse("must hold a certificate in PEM");
    for (; root; root = source.next_certificate()) require_openssl(X509_STORE_add_cert(roots.get(), root.get()) == 1);
    return roots;
}

/// The certificate that is shown, with its issuers and its key; nothing if the options name none.
template <class Options>
void read_certificate(const Options& options, const char* name, tls_credentials& read) {
    pem_source chain(options.certificate_file, options.certificate_pem, {name, "certificate_file"},
                     {name, "certificate_pem"});
    pem_source key(options.private_key_file, options.private_key_pem, {name, "private_key_file"},
                   {name, "private_key_pem"});
    if (!chain && !key) return;
    if (!key) key.field().refuse("must be given with a certificate");
    if (!chain) chain.field().refuse("must be given with a private key");

    read.certificate = chain.next_certificate();
    if (!read.certificate) chain.field().refuse("must hold a certificate in PEM");
    while (x509_ptr issuer = chain.next_certificate()) read.issuers.push_back(std::move(issuer));
    read.private_key = key.private_key(options.private_key_password);
    read.certificate_field = chain.field();
    read.private_key_field = key.field();
}

/// The lists in files, each of one or more.
inline std::shared_ptr<const tls_crls> read_crls(const std::vector<std::string>& files, const option_name& field) {
    if (files.empty()) return nullptr;
    const auto read = std::make_shared<tls_crls>();
    for (const std::string& file : files) {
        const bio_ptr text(BIO_new_file(file.c_str(), "r"));
        if (!text) field.refuse("must be files that can be read: \"" + file + '"');
        for (bool first = true;; first = false) {
            x509_crl_ptr list(PEM_read_bio_X509_CRL(text.get(), nullptr, nullptr, nullptr));
            const bool over = !list && !first && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            ERR_clear_error();
            if (over) break;
            if (!list) field.refuse("must be files of CRLs in PEM: \"" + file + '"');
            require_openssl(read->add(std::move(list)));
        }
    }
    return read;
}

inline std::shared_ptr<const tls_key_log> open_key_log(const std::string& file, const option_name& field) {
    if (file.empty()) return nullptr;
    auto log = tls_key_log::open(file);
    if (!log) field.refuse("must be a file that can be appended to: \"" + file + '"');
    return log;
}

/// A client's. It trusts the system's roots where the options name none.
inline tls_credentials read_credentials(const tls_options& options) {
    tls_credentials read;
    read.roots = read_roots(options, "tls_options");
    if (!read.roots && options.verify == tls_verify::peer) read.roots = system_roots();
    read_certificate(options, "tls_options", read);
    read.crls = read_crls(options.crl_files, {"tls_options", "crl_files"});
    read.key_log = open_key_log(options.key_log_file, {"tls_options", "key_log_file"});
    return read;
}

}  // namespace hotpool::detail
