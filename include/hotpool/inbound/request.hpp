// A request as a handler sees it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "hotpool/base/access.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/request_head.hpp"

namespace hotpool::inbound {

/// The path of a request's target, at least `/`, still percent-encoded; empty for `*`.
/// @param target as the request parser accepts it
constexpr std::string_view path_of(std::string_view target) noexcept {
    if (target == "*") return {};
    if (target.front() != '/') {
        const std::string_view behind = target.substr(target.find("://") + 3);
        const std::size_t end = behind.find_first_of("/?");
        target = end == behind.npos ? std::string_view() : behind.substr(end);
    }
    const std::string_view path = target.substr(0, target.find('?'));
    return path.empty() ? std::string_view("/") : path;
}

/// A request line, fields and the body, whole, where they were received.
/// @lifetime belongs to its connection and stays where it is until its `responder` has answered or is gone, be that after
/// the handler has returned and on another thread; its views likewise. A copy of it is no more than another set of views
/// @threads distinct objects only; looking at it from any thread
/// @cost fields are looked up by walking over the head's text
class request {
public:
    /// A token of capital letters; known or not.
    std::string_view method() const noexcept { return head_.method(text_); }
    /// As it came: `/path?query`, an absolute URL, or `*` (OPTIONS).
    std::string_view target() const noexcept { return head_.target(text_); }
    /// The path of the target, at least `/`, still percent-encoded; empty for `*`.
    std::string_view path() const noexcept { return path_of(target()); }
    /// What stands behind the target's first `?`; empty if there is none.
    std::string_view query() const noexcept {
        const std::string_view whole = target();
        const std::size_t mark = whole.find('?');
        return mark == whole.npos ? std::string_view() : whole.substr(mark + 1);
    }
    /// 10 for HTTP/1.0, 11 for HTTP/1.1.
    unsigned version() const noexcept { return 10u + head_.version_minor; }
    /// The value of the first field of that name, ignoring case.
    std::optional<std::string_view> header(std::string_view name) const noexcept { return headers().find(name); }
    /// All fields in order, as `{name, value}`.
    http::fields_view headers() const noexcept { return head_.fields(text_); }
    /// The body, its transfer coding removed.
    std::string_view body() const noexcept { return body_; }

    /// Whom the connection comes from.
    const ip_endpoint& peer() const noexcept { return peer_; }
    /// The client itself: the peer, or whom a trusted proxy names.
    const ip_address& client() const noexcept { return client_; }

private:
    friend struct hotpool::detail::access;

    request(const http::request_head& head, std::string_view text, std::string_view body, const ip_endpoint& peer,
            const ip_address& client) noexcept
        : head_(head), text_(text), body_(body), peer_(peer), client_(client) {}

    http::request_head head_;
    std::string_view text_;
    std::string_view body_;
    ip_endpoint peer_;
    ip_address client_;
};

}  // namespace hotpool::inbound
