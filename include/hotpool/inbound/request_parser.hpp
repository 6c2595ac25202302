// The request parser: bytes to events, strict RFC 9112.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/body_reader.hpp"
#include "hotpool/http/head_parser.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/parse_result.hpp"
#include "hotpool/http/request_head.hpp"

namespace hotpool::inbound {

/// Reads one request after another from a window that the caller keeps: the bytes received and not consumed.
/// Copies nothing, allocates nothing, does no I/O.
///
/// A head is consumed when it is complete, so its text lies in the window in one piece, the `piece` of its event; body
/// bytes are consumed as they come. Questions about a head are answered from its event on, until `start`.
///
/// What could be understood differently by a server in front is refused: Content-Length beside Transfer-Encoding or
/// twice, any coding but `chunked`, a Host that is missing, repeated or at odds with the target, a bare CR or LF, a
/// folded line, a space before a colon.
/// @threads distinct objects only
/// @source RFC 9112
class request_parser {
public:
    using result = parse_result;

    /// @param bounds within what `http::limits::validate` accepts
    explicit request_parser(const http::limits& bounds = {}) noexcept : limits_(bounds) { start(); }

    /// Prepares for the next request.
    void start() noexcept {
        state_ = state::before;
        body_.reset();
        error_ = http::no_error;
        http::request_rules rules;
        rules.max_line_bytes = limits_.max_request_line_bytes;
        head_.start(limits_.max_head_bytes, limits_.max_fields, rules);
    }

    /// Takes the next step.
    /// @param input the window: all bytes received and not consumed, those shown before included
    /// @return `parse_event::head` with the head's text, or any other event but `parse_event::interim_head`;
    /// `parse_event::end` and `parse_event::failed` are repeated until `start`
    /// @cost looks at each byte once, however the window grows
    result parse(std::string_view input) noexcept {
        switch (state_) {
            case state::before: return skip_empty_line(input);
            case state::behind_empty_line: return input.empty() ? result() : begin_head(input, 0);
            case state::head: return parse_head(input, 0);
            case state::body: return body_.parse(input);
            case state::failed: break;
        }
        return fail(error_);
    }

    /// Whether any byte of the request has been seen; the empty line that may be in front of it is none.
    bool begun() const noexcept { return state_ > state::behind_empty_line; }
    /// Whether any byte of a request follows in `input`, the bytes behind the present one.
    static bool has_request(std::string_view input) noexcept {
        if (input.starts_with(empty_line)) input.remove_prefix(empty_line.size());
        return !input.empty() && input != "\r";
    }
    /// Whether the request has been read to its end; `parse` would say `parse_event::end`.
    bool complete() const noexcept { return body_.complete(); }

    /// Where the parts of the head are, relative to its first byte.
    const http::request_head& head() const noexcept { return head_.rules().head; }
    /// `body_kind::none`, `body_kind::length` (which may be 0) or `body_kind::chunked`.
    body_kind body() const noexcept { return body_.kind(); }
    std::optional<std::uint64_t> content_length() const noexcept { return framing().content_length(); }
    /// Bytes of the body still to come, for making room; 0 when unknown.
    std::uint64_t remaining_body_hint() const noexcept { return body_.remaining_hint(); }
    /// Whether the client wants to hear `100 Continue` before it sends the body.
    bool expects_continue() const noexcept { return head().expects_continue && !complete(); }

    /// Whether the client lets the connection carry another request once this one has been answered.
    /// @source RFC 9112, 9.3
    bool keep_alive() const noexcept { return framing().persistent(head().version_minor); }

private:
    enum class state : std::uint8_t { before, behind_empty_line, head, body, failed };
    using head_parser = http::head_parser<http::request_rules>;

    static constexpr std::string_view empty_line = "\r\n";

    const http::framing_fields& framing() const noexcept { return head_.rules().framing; }

    /// One empty line in front of a request is passed over: clients that add one behind the body of a POST are still
    /// about, and nothing else can be meant.
    /// @source RFC 9112, 2.2
    result skip_empty_line(std::string_view input) noexcept {
        if (input.empty() || input == "\r") return {};
        if (!input.starts_with(empty_line)) return begin_head(input, 0);
        if (input.size() > empty_line.size()) return begin_head(input, empty_line.size());
        state_ = state::behind_empty_line;
        return {parse_event::need_more, empty_line.size(), {}, {}};
    }

    result begin_head(std::string_view input, std::size_t skipped) noexcept {
        state_ = state::head;
        return parse_head(input, skipped);
    }

    result parse_head(std::string_view input, std::size_t skipped) noexcept {
        const std::string_view window = input.substr(skipped);
        switch (head_.parse(window)) {
            case head_parser::verdict::need_more: return {parse_event::need_more, skipped, {}, {}};
            case head_parser::verdict::failed: return fail(head_.error());
            case head_parser::verdict::complete: break;
        }
        if (const errc e = body_.start(framing(), limits_, body_kind::none); e != http::no_error) return fail(e);
        state_ = state::body;
        return {parse_event::head, skipped + head_.size(), window.substr(0, head_.size()), {}};
    }

    result fail(errc e) noexcept {
        state_ = state::failed;
        error_ = e;
        return {parse_event::failed, 0, {}, e};
    }

    http::limits limits_;
    head_parser head_;
    http::body_reader body_;
    errc error_ = http::no_error;
    state state_ = state::before;
};

/// The status by which a request is refused that the parser refuses.
/// @source RFC 9110, 15.5 and 15.6; RFC 9112, 3 and 6.1
constexpr unsigned refusal_status(errc e) noexcept {
    switch (e) {
        case errc::body_too_large: return 413;
        case errc::request_line_too_large: return 414;
        case errc::bad_expectation: return 417;
        case errc::head_too_large:
        case errc::too_many_fields: return 431;
        case errc::bad_method:
        case errc::bad_transfer_encoding:
        case errc::identity_transfer_encoding: return 501;
        case errc::bad_version: return 505;
        default: return 400;
    }
}

}  // namespace hotpool::inbound
