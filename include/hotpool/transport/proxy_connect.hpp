// What is said to a proxy and what its answer means; no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/response_parser.hpp"
#include "hotpool/transport/proxy_options.hpp"

namespace hotpool::detail {

/// @source RFC 4648, 4
inline std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::string_view group = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i) text += i <= group.size() ? digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    return text;
}

/// The origin as CONNECT names it: always with its port, an IPv6 address in brackets and without its zone.
/// @return empty if it cannot be named so
inline std::string tunnel_authority(const origin& target) {
    constexpr std::string_view no_default_port;
    return base::authority_text(target.host, target.port, no_default_port).value_or("");
}

/// Refuses what is no proxy, and an origin that no proxy can be told of.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate_tunnel(const proxy_options& proxy, const origin& target) {
    validate(proxy);
    if (proxy.enabled() && tunnel_authority(target).empty())
        refuse_origin("host", "must be a name or an IP address as HTTP writes them where there is a proxy");
}

/// What is written to the proxy first.
/// @param target,proxy accepted by `validate_tunnel`
inline std::string connect_request(const origin& target, const proxy_options& proxy) {
    const std::string authority = tunnel_authority(target);
    std::string text = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!proxy.username.empty())
        text += "Proxy-Authorization: Basic " + base64(proxy.username + ':' + proxy.password) + "\r\n";
    return text += "\r\n";
}

/// Where the connection goes: to the proxy, or to the origin itself.
inline origin first_hop(const origin& target, const proxy_options& proxy) {
    return proxy.enabled() ? origin{.host = proxy.host, .port = proxy.port} : target;
}

/// The name of what kept the first hop from being reached. What this side alone is to blame for keeps its name.
inline std::error_code first_hop_error(const std::error_code& error, const proxy_options& proxy) noexcept {
    const bool own = error == errc::cancelled || error == errc::descriptors_exhausted ||
                     error == errc::socket_setup_failed || error == errc::access_denied;
    return error && proxy.enabled() && !own ? errc::proxy_unreachable : error;
}

/// Reads the answer to CONNECT.
class connect_answer {
public:
    enum class verdict : std::uint8_t {
        need_more,
        tunnel,  ///< what follows is said by the origin
        failed,  ///< `error` says why
    };

    /// Takes the bytes that have come; not to be called again after a verdict but `verdict::need_more`.
    verdict received(std::string_view bytes) {
        window_.append(bytes);
        for (;;) {
            const parse_result step = parser_.parse(window_.data() + consumed_, window_.size() - consumed_);
            consumed_ += step.consumed;
            if (step.event == parse_event::need_more) return verdict::need_more;
            if (step.event == parse_event::interim_head) continue;
            return step.event == parse_event::head ? judge_head() : fail(errc::proxy_bad_response);
        }
    }

    errc error() const noexcept { return error_; }

private:
    // Smaller than that of an origin: proxies say little here, and fields are not kept.
    static constexpr std::size_t max_head_bytes = 16 * 1024;

    static response_parser make_parser() noexcept {
        // A refusal may have a body, which nobody reads.
        response_parser parser({.max_head_bytes = max_head_bytes, .max_body_bytes = http::unlimited});
        parser.start(request_kind::connect);
        return parser;
    }

    verdict judge_head() noexcept {
        if (parser_.status() == 407) return fail(errc::proxy_unauthorized);
        if (!parser_.switched()) return fail(errc::proxy_refused);
        // Neither TLS nor HTTP lets the server speak first: who put these bytes here meant them for a response.
        if (consumed_ != window_.size()) return fail(errc::proxy_bad_response);
        return verdict::tunnel;
    }

    verdict fail(errc e) noexcept {
        error_ = e;
        return verdict::failed;
    }

    response_parser parser_ = make_parser();
    std::string window_;
    std::size_t consumed_ = 0;
    errc error_{};
};

}  // namespace hotpool::detail
