// A profile checked, and set on OpenSSL's context.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_profile.hpp"

namespace hotpool::detail {

using name_list = std::vector<std::string>;

/// The protocols as they are sent: each after its length (RFC 7301, 3.1).
/// @param refuse called with the rule where a protocol breaks one; does not return
template <class Refuse>
std::vector<unsigned char> alpn_wire(const name_list& protocols, Refuse refuse) {
    std::vector<unsigned char> wire;
    for (const std::string& protocol : protocols) {
        if (protocol.empty() || protocol.size() > 255) refuse("must be names of 1 to 255 bytes");
        wire.push_back(static_cast<unsigned char>(protocol.size()));
        wire.insert(wire.end(), protocol.begin(), protocol.end());
    }
    if (wire.size() > 65535) refuse("must be at most 65535 bytes together");
    return wire;
}

inline void set_alpn(SSL_CTX& context, const std::vector<unsigned char>& wire) {
    if (wire.empty()) return;
    require_openssl(SSL_CTX_set_alpn_protos(&context, wire.data(), static_cast<unsigned>(wire.size())) == 0);
}

/// One profile's way onto contexts.
class tls_hello {
public:
    explicit tls_hello(const tls_profile& profile) noexcept : profile_(profile) {}

    /// @errors throws `std::invalid_argument` naming the field, the rule and the profile
    void set(SSL_CTX& context) const {
        check();
        const int min = speaks_1_2() ? TLS1_2_VERSION : TLS1_3_VERSION;
        const int max = speaks_1_3() ? TLS1_3_VERSION : TLS1_2_VERSION;
        require_openssl(SSL_CTX_set_min_proto_version(&context, min) == 1);
        require_openssl(SSL_CTX_set_max_proto_version(&context, max) == 1);
        if (!profile_.session_tickets) SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
        set_alpn(context, alpn_wire(profile_.alpn, [this](const char* rule) { refuse("alpn", rule); }));
        set_names(context, "groups", profile_.groups,
                  [](SSL_CTX& c, const std::string& names) { return SSL_CTX_set1_groups_list(&c, names.c_str()); });
        set_names(context, "signature_algorithms", profile_.signature_algorithms,
                  [](SSL_CTX& c, const std::string& names) { return SSL_CTX_set1_sigalgs_list(&c, names.c_str()); });
        set_ciphers(context);
    }

private:
    enum class wanted : std::uint8_t { no, perhaps, yes };

    bool speaks_1_2() const noexcept { return profile_.min_version == tls_version::tls_1_2; }
    bool speaks_1_3() const noexcept { return profile_.max_version == tls_version::tls_1_3; }

    // What can be said without OpenSSL.
    void check() const {
        if (profile_.name.empty()) refuse("name", "must not be empty");
        if (profile_.min_version > profile_.max_version) refuse("min_version", "must not be above max_version");
        check_list("ciphers", profile_.ciphers, speaks_1_2() ? wanted::yes : wanted::no, "TLS 1.2");
        check_list("cipher_suites", profile_.cipher_suites, speaks_1_3() ? wanted::yes : wanted::no, "TLS 1.3");
        check_list("groups", profile_.groups, wanted::yes, "TLS");
        check_list("signature_algorithms", profile_.signature_algorithms, wanted::yes, "TLS");
        check_list("alpn", profile_.alpn, wanted::perhaps, "TLS");
        for (const std::string& name : profile_.signature_algorithms)
            if (name.ends_with("sha1")) refuse("signature_algorithms", "must be without SHA-1 (RFC 9155)", name);
    }

    [[noreturn]] void refuse(const char* field, const std::string& rule, const std::string& name) const {
        refuse(field, rule + ": \"" + name + '"');
    }
    [[noreturn]] void refuse(const char* field, const std::string& rule) const {
        ERR_clear_error();
        throw std::invalid_argument(std::string("hotpool::tls_profile::") + field + " " + rule + " (profile \"" +
                                    profile_.name + "\")");
    }

    void check_list(const char* field, const name_list& names, wanted list, const std::string& version) const {
        if (list == wanted::yes && names.empty()) refuse(field, "must not be empty where " + version + " is spoken");
        if (list == wanted::no && !names.empty()) refuse(field, "must be empty where " + version + " is not spoken");
        for (auto name = names.begin(); name != names.end(); ++name)
            if (std::find(std::next(name), names.end(), *name) != names.end())
                refuse(field, "must each be named once", *name);
    }

    static std::string joined(const name_list& names) {
        std::string all;
        for (const std::string& name : names) all += (all.empty() ? "" : ":") + name;
        return all;
    }

    // OpenSSL's lists have a language of their own: "?", "-", "*", "/", "DEFAULT", and more with each release.
    static bool is_name(std::string_view text) noexcept {
        const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
        const auto part = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
        return !text.empty() && letter(text.front()) && std::all_of(text.begin(), text.end(), part) &&
               text != "DEFAULT";
    }

    template <class Set>
    void set_names(SSL_CTX& context, const char* field, const name_list& names, Set set) const {
        for (const std::string& name : names)
            if (!is_name(name) || set(context, name) != 1)
                refuse(field, "must be plain names that OpenSSL knows", name);
        // Two names of the same thing.
        if (set(context, joined(names)) != 1) refuse(field, "must each be named once", joined(names));
    }

    // OpenSSL skips what it does not know, keeps the list it had where it knows nothing, and understands words like
    // "HIGH". So what it would offer is compared with what was asked for.
    void set_ciphers(SSL_CTX& context) const {
        SSL_CTX_set_ciphersuites(&context, joined(profile_.cipher_suites).c_str());
        if (!profile_.ciphers.empty()) SSL_CTX_set_cipher_list(&context, joined(profile_.ciphers).c_str());
        const name_list offered = offered_by(context);
        const std::size_t suites = profile_.cipher_suites.size();
        for (std::size_t i = 0; i < suites + profile_.ciphers.size(); ++i) {
            const bool suite = i < suites;
            const std::string& name = suite ? profile_.cipher_suites[i] : profile_.ciphers[i - suites];
            if (i < offered.size() && offered[i] == name) continue;
            refuse(suite ? "cipher_suites" : "ciphers",
                   "must be names that OpenSSL knows and may offer with these versions and signature algorithms", name);
        }
    }

    static name_list offered_by(SSL_CTX& context) {
        const ssl_ptr session(SSL_new(&context));
        require_openssl(session != nullptr);
        const std::unique_ptr<STACK_OF(SSL_CIPHER), freed_by<&free_stack>> all(
            SSL_get1_supported_ciphers(session.get()));
        name_list names;
        for (int i = 0; all && i < sk_SSL_CIPHER_num(all.get()); ++i)
            names.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all.get(), i)));
        return names;
    }
    static void free_stack(STACK_OF(SSL_CIPHER) * stack) noexcept { sk_SSL_CIPHER_free(stack); }

    const tls_profile& profile_;
};

}  // namespace hotpool::detail
