// What the TLS connections to one origin have in common: roots, keys and rules, checked once.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_bare_records.hpp"
#include "hotpool/transport/tls_client_key.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_end.hpp"
#include "hotpool/transport/tls_handshake.hpp"
#include "hotpool/transport/tls_hello.hpp"
#include "hotpool/transport/tls_name.hpp"
#include "hotpool/transport/tls_ocsp.hpp"
#include "hotpool/transport/tls_options.hpp"
#include "hotpool/transport/tls_peer.hpp"
#include "hotpool/transport/tls_profile.hpp"
#include "hotpool/transport/tls_resumption.hpp"
#include "hotpool/transport/tls_sessions.hpp"
#include "hotpool/transport/tls_stapling.hpp"
#include "hotpool/transport/tls_totals.hpp"

namespace hotpool::detail {

/// A client's end, made from options, and from one of their profiles if they have any, for one origin.
/// @errors the constructor throws `std::invalid_argument` naming the field and the rule, and
/// `std::system_error` with `errc::tls_setup_failed` if OpenSSL itself fails
/// @threads any thread
class tls_context final : public tls_end {
public:
    using options_ptr = std::shared_ptr<const tls_options>;

    /// @param options not null
    /// @param profile one of theirs, or null
    /// @param totals where handshakes are counted; not null
    tls_context(const origin& target, options_ptr options, const tls_profile* profile,
                const tls_credentials& credentials, std::shared_ptr<tls_totals> totals)
        : tls_end(TLS_client_method(), checked_records(options->max_bare_records)),
          options_(std::move(options)),
          profile_(profile),
          sessions_(checked_size(options_->session_cache_size), std::move(totals)) {
        if (profile_)
            set_profile();
        else
            set_defaults();
        set_session_cache();
        roots_ = credentials.roots;
        if (profile_ && credentials.private_key)
            require_usable_key(*profile_, *credentials.private_key, credentials.private_key_field);
        set_credentials(credentials);
        set_peer_rules(options_->server_name.empty() ? target.host : options_->server_name);
        set_stapling();
    }

    const tls_options& options() const noexcept { return *options_; }
    std::string_view profile() const noexcept override {
        return profile_ ? std::string_view(profile_->name) : std::string_view{};
    }
    /// They hold under the rules of this context only, and are kept for no other.
    tls_sessions& sessions() const noexcept { return sessions_; }

    ssl_ptr make_session(tls_resumption& resumption) const noexcept override {
        ssl_ptr session(SSL_new(native_handle()));
        if (!session) return nullptr;
        SSL_set_connect_state(session.get());
        // SNI has no addresses (RFC 6066, 3).
        if (!peer_.address && SSL_set_tlsext_host_name(session.get(), peer_.name.c_str()) != 1) return nullptr;
        resumption.begin(*session, sessions_);
        return session;
    }
    std::error_code completed(SSL& session, tls_resumption& resumption) const noexcept override {
        const std::error_code error = judge(session);
        if (error)
            resumption.failed(error, sessions_);
        else
            resumption.accepted(session, sessions_, verifies_chain(), revocation_end(session));
        return error;
    }
    std::error_code failed(const SSL& session, bool lost, tls_resumption& resumption) const noexcept override {
        const std::error_code error = is_client_refused(session) ? make_error_code(errc::client_certificate_refused)
                                                                 : handshake_error(session, lost);
        resumption.failed(error, sessions_);
        return error;
    }

    bool offers(std::string_view protocol) const noexcept {
        const name_list& offered = profile_ ? profile_->alpn : options_->alpn;
        return std::find(offered.begin(), offered.end(), protocol) != offered.end();
    }

private:
    bool verifies_chain() const noexcept { return options_->verify == tls_verify::peer; }

    std::error_code judge(const SSL& session) const noexcept {
        if (verifies_chain()) {
            if (SSL_get0_peer_certificate(&session) == nullptr) return errc::certificate_missing;
            // Resumed, the result is the one that the session was kept with.
            if (const long result = SSL_get_verify_result(&session); result != X509_V_OK)
                return certificate_error(result);
        }
        // Not every OpenSSL checks this itself. A peer that knows no ALPN has chosen nothing, which is fine.
        const std::string_view protocol = selected_protocol(session);
        if (!protocol.empty() && !offers(protocol)) return errc::alpn_mismatch;
        return {};
    }

    void set_defaults() {
        set_min_version(options_->min_version);
        set_alpn(*native_handle(),
                 alpn_wire(options_->alpn, [](const char* rule) { refuse_tls_option("alpn", rule); }));
    }

    void set_profile() {
        tls_hello(*profile_).set(*native_handle());
        const std::string whose = " profile \"" + profile_->name + '"';
        if (options_->min_version > profile_->min_version)
            refuse_tls_option("min_version", "must not be above that of" + whose);
        if (options_->alpn != profile_->alpn && options_->alpn != tls_options().alpn)
            refuse_tls_option("alpn", "must be left alone or equal to that of" + whose);
    }

    static std::size_t checked_size(std::size_t size) {
        if (size > 4096) refuse_tls_option("session_cache_size", "must be at most 4096");
        return size;
    }

    static std::size_t checked_records(std::size_t most) {
        if (!may_be_most(most)) refuse_tls_option("max_bare_records", bare_records_rule);
        return most;
    }

