// A request's line and fields as positions in its text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/framing_fields.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/request_target.hpp"

namespace hotpool::http {

/// What a complete head says, without its text. Positions count from the head's first byte, which is the
/// method's, so that the text may be moved.
struct request_head {
    std::uint8_t version_minor = 0;  ///< HTTP/1.0 or HTTP/1.1
    std::uint8_t method_size = 0;
    bool expects_continue = false;  ///< RFC 9110, 10.1.1; of HTTP/1.1 only
    std::uint32_t target_size = 0;  ///< begins one space behind the method
    std::uint32_t fields_begin = 0;
    std::uint32_t fields_size = 0;  ///< all field lines with their CRLF, without the empty line

    /// @param head the head's text; what lies behind it does no harm
    std::string_view method(std::string_view head) const noexcept { return head.substr(0, method_size); }
    /// @param head the head's text; what lies behind it does no harm
    std::string_view target(std::string_view head) const noexcept {
        return head.substr(method_size + std::size_t{1}, target_size);
    }
    /// @param head the head's text; what lies behind it does no harm
    fields_view fields(std::string_view head) const noexcept {
        return fields_view{head.substr(fields_begin, fields_size)};
    }
};

/// Bytes of the longest method; the longest that is registered has 17.
/// @source IANA, HTTP Method Registry (UPDATEREDIRECTREF)
inline constexpr std::size_t max_method_bytes = 32;

/// Whether a method is one that this side passes on, known or not: capital letters with `-` and `_`, as all that are
/// registered have. Case matters in methods, and who writes `get` hopes that somebody on the way ignores that.
constexpr bool is_usual_method(std::string_view method) noexcept {
    for (const char c : method)
        if ((c < 'A' || c > 'Z') && c != '-' && c != '_') return false;
    return method.size() <= max_method_bytes;
}

/// Takes a request line apart: one space between its parts, nothing around them.
/// @param line the first line of a request without its CRLF
/// @param out `version_minor` and the sizes are set unless the line is refused
/// @return `no_error`, or why the line is refused
/// @source RFC 9112, 3
inline errc parse_request_line(std::string_view line, request_head& out) noexcept {
    constexpr std::string_view protocol = "HTTP/";
    constexpr std::size_t version_size = protocol.size() + 3;  // 1.1
    const std::size_t method_size = line.find(' ');
    const std::string_view method = line.substr(0, method_size);
    if (method_size == line.npos || !is_token(method)) return errc::bad_request_line;

    const std::string_view rest = line.substr(method_size + 1);
    const std::size_t target_size = rest.find(' ');
    if (target_size == rest.npos || target_size == 0) return errc::bad_request_line;
    const std::string_view version = rest.substr(target_size + 1);
    if (version.size() != version_size || !version.starts_with(protocol) || version[6] != '.' ||
        !is_digit(version[5]) || !is_digit(version[7]))
        return errc::bad_request_line;
    if (version[5] != '1' || version[7] > '1') return errc::bad_version;
    if (!is_usual_method(method)) return errc::bad_method;
    const std::string_view target = rest.substr(0, target_size);
    if (check_target(method, target) != no_error) return errc::bad_target;

    out.method_size = static_cast<std::uint8_t>(method_size);
    out.target_size = static_cast<std::uint32_t>(target_size);
    out.version_minor = static_cast<std::uint8_t>(version[7] - '0');
    return no_error;
}

/// Whether a target and the Host field that comes with it name the same place. A target without an authority names
/// none of its own; in an absolute-form one only http and https are schemes of this server's.
/// @param target as `check_target` accepts it
/// @param host as `base::parse_authority` accepts it
/// @source RFC 9112, 3.2.2 lets a server follow the target; servers in front of it may have followed the field
constexpr errc check_agreement(std::string_view method, std::string_view target, std::string_view host) noexcept {
    const std::string_view named = target_authority(method, target);
    if (named.empty()) return no_error;
    std::string_view default_port;
    if (method != "CONNECT") {
        const std::string_view scheme = target.substr(0, target.find("://"));
        if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return errc::bad_target;
        default_port = scheme.size() == 5 ? "443" : "80";
    }
    const auto a = base::parse_authority(named), b = base::parse_authority(host);
    if (!a || !b) return errc::bad_host;
    const auto port_of = [&](const base::authority& place) { return place.port.empty() ? default_port : place.port; };
    return equals_ignoring_case(a->host, b->host) && port_of(*a) == port_of(*b) ? no_error : errc::bad_host;
}

/// What `head_parser` asks of a request. Stricter than for responses where a server behind another one could be led to
/// see a message's end elsewhere: one Content-Length, and that a number.
struct request_rules {
    static constexpr errc foreign = errc::bad_request_line;
    static constexpr errc start_line_excess = errc::request_line_too_large;

    /// So that TLS on a plain port, and whoever sends a line end too many, is told at once.
    static bool may_begin(std::string_view received) noexcept {
        return received.empty() || is_token_char(received.front());
    }
    std::size_t max_start_line_bytes() const noexcept { return max_line_bytes; }

    errc take_start_line(std::string_view line) noexcept {
        head.fields_begin = static_cast<std::uint32_t>(line.size() + 2);
        return parse_request_line(line, head);
    }

    errc take_field(std::string_view name, std::string_view value) noexcept {
        switch (name.size()) {
            case 4: return is_word(name, "host") ? take_host(value) : no_error;
            case 6: return is_word(name, "expect") ? take_expectation(value) : no_error;
            case 14: return is_word(name, "content-length") ? take_length(name, value) : no_error;
            default: return framing.take(name, value);
        }
    }

    errc finish(std::string_view lines) noexcept {
        head.fields_size = static_cast<std::uint32_t>(lines.size() - head.fields_begin);
        if (!has_host && head.version_minor == 1) return errc::missing_host;
        if (has_host && lines[head.method_size + std::size_t{1}] != '/')
            if (const errc e =
                    check_agreement(head.method(lines), head.target(lines), *head.fields(lines).find("host"));
                e != no_error)
                return e;
        head.expects_continue = head.expects_continue && head.version_minor == 1;
        return framing.check(head.version_minor);
    }

    request_head head;
    framing_fields framing;
    std::size_t max_line_bytes = 0;
    bool has_host = false;

private:
    errc take_host(std::string_view value) noexcept {
        if (has_host) return errc::repeated_host;
        has_host = true;
        return base::parse_authority(value) ? no_error : errc::bad_host;
    }
    errc take_expectation(std::string_view value) noexcept {
        head.expects_continue = equals_ignoring_case(value, "100-continue");
        return head.expects_continue ? no_error : errc::bad_expectation;
    }
    errc take_length(std::string_view name, std::string_view value) noexcept {
        if (framing.content_length()) return errc::conflicting_content_length;
        return parse_decimal(value) ? framing.take(name, value) : errc::bad_content_length;
    }
};

}  // namespace hotpool::http
