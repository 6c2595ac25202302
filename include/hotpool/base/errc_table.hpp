// The table of errors: for each code the words of its message and the conditions it answers.
//
// A column is a set of conditions, written out in each row: nothing follows from the order of the enumeration. A code
// without a row, or with two, does not compile; docs/errors.md is this table, and tests/lint/errors.sh compares them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hotpool/base/errc.hpp"

namespace hotpool::detail {

/// Some of the conditions.
class condition_set {
public:
    constexpr condition_set() = default;
    constexpr condition_set(condition c) noexcept : bits_(std::uint16_t(1u << static_cast<unsigned>(c))) {}

    constexpr bool contains(condition c) const noexcept {
        return static_cast<unsigned>(c) < 16 && (bits_ >> static_cast<unsigned>(c) & 1u) != 0;
    }
    friend constexpr condition_set operator|(condition_set a, condition_set b) noexcept {
        condition_set both;
        both.bits_ = std::uint16_t(a.bits_ | b.bits_);
        return both;
    }

private:
    std::uint16_t bits_ = 0;
};

constexpr condition_set operator|(condition a, condition b) noexcept { return condition_set(a) | condition_set(b); }

struct errc_row {
    errc code = {};
    condition_set answers = {};
    const char* text = nullptr;
};

inline constexpr auto errc_rows = [] {
    using enum condition;
    constexpr condition_set none;
    return std::to_array<errc_row>({
        // getting a connection
        {errc::cancelled, cancelled | maybe_processed, "cancelled"},
        {errc::get_timed_out, timed_out, "no connection became available before the get timeout"},
        {errc::waiters_full, refused, "the queue of waiters is full (max_waiters)"},
        {errc::pool_closed, refused, "the pool is closed"},
        {errc::pool_draining, refused, "the pool is draining"},
        {errc::drain_timed_out, timed_out, "the drain deadline passed, remaining connections were cut"},
        {errc::no_room, refused, "the limits policy allows no connection"},
        {errc::warm_incomplete, none, "fewer connections than asked for could be opened"},
        {errc::lease_empty, none, "the lease holds no connection"},

        // opening a connection
        {errc::resolve_failed, open_failed, "the host name could not be resolved"},
        {errc::resolve_empty, open_failed, "the host name has no usable address"},
        {errc::resolver_busy, open_failed, "too many look-ups of other host names are under way"},
        {errc::connect_refused, open_failed, "the peer refused the connection"},
        {errc::connect_unreachable, open_failed, "the peer's network or host is unreachable"},
        {errc::connect_failed, open_failed, "the connection could not be made"},
        {errc::connect_timed_out, timed_out | open_failed, "the connect timeout passed before the connection was made"},
        {errc::descriptors_exhausted, open_failed, "no file descriptor was left for the connection"},
        {errc::socket_setup_failed, open_failed, "the socket could not be set up as tcp_options say"},
        {errc::tls_setup_failed, open_failed, "OpenSSL could not set up the TLS session"},
        {errc::handshake_failed, open_failed, "the TLS handshake failed"},
        {errc::handshake_timed_out, timed_out | open_failed, "the time for the TLS handshake passed"},
        {errc::handshake_closed, open_failed, "the peer closed the connection during the TLS handshake"},
        {errc::certificate_missing, open_failed | certificate, "the peer sent no certificate"},
        {errc::certificate_expired, open_failed | certificate, "the peer's certificate has expired"},
        {errc::certificate_not_yet_valid, open_failed | certificate, "the peer's certificate is not yet valid"},
        {errc::certificate_host_mismatch, open_failed | certificate, "the peer's certificate is for another host"},
        {errc::certificate_self_signed, open_failed | certificate,
         "the peer's certificate chain is self-signed and not trusted"},
        {errc::certificate_unknown_issuer, open_failed | certificate,
         "the peer's certificate comes from an unknown issuer"},
        {errc::certificate_revoked, open_failed | certificate, "the peer's certificate is revoked"},
        {errc::certificate_invalid, open_failed | certificate, "the peer's certificate is not valid"},
        {errc::certificate_pin_mismatch, open_failed | certificate, "the peer's certificate matches none of the pins"},
        {errc::crl_missing, open_failed | certificate, "no CRL of an issuer in the peer's chain is at hand"},
        {errc::crl_expired, open_failed | certificate, "the CRL of an issuer in the peer's chain has expired"},
        {errc::ocsp_response_missing, open_failed | certificate, "the peer stapled no OCSP response"},
        {errc::ocsp_response_invalid, open_failed | certificate,
         "the OCSP response that the peer stapled is not valid"},
        {errc::alpn_mismatch, open_failed, "the peer chose no protocol this side offered (ALPN)"},
        {errc::access_denied, open_failed, "access control or the local addresses allow none of the host's addresses"},
        {errc::client_certificate_refused, open_failed, "the peer did not accept this side's certificate, or its lack"},
        {errc::closed_unserved, open_failed, "the peer closed a new connection before it had served anyone"},
        {errc::spoke_unasked, open_failed, "the peer sent bytes nobody asked for on a new connection"},
        {errc::probe_failed, open_failed, "a new connection did not pass its health probe"},
        {errc::proxy_unreachable, open_failed, "the proxy could not be reached"},
        {errc::proxy_timed_out, timed_out | open_failed, "the proxy did not answer CONNECT in time"},
        {errc::proxy_closed, open_failed, "the proxy closed the connection before it answered CONNECT"},
        {errc::proxy_unauthorized, open_failed, "the proxy wants other credentials (407)"},
        {errc::proxy_refused, open_failed, "the proxy refused CONNECT"},
        {errc::proxy_bad_response, open_failed, "the proxy's answer to CONNECT is not HTTP"},

        // reading and writing
        {errc::connection_reset, connection_lost, "the connection was reset"},
        {errc::connection_closed, connection_lost, "the peer closed the connection"},
        {errc::tls_failed, connection_lost, "TLS protocol error"},
        {errc::tls_truncated, connection_lost, "the connection ended without TLS close_notify"},
        {errc::tls_record_flood, connection_lost, "the peer sent too many TLS records without data"},

        // an exchange
        {errc::exchange_in_progress, none, "another exchange is in progress on this connection"},
        {errc::stale_connection, connection_lost,
         "the reused connection was closed by the peer before the request was written"},
        {errc::response_missing, connection_lost | maybe_processed,
         "the peer closed the connection without a response"},
        {errc::maybe_processed, connection_lost | maybe_processed,
         "the connection was lost after the request was written; it may have been processed"},
        {errc::response_truncated, connection_lost | maybe_processed, "the connection ended inside the response"},
        {errc::response_pending, none, "the previous response has not been read to its end"},
        {errc::end_of_body, none, "the body has been read to its end"},
        {errc::request_timed_out, timed_out | maybe_processed, "the request's deadline passed"},
        {errc::request_unsent, timed_out, "the request's deadline passed before any of it was written"},
        {errc::first_byte_timed_out, timed_out | maybe_processed, "no byte of the response came in time"},
        {errc::response_stalled, timed_out | maybe_processed, "the response stopped coming for too long"},
        {errc::lease_reclaimed, maybe_processed,
         "the connection was held too long and the pool has taken its place back"},
        {errc::unsolicited_bytes, bad_response, "the peer sent bytes nobody asked for"},
        {errc::upgrade_not_requested, bad_response | maybe_processed,
         "the peer switched protocols without being asked"},

        // building a request
        {errc::invalid_method, bad_request, "method: must be a token (RFC 9110, 5.6.2)"},
        {errc::invalid_target, bad_request, "target: must be visible ASCII without spaces"},
        {errc::invalid_scheme, bad_request, "scheme: must be http or https"},
        {errc::invalid_host, bad_request, "host: must be a name or address, port 1 to 65535"},
        {errc::invalid_field_name, bad_request, "field name: must be a token (RFC 9110, 5.1)"},
        {errc::invalid_field_value, bad_request, "field value: must have no CR, LF, NUL or other control character"},
        {errc::reserved_field, bad_request, "field name: the library writes this field itself"},
        {errc::repeated_field, bad_request, "field name: may be given only once"},
        {errc::body_length_mismatch, bad_request, "body: its length differs from Content-Length"},
        {errc::body_not_allowed, bad_request, "body: the method or the fields allow none"},
        {errc::body_source_failed, bad_request | maybe_processed,
         "body: its source failed, or yielded another length than was declared"},
        {errc::body_not_replayable, bad_request, "body: its source cannot be read again for a retry"},

        // parsing a message; of responses only
        {errc::bad_status_line, bad_response | maybe_processed, "status line: malformed"},
        {errc::bad_status_code, bad_response | maybe_processed,
         "status line: status code is not three digits from 100 on"},
        {errc::bad_reason, bad_response | maybe_processed, "status line: control character in the reason phrase"},
        {errc::too_many_interim_responses, bad_response | maybe_processed,
         "interim responses: more than max_interim_responses"},

        // parsing a message; of requests and of responses
        {errc::bad_version, bad_response | bad_client | maybe_processed, "first line: HTTP version is not 1.0 or 1.1"},
        {errc::bad_line_ending, bad_response | bad_client | maybe_processed,
         "line ending: CR without LF or LF without CR"},
        {errc::bad_field_name, bad_response | bad_client | maybe_processed,
         "field name: not a token directly followed by a colon"},
        {errc::bad_field_value, bad_response | bad_client | maybe_processed, "field value: control character"},
        {errc::bad_field_folding, bad_response | bad_client | maybe_processed, "field line: obsolete line folding"},
        {errc::bad_content_length, bad_response | bad_client | maybe_processed, "Content-Length: not a decimal number"},
        {errc::conflicting_content_length, bad_response | bad_client | maybe_processed,
         "Content-Length: differing values, or a second one in a request"},
        {errc::length_with_transfer_encoding, bad_response | bad_client | maybe_processed,
         "Content-Length together with Transfer-Encoding"},
        {errc::bad_transfer_encoding, bad_response | bad_client | maybe_processed,
         "Transfer-Encoding: unknown coding, or chunked is not the last"},
        {errc::identity_transfer_encoding, bad_response | bad_client | maybe_processed,
         "Transfer-Encoding: identity, which HTTP no longer has"},
        {errc::bad_chunk_size, bad_response | bad_client | maybe_processed,
         "chunk size: not a hexadecimal number in range"},
        {errc::bad_chunk_extension, bad_response | bad_client | maybe_processed, "chunk extension: malformed"},
        {errc::bad_chunk_ending, bad_response | bad_client | maybe_processed, "chunk data: not followed by CRLF"},
        {errc::bad_trailer, bad_response | bad_client | maybe_processed, "trailer section: malformed field line"},
        {errc::head_too_large, bad_response | bad_client | maybe_processed, "head: larger than max_head_bytes"},
        {errc::too_many_fields, bad_response | bad_client | maybe_processed, "head: more fields than max_fields"},
        {errc::trailer_too_large, bad_response | bad_client | maybe_processed,
         "trailer section: larger than max_trailer_bytes"},
        {errc::chunk_line_too_large, bad_response | bad_client | maybe_processed,
         "chunk line: larger than max_chunk_line_bytes"},
        {errc::body_too_large, bad_response | bad_client | maybe_processed, "body: larger than max_body_bytes"},

        // accepting a connection
        {errc::listen_failed, none, "the address could not be listened on"},
        {errc::listener_lost, none, "the listening socket does not accept any more"},
        {errc::acceptor_closed, refused, "the acceptor is closed"},
        {errc::acceptor_draining, refused, "the acceptor is draining"},
        {errc::idle_timed_out, timed_out, "nothing came on the connection for too long"},
        {errc::lifetime_over, timed_out, "the connection is older than max_lifetime"},
        {errc::heartbeat_missed, timed_out, "the peer answered none of the pings"},
        {errc::group_blocked, none, "the peer's group is blocked"},
        {errc::connection_drained, timed_out, "the connection was still open when the drain's deadline passed"},
        {errc::resources_short, none, "descriptors or memory are short"},

        // parsing a request
        {errc::bad_request_line, bad_client, "request line: malformed"},
        {errc::bad_method, bad_client, "request line: the method is not of capital letters, or too long"},
        {errc::bad_target, bad_client, "request line: the target has no form that the method allows"},
        {errc::request_line_too_large, bad_client, "request line: larger than max_request_line_bytes"},
        {errc::missing_host, bad_client, "Host: missing"},
        {errc::repeated_host, bad_client, "Host: given more than once"},
        {errc::bad_host, bad_client, "Host: not a host with an optional port, or another one than in the target"},
        {errc::bad_expectation, bad_client, "Expect: something other than 100-continue"},
    });
}();

/// The row of `e`, or null if `e` is no error.
constexpr const errc_row* row_of(errc e) noexcept {
    const auto place = static_cast<std::size_t>(e) - 1;
    return place < errc_rows.size() ? &errc_rows[place] : nullptr;
}

static_assert(
    [] {
        for (const errc_row& row : errc_rows)
            if (row_of(row.code) != &row || row.text == nullptr) return false;
        return true;
    }(),
    "the rows of errc_table.hpp stand in the order of errc, one for each code");

constexpr bool answers(errc e, condition c) noexcept {
    const errc_row* row = row_of(e);
    return row != nullptr && row->answers.contains(c);
}

constexpr const char* describe(errc e) noexcept {
    const errc_row* row = row_of(e);
    return row != nullptr ? row->text : "unknown hotpool error";
}

constexpr const char* describe(condition c) noexcept {
    switch (c) {
        case condition::cancelled: return "cancelled";
        case condition::timed_out: return "timed out";
        case condition::refused: return "refused by the pool or the acceptor";
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

}  // namespace hotpool::detail
