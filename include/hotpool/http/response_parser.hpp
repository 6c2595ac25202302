// The response parser: bytes to events, RFC 9112.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/body_reader.hpp"
#include "hotpool/http/head_parser.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/parse_result.hpp"
#include "hotpool/http/request_kind.hpp"
#include "hotpool/http/response_head.hpp"

namespace hotpool {

/// Reads one response after another from a window that the caller keeps: the bytes received and not consumed.
/// Copies nothing, allocates nothing, does no I/O.
///
/// A head is consumed when it is complete, so its text lies in the window in one piece; body bytes are
/// consumed as they come. Questions about a head are answered from its event on, until `start` or the next.
///
/// What the RFCs ask a client to bear with is borne unless `http::limits::strict`: a status beyond 599, a minor version
/// above 1, and, in a window that may be written to, fields that go on in another line, one that begins with a space.
/// Never so Content-Length and Transfer-Encoding, nor a line that looks like one of them.
/// @threads distinct objects only
/// @source RFC 9112
class response_parser {
public:
    using result = parse_result;

    /// @param bounds within what `http::limits::validate` accepts
    explicit response_parser(const http::limits& bounds = {}) noexcept : limits_(bounds), body_(!bounds.strict) {
        start(request_kind::plain);
    }

    /// Prepares for the response to the next request.
    /// @param upgrade_requested whether the request asked for another protocol; otherwise 101 is refused
    void start(request_kind kind, bool upgrade_requested = false) noexcept {
        kind_ = kind;
        upgrade_requested_ = upgrade_requested;
        interim_responses_ = 0;
        interim_bytes_ = 0;
        error_ = http::no_error;
        start_head();
    }

    /// Bounds the bodies of the heads still to come; see `http::limits::max_body_bytes`.
    void limit_body(std::uint64_t max_body_bytes) noexcept { limits_.max_body_bytes = max_body_bytes; }

    /// Takes the next step.
    /// @param input the window: all bytes received and not consumed, those shown before included
    /// @return the event; `parse_event::end` and `parse_event::failed` are repeated until `start`
    /// @cost looks at each byte once, however the window grows
    result parse(std::string_view input) noexcept {
        writable_ = false;
        return take_step(input);
    }
    /// The same for a window that may be written to: with its event, each line of a head that is folded has become a
    /// space, and what that saves has become spaces behind the value. Nothing else is written.
    result parse(char* window, std::size_t size) noexcept {
        writable_ = true;
        return take_step({window, size});
    }

    /// To be told when the peer has closed its side and every byte received has been parsed.
    /// @return `parse_event::end`, or `parse_event::failed` with `errc::response_missing` if no byte of the
    /// response has come and `errc::response_truncated` if some have
    result finish() noexcept {
        if (state_ == state::failed) return fail(error_);
        body_.finish();
        if (body_.complete() || body_.failed()) return body_.parse({});
        return fail(begun() ? errc::response_truncated : errc::response_missing);
    }

    /// Whether any byte of the response has been seen.
    bool begun() const noexcept { return state_ != state::head || head_.begun() || interim_bytes_ != 0; }
    /// Whether the response has been read to its end; `parse` would say `parse_event::end`.
    bool complete() const noexcept { return body_.complete(); }

    /// Where the parts of the head are, relative to its first byte.
    const http::response_head& head() const noexcept { return head_.rules().head; }
    std::uint16_t status() const noexcept { return head().status; }
    std::uint8_t version_minor() const noexcept { return head().version_minor; }

    body_kind body() const noexcept { return body_.kind(); }
    /// What Content-Length says, even where no body follows, as after HEAD.
    std::optional<std::uint64_t> content_length() const noexcept { return framing().content_length(); }
    /// Bytes of the body still to come, for reading them straight to where they belong; 0 when unknown.
    std::uint64_t remaining_body_hint() const noexcept { return body_.remaining_hint(); }

