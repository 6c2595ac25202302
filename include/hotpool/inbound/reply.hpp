// The answer to a request, and its bytes.
#pragma once

#include <charconv>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::inbound {

namespace detail {

/// The begin of a reply up to its length, for the usual statuses; empty for the others.
/// @source RFC 9110, 15; RFC 6585
constexpr std::string_view known_status_line(unsigned status) noexcept {
    switch (status) {
        case 200: return "HTTP/1.1 200 OK\r\n";
        case 201: return "HTTP/1.1 201 Created\r\n";
        case 202: return "HTTP/1.1 202 Accepted\r\n";
        case 204: return "HTTP/1.1 204 No Content\r\n";
        case 206: return "HTTP/1.1 206 Partial Content\r\n";
        case 301: return "HTTP/1.1 301 Moved Permanently\r\n";
        case 302: return "HTTP/1.1 302 Found\r\n";
        case 303: return "HTTP/1.1 303 See Other\r\n";
        case 304: return "HTTP/1.1 304 Not Modified\r\n";
        case 307: return "HTTP/1.1 307 Temporary Redirect\r\n";
        case 308: return "HTTP/1.1 308 Permanent Redirect\r\n";
        case 400: return "HTTP/1.1 400 Bad Request\r\n";
        case 401: return "HTTP/1.1 401 Unauthorized\r\n";
        case 403: return "HTTP/1.1 403 Forbidden\r\n";
        case 404: return "HTTP/1.1 404 Not Found\r\n";
        case 405: return "HTTP/1.1 405 Method Not Allowed\r\n";
        case 408: return "HTTP/1.1 408 Request Timeout\r\n";
        case 409: return "HTTP/1.1 409 Conflict\r\n";
        case 410: return "HTTP/1.1 410 Gone\r\n";
        case 412: return "HTTP/1.1 412 Precondition Failed\r\n";
        case 413: return "HTTP/1.1 413 Content Too Large\r\n";
        case 414: return "HTTP/1.1 414 URI Too Long\r\n";
        case 415: return "HTTP/1.1 415 Unsupported Media Type\r\n";
        case 416: return "HTTP/1.1 416 Range Not Satisfiable\r\n";
        case 417: return "HTTP/1.1 417 Expectation Failed\r\n";
        case 421: return "HTTP/1.1 421 Misdirected Request\r\n";
        case 422: return "HTTP/1.1 422 Unprocessable Content\r\n";
        case 429: return "HTTP/1.1 429 Too Many Requests\r\n";
        case 431: return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
        case 500: return "HTTP/1.1 500 Internal Server Error\r\n";
        case 501: return "HTTP/1.1 501 Not Implemented\r\n";
        case 502: return "HTTP/1.1 502 Bad Gateway\r\n";
        case 503: return "HTTP/1.1 503 Service Unavailable\r\n";
        case 504: return "HTTP/1.1 504 Gateway Timeout\r\n";
        case 505: return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
        default: return {};
    }
}

/// Up to 20 decimal digits.
class decimal {
public:
    explicit decimal(std::size_t value) noexcept : end_(std::to_chars(digits_, digits_ + sizeof digits_, value).ptr) {}
    operator std::string_view() const noexcept { return {digits_, end_}; }

private:
    char digits_[20];
    char* end_;
};

}  // namespace detail

/// A final response. The first thing in it that must not be sent is remembered as its `error`; a 500 goes out then.
///
/// Content-Length, Transfer-Encoding and Connection are written by the library.
/// @threads distinct objects only
/// @cost fields are kept as the text that is sent, so that a reply that is made once and sent often costs a copy
class reply {
public:
    /// @param status 200 to 599
    explicit reply(unsigned status = 200) : status_(status) {
        if (status < 200 || status > 599) remember(errc::bad_status_code);
    }

    /// Adds a field behind the others; spaces and tabs around the value are dropped.
    /// @errors remembers `errc::invalid_field_name`, `errc::invalid_field_value`, `errc::reserved_field`
    reply& header(std::string_view name, std::string_view value) {
        if (is_reserved(name)) remember(errc::reserved_field);
        remember(fields_.append(name, value));
        return *this;
    }

    reply& body(std::string text) {
        shared_.reset();
        text_ = std::move(text);
        return *this;
    }
    /// Sends a text that others send as well, without copying it.
    reply& body(std::shared_ptr<const std::string> text) {
        text_.clear();
        shared_ = std::move(text);
        return *this;
    }

    /// Closes the connection behind this reply.
    reply& close() noexcept {
        close_ = true;
        return *this;
    }

    unsigned status() const noexcept { return status_; }
    http::fields_view fields() const noexcept { return fields_.fields(); }
    std::string_view body_view() const noexcept {
        return shared_ ? std::string_view(*shared_) : std::string_view(text_);
    }
    const std::shared_ptr<const std::string>& shared_body() const noexcept { return shared_; }
    bool closes() const noexcept { return close_; }
    errc error() const noexcept { return error_; }

    /// Whether such a status comes without a body and without a length.
    /// @source RFC 9110, 8.6; the length of a 304 would be that of another response
    bool is_bodiless() const noexcept { return status_ == 204 || status_ == 304; }

private:
    friend struct reply_writer;

    static bool is_reserved(std::string_view name) noexcept {
        return http::is_word(name, "content-length") || http::is_word(name, "transfer-encoding") ||
               http::is_word(name, "connection");
    }
    void remember(errc e) noexcept {
        if (error_ == http::no_error) error_ = e;
    }

    unsigned status_;
    bool close_ = false;
    errc error_ = http::no_error;
    http::field_block fields_;
    std::string text_;
    std::shared_ptr<const std::string> shared_;
};

/// What of a request and its connection decides how a reply is written.
struct reply_writer {
    bool head_only = false;  ///< the method was HEAD: the length of the body that is not sent
    bool keep_alive = true;  ///< otherwise `Connection: close`
    bool http_1_0 = false;   ///< such a client must be told that the connection stays

    /// Appends the reply's head, up to and including the empty line.
    /// @param r without an `error`
    void write_head(base::byte_buffer& out, const reply& r) const {
        const std::string_view line = detail::known_status_line(r.status_);
        if (line.empty()) out.append("HTTP/1.1 ", detail::decimal(r.status_), " \r\n");
        if (r.is_bodiless())
            out.append(line, connection(), r.fields_.text(), "\r\n");
        else
            out.append(line, "Content-Length: ", detail::decimal(r.body_view().size()), "\r\n", connection(),
                       r.fields_.text(), "\r\n");
    }

    /// What follows the head.
    std::string_view body_of(const reply& r) const noexcept {
        return head_only || r.is_bodiless() ? std::string_view() : r.body_view();
    }

private:
    std::string_view connection() const noexcept {
        if (!keep_alive) return "Connection: close\r\n";
        return http_1_0 ? std::string_view("Connection: keep-alive\r\n") : std::string_view();
    }
};

}  // namespace hotpool::inbound
