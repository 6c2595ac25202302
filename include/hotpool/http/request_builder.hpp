// The request builder: a request checked and serialised while it is described.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/body_source.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/method.hpp"
#include "hotpool/http/request_fields.hpp"
#include "hotpool/http/request_kind.hpp"
#include "hotpool/http/request_target.hpp"

namespace hotpool {

/// One HTTP/1.1 request. The first thing in it that must not be sent is remembered as its `error`, and then
/// nothing of it is sent.
///
/// Host, Connection and what frames the body are written by the library; Host, Connection and Content-Length
/// may be set here all the same and are then sent as given.
/// @threads distinct objects only
/// @lifetime once moved from, to be reset, assigned to or destroyed
/// @cost fields and start line are kept as the text that is sent; `reset` keeps their memory
/// @source RFC 9112, 3 and 6
class request_builder {
public:
    /// @param method a token; its case matters
    /// @param target a path and query, a URL (for proxies), `*` (OPTIONS), or host and port (CONNECT)
    request_builder(std::string_view method, std::string_view target) { reset(method, target); }

    /// Begins another request, without fields, body and error.
    void reset(std::string_view method, std::string_view target) {
        start_line_.assign(method).append(" ").append(target).append(" HTTP/1.1\r\n");
        method_size_ = method.size();
        target_size_ = target.size();
        fields_.clear();
        drop_body();
        expect_continue_ = false;
        method_ = http::facts_of(method);
        error_ = http::is_token(method) ? http::check_target(method, target) : errc::invalid_method;
    }

    /// Adds a field behind the others; spaces and tabs around the value are dropped.
    /// @errors remembers `errc::invalid_field_name`, `errc::invalid_field_value`, `errc::invalid_host`,
    /// `errc::reserved_field` (Transfer-Encoding, Expect), `errc::repeated_field` (Host, Content-Length)
    request_builder& header(std::string_view name, std::string_view value) {
        if (http::is_single_field(name) && fields_.has(name)) remember(errc::repeated_field);
        remember(http::check_request_field(name, value));
        remember(fields_.append(name, value));
        return *this;
    }

    /// Replaces the fields of that name by one.
    /// @errors as `header`
    request_builder& set_header(std::string_view name, std::string_view value) {
        remember(http::check_request_field(name, value));
        remember(fields_.set(name, value));
        return *this;
    }

    /// Sends `text` as the body, with its Content-Length.
    request_builder& body(std::string text) {
        drop_body();
        body_ = std::move(text);
        return *this;
    }

    /// Sends what `source` yields as the body, chunked unless its length is given.
    /// @param length in bytes; a Content-Length that is set counts as well
    request_builder& body_source(http::body_source source, std::optional<std::uint64_t> length = std::nullopt) {
        drop_body();
        source_ = std::move(source);
        source_length_ = length;
        return *this;
    }

    /// Lets the origin look at the head before the body is sent; without a body it does nothing.
    /// @source RFC 9110, 10.1.1
    request_builder& expect_continue() noexcept {
        expect_continue_ = true;
        return *this;
    }

    std::string_view method() const noexcept { return {start_line_.data(), method_size_}; }
    std::string_view target() const noexcept { return {start_line_.data() + method_size_ + 1, target_size_}; }
    http::fields_view fields() const noexcept { return fields_.fields(); }
    bool has(std::string_view name) const noexcept { return fields_.has(name); }

    /// Why the request must not be sent, or `errc{}`.
    /// @errors besides those of the steps: `errc::body_not_allowed`, `errc::body_length_mismatch`
    errc error() const noexcept {
        if (error_ != http::no_error) return error_;
        if (method_.forbids_body && has_body()) return errc::body_not_allowed;
        const auto declared = declared_length();
        if (!declared) return http::no_error;
        const auto known = source_ ? source_length_ : std::optional<std::uint64_t>{body_.size()};
        return known && *declared != *known ? errc::body_length_mismatch : http::no_error;
    }

    request_kind kind() const noexcept { return method_.kind; }

    /// Whether the request may be sent again when nobody knows whether it was acted upon.
    /// @source RFC 9110, 9.2.2; draft-ietf-httpapi-idempotency-key-header
    bool is_idempotent() const noexcept { return method_.idempotent || fields_.has_known("Idempotency-Key"); }

    /// Whether 101 is a possible answer.
    bool wants_upgrade() const noexcept {
        return fields_.has_known("Upgrade") && (!fields_.has_known("Connection") || connection_has("upgrade"));
    }
    /// False if the request itself asks to close the connection after its response.
    bool keep_alive() const noexcept { return !connection_has("close"); }
    bool expects_continue() const noexcept { return expect_continue_ && has_body(); }