    /// Whether the connection may carry another exchange once this response has been read to its end.
    /// @source RFC 9112, 9.3
    bool keep_alive() const noexcept {
        return !switched_ && body() != body_kind::until_close && framing().persistent(version_minor());
    }
    /// Whether a response that must not have a body, 204 or 205, says that it has one: nobody knows what comes behind it.
    bool announces_forbidden_body() const noexcept {
        if (status() != 204 && status() != 205) return false;
        return framing().chunked() || framing().content_length().value_or(0) != 0;
    }
    /// How long the peer keeps the connection while it is idle, if it says so (`Keep-Alive: timeout=5`).
    std::optional<std::chrono::seconds> keep_alive_timeout() const noexcept { return framing().keep_alive_timeout(); }
    /// Whether the connection speaks another protocol from here on, after 101 or a 2xx to CONNECT. The bytes
    /// behind the head are that protocol's.
    bool switched() const noexcept { return switched_; }

private:
    enum class state : std::uint8_t { head, interim, body, failed };
    using head_parser = http::head_parser<http::response_rules>;

    const http::framing_fields& framing() const noexcept { return head_.rules().framing; }

    void start_head() noexcept {
        state_ = state::head;
        body_.reset();
        switched_ = false;
        http::response_rules rules;
        rules.strict = limits_.strict;
        head_.start(limits_.max_head_bytes - interim_bytes_, limits_.max_fields, rules);
    }

    result take_step(std::string_view input) noexcept {
        switch (state_) {
            case state::interim: start_head(); [[fallthrough]];
            case state::head: return parse_head(input);
            case state::body: return body_.parse(input);
            case state::failed: break;
        }
        return fail(error_);
    }

    result parse_head(std::string_view input) noexcept {
    again:  // one place that parses, so that it is inlined
        switch (head_.parse(input)) {
            case head_parser::verdict::need_more: return {};
            case head_parser::verdict::failed:
                if (writable_ && !limits_.strict && head_.take_fold(input)) goto again;
                return fail(head_.error());
            case head_parser::verdict::complete: break;
        }
        if (head_.rules().folded_end != 0) [[unlikely]]
            if (!unfold(input)) return fail(errc::bad_field_folding);
        if (is_interim(status())) {
            if (interim_responses_++ == limits_.max_interim_responses) return fail(errc::too_many_interim_responses);
            interim_bytes_ += head_.size();
            state_ = state::interim;
            return {parse_event::interim_head, head_.size(), {}, {}};
        }
        if (const errc e = start_body(); e != http::no_error) return fail(e);
        return {parse_event::head, head_.size(), {}, {}};
    }

    /// False where the window turns out not to be the caller's to write to.
    [[gnu::noinline, gnu::cold]] bool unfold(std::string_view window) const noexcept {
        if (!writable_) return false;
        const std::string_view lines = head().fields(window).text();
        char* const begin = const_cast<char*>(lines.data());  // it came as one that may be written to
        http::unfold(begin, begin + lines.size());
        return true;
    }

    static bool is_interim(std::uint16_t status) noexcept { return status < 200 && status != 101; }

    /// Decides what follows the final head.
    /// @source RFC 9112, 6.3
    errc start_body() noexcept {
        const std::uint16_t code = status();
        if (code == 101 && !upgrade_requested_) return errc::upgrade_not_requested;
        switched_ = code == 101 || (kind_ == request_kind::connect && code < 300);
        state_ = state::body;
        if (switched_ || kind_ == request_kind::head || code == 204 || code == 304) {
            body_.start_none();
            return http::no_error;
        }
        return body_.start(framing(), limits_, body_kind::until_close);
    }

    result fail(errc e) noexcept {
        state_ = state::failed;
        error_ = e;
        return {parse_event::failed, 0, {}, e};
    }

    http::limits limits_;
    head_parser head_;
    http::body_reader body_;
    std::size_t interim_bytes_ = 0;
    std::size_t interim_responses_ = 0;
    errc error_ = http::no_error;
    request_kind kind_ = request_kind::plain;
    bool upgrade_requested_ = false;
    bool switched_ = false;
    bool writable_ = false;  // whether the window is
    state state_ = state::head;
};

}  // namespace hotpool