    // OpenSSL's own cache would not be asked by a client; it only tells of the sessions that come.
    void set_session_cache() noexcept {
        if (options_->session_cache_size == 0) {
            SSL_CTX_set_session_cache_mode(native_handle(), SSL_SESS_CACHE_OFF);
            return;
        }
        SSL_CTX_set_session_cache_mode(native_handle(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        // In TLS 1.3 a server sends tickets whatever the hello said.
        if (profile_ && !profile_->session_tickets) return;
        SSL_CTX_set_app_data(native_handle(), &sessions_);
        SSL_CTX_sess_set_new_cb(native_handle(), &session_came);
    }
    // In TLS 1.3 sessions come with tickets, after the handshake; in TLS 1.2 with the handshake, when it is not
    // yet known whether the peer is accepted.
    static int session_came(SSL* ssl, SSL_SESSION* session) noexcept {
        if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) return 0;
        auto* const sessions = static_cast<tls_sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        sessions->keep(ssl_session_ptr(session));
        return 1;
    }

    void set_peer_rules(std::string_view host) {
        if (const char* rule = host_fault(host)) refuse_tls_option("server_name", rule);
        peer_ = tls_name_of(host);
        rules_ = {.verify_chain = verifies_chain(), .pins = options_->pins, .crls = crls()};
        if (rules_.crls != nullptr && !rules_.verify_chain)
            refuse_tls_option("crl_files", "must be empty where the chain is not verified");
        if (!rules_.verify_chain && rules_.pins.empty()) return;
        check_peer(SSL_VERIFY_PEER, rules_);
        require_openssl(expect_peer());
    }

    /// Nothing but a whole name or an address gets to OpenSSL.
    bool expect_peer() noexcept {
        assert(peer_.is_whole());
        if (!peer_.is_whole()) return false;
        X509_VERIFY_PARAM* const expected = SSL_CTX_get0_param(native_handle());
        if (peer_.address) return expect_address(*expected, *peer_.address);
        // The common name is not a host name (RFC 9525, 2), and f*.example.com no wildcard (6.3).
        X509_VERIFY_PARAM_set_hostflags(expected,
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        return X509_VERIFY_PARAM_set1_host(expected, peer_.name.data(), peer_.name.size()) == 1;
    }
    static bool expect_address(X509_VERIFY_PARAM& expected, const ip_address& address) noexcept {
        const auto expect = [&](const auto& bytes) {
            return X509_VERIFY_PARAM_set1_ip(&expected, bytes.data(), bytes.size()) == 1;
        };
        return address.is_v4() ? expect(address.v4_bytes()) : expect(address.v6_bytes());
    }

    // --- revocation

    void set_stapling() {
        if (options_->ocsp_stapling == tls_stapling::off) return;
        if (!verifies_chain()) refuse_tls_option("ocsp_stapling", "must be off where the chain is not verified");
        require_openssl(SSL_CTX_set_tlsext_status_type(native_handle(), TLSEXT_STATUSTYPE_ocsp) == 1);
        SSL_CTX_set_tlsext_status_cb(native_handle(), &staple_came);
        SSL_CTX_set_tlsext_status_arg(native_handle(), this);
    }
    // Called once the chain is verified, also where nothing has come, and before this side shows who it is.
    static int staple_came(SSL* session, void* self) noexcept {
        if (SSL_session_reused(session) == 1) return 1;  // no certificate comes, and no word on it
        const errc fault = static_cast<const tls_context*>(self)->judge_staple(*session);
        if (fault == errc{}) return 1;
        SSL_set_verify_result(session, fault == errc::certificate_revoked     ? X509_V_ERR_CERT_REVOKED
                                       : fault == errc::ocsp_response_missing ? X509_V_ERR_OCSP_VERIFY_NEEDED
                                                                              : X509_V_ERR_OCSP_VERIFY_FAILED);
        return 0;
    }
    errc judge_staple(SSL& session) const noexcept {
        STACK_OF(X509)* const chain = SSL_get0_verified_chain(&session);
        if (sk_X509_num(chain) < 1) return errc::ocsp_response_invalid;
        const unsigned char* bytes = nullptr;
        const long size = SSL_get_tlsext_status_ocsp_resp(&session, &bytes);
        ocsp_word word{staple_verdict::missing, 0};
        if (bytes != nullptr && size > 0) {
            word = detail::judge_staple({bytes, static_cast<std::size_t>(size)}, *chain,
                                        *SSL_CTX_get_cert_store(native_handle()), std::time(nullptr));
            SSL_set_ex_data(&session, staple_index(), reinterpret_cast<void*>(static_cast<std::uintptr_t>(word.until)));
        }
        return staple_fault(options_->ocsp_stapling, must_staple(*sk_X509_value(chain, 0)), word.verdict);
    }
    /// Until when nobody can have heard otherwise.
    std::time_t revocation_end(const SSL& session) const noexcept {
        std::time_t end = std::numeric_limits<std::time_t>::max();
        if (crls() != nullptr) end = crls()->end(std::time(nullptr));
        const auto staple = reinterpret_cast<std::uintptr_t>(SSL_get_ex_data(&session, staple_index()));
        return staple != 0 ? std::min(end, static_cast<std::time_t>(staple)) : end;
    }

    options_ptr options_;
    const tls_profile* profile_;  // one of theirs, or null
    mutable tls_sessions sessions_;
    std::shared_ptr<X509_STORE> roots_;  // keeps the system's for others to share
    tls_name peer_;
    tls_peer_rules rules_;
};

}  // namespace hotpool::detail
