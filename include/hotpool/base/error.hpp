// Every way an operation of this library can end, one name each.
#pragma once

#include <string>
#include <system_error>

namespace hotpool {

/// What went wrong. `std::error_code` of these compares with `condition` for the questions callers ask.
/// @threads any thread
enum class errc {
    // getting a connection
    cancelled = 1,
    get_timed_out,
    waiters_full,
    pool_closed,
    pool_draining,
    drain_timed_out,
    warm_incomplete,
    lease_empty,

    // opening a connection
    resolve_failed,
    resolve_empty,
    connect_refused,
    connect_unreachable,
    connect_failed,
    connect_timed_out,
    descriptors_exhausted,
    tls_setup_failed,
    handshake_failed,
    handshake_timed_out,
    handshake_closed,
    certificate_missing,
    certificate_expired,
    certificate_not_yet_valid,
    certificate_host_mismatch,
    certificate_self_signed,
    certificate_unknown_issuer,
    certificate_revoked,
    certificate_invalid,
    certificate_pin_mismatch,
    alpn_mismatch,
    access_denied,
    proxy_unreachable,
    proxy_timed_out,
    proxy_closed,
    proxy_unauthorized,
    proxy_refused,
    proxy_bad_response,

    // reading and writing
    connection_reset,
    connection_closed,
    tls_failed,
    tls_truncated,

    // an exchange
    exchange_in_progress,
    stale_connection,
    response_missing,
    maybe_processed,
    response_truncated,
    response_pending,
    end_of_body,
    request_timed_out,
    request_unsent,
    first_byte_timed_out,
    response_stalled,
    lease_reclaimed,
    unsolicited_bytes,
    upgrade_not_requested,

    // building a request
    invalid_method,
    invalid_target,
    invalid_scheme,
    invalid_host,
    invalid_field_name,
    invalid_field_value,
    reserved_field,
    repeated_field,
    body_length_mismatch,
    body_not_allowed,
    body_source_failed,
    body_not_replayable,

    // parsing a response
    bad_status_line,
    bad_version,
    bad_status_code,
    bad_reason,
    bad_line_ending,
    bad_field_name,
    bad_field_value,
    bad_field_folding,
    bad_content_length,
    conflicting_content_length,
    length_with_transfer_encoding,
    bad_transfer_encoding,
    bad_chunk_size,
    bad_chunk_extension,
    bad_chunk_ending,
    bad_trailer,
    head_too_large,
    too_many_fields,
    too_many_interim_responses,
    trailer_too_large,
    chunk_line_too_large,
    body_too_large,

    // accepting a connection
    listen_failed,
    listener_lost,
    acceptor_closed,
    acceptor_draining,
    idle_timed_out,
    lifetime_over,
    heartbeat_missed,
    group_blocked,
    connection_drained,
    resources_short,

