// A message's body, read as its bytes arrive.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/chunk_reader.hpp"
#include "hotpool/http/framing_fields.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/parse_result.hpp"

namespace hotpool {

/// How the end of a body is found.
enum class body_kind : std::uint8_t { none, length, chunked, until_close };

namespace http {

/// Finds the end of a body and takes the chunked coding off it.
/// @threads distinct objects only
/// @source RFC 9112, 6.3
class body_reader {
public:
    /// @param may_fold whether a trailer field may go on in another line
    explicit body_reader(bool may_fold = false) noexcept : may_fold_(may_fold) {}

    /// Back to where there is no body yet.
    void reset() noexcept { begin(body_kind::none, state::not_begun); }
    /// Prepares for a message without a body.
    void start_none() noexcept { begin(body_kind::none, state::complete); }

    /// Prepares for the body that the fields of a head announce.
    /// @param unframed what there is if they announce none: `body_kind::none` or `body_kind::until_close`
    /// @return `no_error`, or `errc::body_too_large`
    errc start(const framing_fields& framing, const limits& bounds, body_kind unframed) noexcept {
        left_ = framing.content_length().value_or(bounds.max_body_bytes);
        if (framing.chunked()) {
            begin(body_kind::chunked, state::chunked);
            chunks_.start(bounds, may_fold_);
        } else if (framing.content_length()) {
            begin(body_kind::length, left_ != 0 ? state::length : state::complete);
            if (left_ > bounds.max_body_bytes) return fail(errc::body_too_large).error;
        } else {
            begin(unframed, unframed == body_kind::none ? state::complete : state::until_close);
        }
        return no_error;
    }

    /// @param input the bytes received and not consumed
    /// @return any event but those of heads; `parse_event::end` and `parse_event::failed` are repeated
    parse_result parse(std::string_view input) noexcept {
        switch (state_) {
            case state::length: return parse_length(input);
            case state::chunked: return parse_chunked(input);
            case state::until_close: return parse_until_close(input);
            case state::complete: return {parse_event::end, 0, {}, {}};
            case state::not_begun: return {};
            case state::failed: break;
        }
        return fail(error_);
    }

    /// To be told when the peer has closed its side: an end for what only that ends.
    void finish() noexcept {
        if (state_ == state::until_close) state_ = state::complete;
    }

    bool complete() const noexcept { return state_ == state::complete; }
    bool failed() const noexcept { return state_ == state::failed; }
    body_kind kind() const noexcept { return kind_; }
    /// Bytes still to come; 0 when unknown.
    std::uint64_t remaining_hint() const noexcept { return state_ == state::length ? left_ : 0; }

private:
    enum class state : std::uint8_t { not_begun, length, chunked, until_close, complete, failed };

    void begin(body_kind kind, state first) noexcept {
        kind_ = kind;
        state_ = first;
    }

    parse_result parse_length(std::string_view input) noexcept {
        if (input.empty()) return {};
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        left_ -= size;
        if (left_ == 0) state_ = state::complete;
        return {parse_event::body, size, {input.data(), size}, {}};
    }

    parse_result parse_chunked(std::string_view input) noexcept {
        const parse_result step = chunks_.parse(input);
        if (step.event == parse_event::failed) return fail(step.error);
        if (step.event == parse_event::end) state_ = state::complete;
        return step;
    }

    parse_result parse_until_close(std::string_view input) noexcept {
        if (input.empty()) return {};
        if (input.size() > left_) return fail(errc::body_too_large);
        if (left_ != unlimited) left_ -= input.size();
        return {parse_event::body, input.size(), input, {}};
    }

    parse_result fail(errc e) noexcept {
        state_ = state::failed;
        error_ = e;
        return {parse_event::failed, 0, {}, e};
    }

    chunk_reader chunks_;
    std::uint64_t left_ = 0;  // of a close-delimited body: what its limit leaves
    errc error_ = no_error;
    bool may_fold_;
    body_kind kind_ = body_kind::none;
    state state_ = state::not_begun;
};

}  // namespace http
}  // namespace hotpool