    /// The body given as text; empty if there is none or it is streamed.
    std::string_view body_view() const noexcept { return body_; }
    bool is_streamed() const noexcept { return static_cast<bool>(source_); }
    bool is_chunked() const noexcept { return source_ && !content_length(); }
    /// The body's length in bytes; nothing if it is chunked.
    std::optional<std::uint64_t> content_length() const noexcept {
        if (!source_) return body_.size();
        return source_length_ ? source_length_ : declared_length();
    }
    /// Where a streamed body is pulled from; only if `is_streamed`.
    const http::body_source& source() const noexcept { return source_; }

    /// Whether the body can be sent a second time.
    bool replayable() const noexcept { return !source_ || source_.can_rewind(); }
    /// Goes back to the body's first byte.
    /// @return `errc{}` or `errc::body_not_replayable`
    errc rewind() const noexcept { return source_ ? source_.rewind() : http::no_error; }

    /// Appends the request's head, up to and including the empty line.
    /// @param host_value for the Host field, as `base::authority_text` makes it; not used if the request has a
    /// Host field or its target names the host
    /// @param defaults fields to send as well, but for those whose names the request has and those that
    /// `http::is_managed_field` names
    /// @param asks_first false: the body is not withheld, whatever `expects_continue` says
    /// @return `error`; nothing is appended unless it is `errc{}`
    errc write_head(base::byte_buffer& out, std::string_view host_value, const http::field_block* defaults = nullptr,
                    bool asks_first = true) const {
        if (const errc e = error(); e != http::no_error) return e;
        if (defaults != nullptr && defaults->empty()) defaults = nullptr;
        out.reserve(out.size() + start_line_.size() + host_value.size() + fields_.text().size() +
                    (defaults != nullptr ? defaults->text().size() : 0) + usual_room);
        write_start(out, host_value);
        if (defaults != nullptr) write_defaults(out, *defaults);
        write_end(out, asks_first);
        return http::no_error;
    }

private:
    static constexpr std::size_t usual_room = 100;  // for the fields that the library writes

    void remember(errc e) noexcept {
        if (error_ == http::no_error) error_ = e;
    }

    void drop_body() noexcept {
        body_.clear();
        source_ = {};
        source_length_.reset();
    }

    bool has_body() const noexcept { return !body_.empty() || (source_ && content_length() != 0u); }

    std::optional<std::uint64_t> declared_length() const noexcept {
        if (!fields_.has_known("Content-Length")) return std::nullopt;
        return http::parse_decimal(*fields_.find("Content-Length"));
    }

    [[gnu::always_inline]] bool connection_has(std::string_view token) const noexcept {
        return fields_.has_known("Connection") && connection_lists(token);
    }
    bool connection_lists(std::string_view token) const noexcept {
        for (const http::field& f : fields())
            if (http::is_word(f.name, "connection") && http::list_has_token(f.value, token)) return true;
        return false;
    }

    void write_start(base::byte_buffer& out, std::string_view host_value) const {
        if (fields_.has_known("Host")) return out.append(start_line_, fields_.text());
        const std::string_view named = http::target_authority(method(), target());
        out.append(start_line_, "Host: ", named.empty() ? host_value : named, "\r\n", fields_.text());
    }

    void write_defaults(base::byte_buffer& out, const http::field_block& defaults) const {
        const bool all_wanted = (defaults.name_bits() & (fields_.name_bits() | http::managed_name_bits)) == 0;
        all_wanted ? out.append(defaults.text()) : write_wanted(out, defaults);
    }
    void write_wanted(base::byte_buffer& out, const http::field_block& defaults) const {
        for (const http::field& f : defaults.fields()) {
            if (has(f.name) || http::is_managed_field(f.name)) continue;
            out.append(f.name, ": ", f.value, "\r\n");
        }
    }

    /// Connection, what frames the body, and the end of the head.
    void write_end(base::byte_buffer& out, bool asks_first) const {
        if (!fields_.has_known("Connection")) {
            if (fields_.has_known("Upgrade"))
                out.append("Connection: Upgrade\r\n");
            else
                out.append("Connection: keep-alive\r\n");
        }
        if (has_body() || source_ || method_.expects_body) write_framing(out);
        if (asks_first && expects_continue()) out.append("Expect: 100-continue\r\n");
        out.append("\r\n");
    }

    void write_framing(base::byte_buffer& out) const {
        if (is_chunked()) return out.append("Transfer-Encoding: chunked\r\n");
        if (fields_.has_known("Content-Length")) return;
        char digits[20];
        const char* const last = std::to_chars(digits, digits + sizeof digits, *content_length()).ptr;
        out.append("Content-Length: ", std::string_view(digits, last), "\r\n");
    }

    std::string start_line_;
    std::size_t method_size_ = 0;
    std::size_t target_size_ = 0;
    http::method_facts method_;
    http::field_block fields_;
    std::string body_;
    http::body_source source_;
    std::optional<std::uint64_t> source_length_;
    bool expect_continue_ = false;
    errc error_ = http::no_error;
};

}  // namespace hotpool