    // parsing a request
    bad_request_line,
    bad_method,
    bad_target,
    request_line_too_large,
    missing_host,
    repeated_host,
    bad_host,
    bad_expectation,
};

/// The questions a caller asks of an error, answered by comparing: `if (ec == condition::timed_out)`.
enum class condition {
    cancelled = 1,       ///< the caller or the pool's owner stopped it
    timed_out,           ///< a deadline passed
    refused,             ///< the pool did not try: full, draining or closed
    open_failed,         ///< no connection could be made
    certificate,         ///< the peer's certificate was not accepted
    connection_lost,     ///< the connection ended under the exchange
    /// The origin may have acted on a request that failed for this and is not idempotent: sending it again may do the
    /// thing twice. No means that no byte of it left, so that nothing can have happened.
    ///
    /// `errc::connection_reset`, `errc::connection_closed`, `errc::tls_failed` and `errc::tls_truncated` answer no: for
    /// such a request they mean that the connection was over before its first byte, since later it is
    /// `errc::maybe_processed`. `errc::cancelled` says nothing of how far the request was, so it answers yes. The error
    /// that a body's own source reports comes after the head has left, and as a code of others it answers no condition.
    maybe_processed,
    bad_request,         ///< the request must not be sent as it is
    bad_response,        ///< the server broke RFC 9112 or a limit
    bad_client,          ///< the client of an accepted connection broke RFC 9112 or a limit
};

namespace detail {

inline const char* describe(errc e) noexcept {
    switch (e) {
        case errc::cancelled: return "cancelled";
        case errc::get_timed_out: return "no connection became available before the get timeout";
        case errc::waiters_full: return "the queue of waiters is full (max_waiters)";
        case errc::pool_closed: return "the pool is closed";
        case errc::pool_draining: return "the pool is draining";
        case errc::drain_timed_out: return "the drain deadline passed, remaining connections were cut";
        case errc::warm_incomplete: return "fewer connections than asked for could be opened";
        case errc::lease_empty: return "the lease holds no connection";
        case errc::resolve_failed: return "the host name could not be resolved";
        case errc::resolve_empty: return "the host name has no usable address";
        case errc::connect_refused: return "the peer refused the connection";
        case errc::connect_unreachable: return "the peer's network or host is unreachable";
        case errc::connect_failed: return "the connection could not be made";
        case errc::connect_timed_out: return "the connect timeout passed before the connection was made";
        case errc::descriptors_exhausted: return "no file descriptor was left for the connection";
        case errc::tls_setup_failed: return "OpenSSL could not set up the TLS session";
        case errc::handshake_failed: return "the TLS handshake failed";
        case errc::handshake_timed_out: return "the time for the TLS handshake passed";
        case errc::handshake_closed: return "the peer closed the connection during the TLS handshake";
        case errc::certificate_missing: return "the peer sent no certificate";
        case errc::certificate_expired: return "the peer's certificate has expired";
        case errc::certificate_not_yet_valid: return "the peer's certificate is not yet valid";
        case errc::certificate_host_mismatch: return "the peer's certificate is for another host";
        case errc::certificate_self_signed: return "the peer's certificate chain is self-signed and not trusted";
        case errc::certificate_unknown_issuer: return "the peer's certificate comes from an unknown issuer";
        case errc::certificate_revoked: return "the peer's certificate is revoked";
        case errc::certificate_invalid: return "the peer's certificate is not valid";
        case errc::certificate_pin_mismatch: return "the peer's certificate matches none of the pins";
        case errc::alpn_mismatch: return "the peer chose no protocol this side offered (ALPN)";
        case errc::access_denied: return "access control or the local addresses allow none of the host's addresses";
        case errc::proxy_unreachable: return "the proxy could not be reached";
        case errc::proxy_timed_out: return "the proxy did not answer CONNECT in time";
        case errc::proxy_closed: return "the proxy closed the connection before it answered CONNECT";
        case errc::proxy_unauthorized: return "the proxy wants other credentials (407)";
        case errc::proxy_refused: return "the proxy refused CONNECT";
        case errc::proxy_bad_response: return "the proxy's answer to CONNECT is not HTTP";
        case errc::connection_reset: return "the connection was reset";
        case errc::connection_closed: return "the peer closed the connection";
        case errc::tls_failed: return "TLS protocol error";
        case errc::tls_truncated: return "the connection ended without TLS close_notify";
        case errc::exchange_in_progress: return "another exchange is in progress on this connection";
        case errc::stale_connection: return "the reused connection was closed by the peer before the request was written";
        case errc::response_missing: return "the peer closed the connection without a response";
        case errc::maybe_processed: return "the connection was lost after the request was written; it may have been processed";
        case errc::response_truncated: return "the connection ended inside the response";
        case errc::response_pending: return "the previous response has not been read to its end";
        case errc::end_of_body: return "the body has been read to its end";
        case errc::request_timed_out: return "the request's deadline passed";
        case errc::request_unsent: return "the request's deadline passed before any of it was written";
        case errc::first_byte_timed_out: return "no byte of the response came in time";
        case errc::response_stalled: return "the response stopped coming for too long";
        case errc::lease_reclaimed: return "the connection was held too long and the pool has taken its place back";
        case errc::unsolicited_bytes: return "the peer sent bytes nobody asked for";
        case errc::upgrade_not_requested: return "the peer switched protocols without being asked";
        case errc::invalid_method: return "method: must be a token (RFC 9110, 5.6.2)";
        case errc::invalid_target: return "target: must be visible ASCII without spaces";
        case errc::invalid_scheme: return "scheme: must be http or https";
        case errc::invalid_host: return "host: must be a name or address, port 1 to 65535";
        case errc::invalid_field_name: return "field name: must be a token (RFC 9110, 5.1)";
        case errc::invalid_field_value: return "field value: must have no CR, LF, NUL or other control character";
        case errc::reserved_field: return "field name: the library writes this field itself";
        case errc::repeated_field: return "field name: may be given only once";
        case errc::body_length_mismatch: return "body: its length differs from Content-Length";
        case errc::body_not_allowed: return "body: the method or the fields allow none";
        case errc::body_source_failed: return "body: its source failed, or yielded another length than was declared";
        case errc::body_not_replayable: return "body: its source cannot be read again for a retry";
        case errc::bad_status_line: return "status line: malformed";
        case errc::bad_version: return "first line: HTTP version is not 1.0 or 1.1";
        case errc::bad_status_code: return "status line: status code is not three digits from 100 to 599";
        case errc::bad_reason: return "status line: control character in the reason phrase";
        case errc::bad_line_ending: return "line ending: CR without LF or LF without CR";
        case errc::bad_field_name: return "field name: not a token directly followed by a colon";
        case errc::bad_field_value: return "field value: control character";
        case errc::bad_field_folding: return "field line: obsolete line folding";
        case errc::bad_content_length: return "Content-Length: not a decimal number";
        case errc::conflicting_content_length: return "Content-Length: differing values, or a second one in a request";
        case errc::length_with_transfer_encoding: return "Content-Length together with Transfer-Encoding";
        case errc::bad_transfer_encoding: return "Transfer-Encoding: unknown coding, or chunked is not the last";
        case errc::bad_chunk_size: return "chunk size: not a hexadecimal number in range";
        case errc::bad_chunk_extension: return "chunk extension: malformed";
        case errc::bad_chunk_ending: return "chunk data: not followed by CRLF";
        case errc::bad_trailer: return "trailer section: malformed field line";
        case errc::head_too_large: return "head: larger than max_head_bytes";
        case errc::too_many_fields: return "head: more fields than max_fields";
        case errc::too_many_interim_responses: return "interim responses: more than max_interim_responses";
        case errc::trailer_too_large: return "trailer section: larger than max_trailer_bytes";
        case errc::chunk_line_too_large: return "chunk line: larger than max_chunk_line_bytes";
        case errc::body_too_large: return "body: larger than max_body_bytes";
        case errc::listen_failed: return "the address could not be listened on";
        case errc::listener_lost: return "the listening socket does not accept any more";
        case errc::acceptor_closed: return "the acceptor is closed";
        case errc::acceptor_draining: return "the acceptor is draining";
        case errc::idle_timed_out: return "nothing came on the connection for too long";
        case errc::lifetime_over: return "the connection is older than max_lifetime";
        case errc::heartbeat_missed: return "the peer answered none of the pings";
        case errc::group_blocked: return "the peer's group is blocked";
        case errc::connection_drained: return "the connection was still open when the drain's deadline passed";
        case errc::resources_short: return "descriptors or memory are short";
        case errc::bad_request_line: return "request line: malformed";
        case errc::bad_method: return "request line: the method is not of capital letters, or too long";
        case errc::bad_target: return "request line: the target has no form that the method allows";
        case errc::request_line_too_large: return "request line: larger than max_request_line_bytes";
        case errc::missing_host: return "Host: missing";
        case errc::repeated_host: return "Host: given more than once";
        case errc::bad_host: return "Host: not a host with an optional port, or another one than in the target";
        case errc::bad_expectation: return "Expect: something other than 100-continue";
    }
    return "unknown hotpool error";
}

inline const char* describe(condition c) noexcept {
    switch (c) {
        case condition::cancelled: return "cancelled";
        case condition::timed_out: return "timed out";
        case condition::refused: return "refused by the pool";
        case condition::open_failed: return "no connection could be opened";
        case condition::certificate: return "certificate not accepted";
        case condition::connection_lost: return "connection lost";
        case condition::maybe_processed: return "the request may have been processed";
        case condition::bad_request: return "the request must not be sent";
        case condition::bad_response: return "the response breaks the protocol or a limit";
        case condition::bad_client: return "the request breaks the protocol or a limit";
    }
    return "unknown hotpool condition";
}

constexpr bool between(errc e, errc first, errc last) noexcept { return e >= first && e <= last; }

/// Whether bytes of a request that failed for `e` may have reached the origin.
constexpr bool leaves_in_doubt(errc e) noexcept {
    switch (e) {
        case errc::cancelled:
        case errc::response_missing:
        case errc::maybe_processed:
        case errc::response_truncated:
        case errc::request_timed_out:
        case errc::first_byte_timed_out:
        case errc::response_stalled:
        case errc::lease_reclaimed:
        case errc::upgrade_not_requested:
        case errc::body_source_failed: return true;
        default: return between(e, errc::bad_status_line, errc::body_too_large);
    }
}

constexpr bool answers(errc e, condition c) noexcept {
    switch (c) {
        case condition::cancelled: return e == errc::cancelled;
        case condition::timed_out:
            return e == errc::get_timed_out || e == errc::drain_timed_out || e == errc::connect_timed_out ||
                   e == errc::handshake_timed_out || e == errc::proxy_timed_out || e == errc::request_timed_out ||
                   e == errc::request_unsent || e == errc::first_byte_timed_out || e == errc::response_stalled ||
                   between(e, errc::idle_timed_out, errc::heartbeat_missed) || e == errc::connection_drained;
        case condition::refused:
            return e == errc::waiters_full || e == errc::pool_closed || e == errc::pool_draining ||
                   e == errc::acceptor_closed || e == errc::acceptor_draining;
        case condition::open_failed: return between(e, errc::resolve_failed, errc::proxy_bad_response);
        case condition::certificate: return between(e, errc::certificate_missing, errc::certificate_pin_mismatch);
        case condition::connection_lost:
            return between(e, errc::connection_reset, errc::tls_truncated) ||
                   between(e, errc::stale_connection, errc::response_truncated);
        case condition::maybe_processed: return leaves_in_doubt(e);
        case condition::bad_request: return between(e, errc::invalid_method, errc::body_not_replayable);
        case condition::bad_response:
            return between(e, errc::bad_status_line, errc::body_too_large) || e == errc::unsolicited_bytes ||
                   e == errc::upgrade_not_requested;
        case condition::bad_client:
            return between(e, errc::bad_request_line, errc::bad_expectation) ||
                   between(e, errc::bad_version, errc::body_too_large);
    }
    return false;
}

}  // namespace detail

/// The category of `errc`. Its codes answer `condition`, and those that have one answer the matching
/// `std::errc` as well (`std::errc::operation_canceled`, `std::errc::timed_out`).
class hotpool_category_type final : public std::error_category {
public:
    const char* name() const noexcept override { return "hotpool"; }
    std::string message(int value) const override { return detail::describe(static_cast<errc>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override {
        const errc e = static_cast<errc>(value);
        if (detail::answers(e, condition::cancelled)) return std::errc::operation_canceled;
        if (detail::answers(e, condition::timed_out)) return std::errc::timed_out;
        return {value, *this};
    }
};

inline const std::error_category& hotpool_category() noexcept {
    static const hotpool_category_type category;
    return category;
}

/// The category of `condition`.
class hotpool_condition_category_type final : public std::error_category {
public:
    const char* name() const noexcept override { return "hotpool.condition"; }
    std::string message(int value) const override { return detail::describe(static_cast<condition>(value)); }
    bool equivalent(const std::error_code& code, int value) const noexcept override {
        return code.category() == hotpool_category() &&
               detail::answers(static_cast<errc>(code.value()), static_cast<condition>(value));
    }
};

inline const std::error_category& hotpool_condition_category() noexcept {
    static const hotpool_condition_category_type category;
    return category;
}

inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), hotpool_category()}; }

inline std::error_condition make_error_condition(condition c) noexcept {
    return {static_cast<int>(c), hotpool_condition_category()};
}

}  // namespace hotpool

template <>
struct std::is_error_code_enum<hotpool::errc> : std::true_type {};

template <>
struct std::is_error_condition_enum<hotpool::condition> : std::true_type {};
