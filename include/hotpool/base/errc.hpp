// Every way an operation of this library can end, one name each, and the questions callers ask of them.
#pragma once

namespace hotpool {

/// What went wrong. `std::error_code` of these compares with `condition` for the questions callers ask.
///
/// What each is called in a message and which conditions it answers is a row of `errc_table.hpp`; docs/errors.md shows
/// both beside the sentences here.
/// @threads any thread
enum class errc {
    // getting a connection
    cancelled = 1,    ///< The caller cancelled the operation; how far it had got is not said.
    get_timed_out,    ///< No connection was put back or opened within the time the get may wait.
    waiters_full,     ///< As many callers wait already as `max_waiters` allows.
    pool_closed,      ///< The pool was closed or has ended.
    pool_draining,    ///< The pool drains and lends nothing any more.
    drain_timed_out,  ///< Connections were still in use when the drain's time was over; they were cut.
    no_room,          ///< No connection is there, and the limits policy allows none.
    warm_incomplete,  ///< Openings failed, or the limits allow fewer connections than were to be warmed.
    lease_empty,      ///< The lease, reader or connection is not there: moved from, given back or never obtained.

    // opening a connection
    resolve_failed,         ///< The name service gave no answer, or answered that it knows no such name.
    resolve_empty,          ///< The endpoint source answered with no address that can be used.
    resolver_busy,          ///< Too many look-ups of other names do not come to an end: this one never began.
    connect_refused,        ///< Nobody listens at the address.
    connect_unreachable,    ///< No route leads to the address.
    connect_failed,         ///< Connecting failed for a reason that has no code of its own.
    connect_timed_out,      ///< `connect_timeout`, or the share of it that one address has, passed.
    descriptors_exhausted,  ///< The process or the system has no file descriptor left; no address is blamed.
    socket_setup_failed,    ///< The system or `before_connect` refused what `tcp_options` say; no address is blamed.
    tls_setup_failed,       ///< OpenSSL refused a certificate, a key or an option of this side.
    handshake_failed,       ///< The peers could not agree in the handshake, or one of them broke the protocol.
    handshake_timed_out,    ///< `handshake_timeout` passed.
    handshake_closed,       ///< The peer closed or reset the connection before the handshake was done.
    certificate_missing,    ///< The peer sent no certificate where one is asked for.
    certificate_expired,    ///< A certificate of the peer's chain is past its last day.
    certificate_not_yet_valid,   ///< A certificate of the peer's chain is before its first day.
    certificate_host_mismatch,   ///< The certificate names other hosts than the origin's.
    certificate_self_signed,     ///< The chain ends in a root of its own that is not trusted.
    certificate_unknown_issuer,  ///< No trusted root leads to the certificate.
    certificate_revoked,         ///< The issuer has revoked the certificate.
    certificate_invalid,         ///< The certificate was refused for a reason that has no code of its own.
    certificate_pin_mismatch,    ///< No certificate of the chain has a key among the pins.
    crl_missing,                 ///< An issuer in the peer's chain has no list of revoked certificates in `crl_files`.
    crl_expired,                 ///< The list of an issuer in the peer's chain is past the date of its next one.
    ocsp_response_missing,       ///< The peer stapled no OCSP response, which this side or its certificate requires.
    ocsp_response_invalid,       ///< The stapled OCSP response does not show that the certificate is good.
    alpn_mismatch,               ///< The peer insists on a protocol that this side did not offer.
    access_denied,               ///< The access controller allows none of the addresses, or no local address fits one.
    client_certificate_refused,  ///< The peer wants a certificate of this side, and none or another one than it was shown.
    closed_unserved,             ///< The peer closed or reset a new connection before it had served anyone.
    spoke_unasked,               ///< The peer sent bytes on a new connection before anyone had asked for something.
    probe_failed,                ///< A new connection did not pass its health probe.
    proxy_unreachable,           ///< The proxy's name or address could not be found or connected to.
    proxy_timed_out,             ///< The proxy took the connection and did not answer CONNECT in time.
    proxy_closed,                ///< The proxy closed the connection instead of answering.
    proxy_unauthorized,          ///< The proxy answered 407: it wants credentials, or others than it was given.
    proxy_refused,               ///< The proxy answered CONNECT with a status that is neither 2xx nor 407.
    proxy_bad_response,          ///< What the proxy answered is no HTTP response.

    // reading and writing
    connection_reset,   ///< The peer or the network broke the connection off.
    connection_closed,  ///< The peer ended its side in order (FIN, with TLS close_notify).
    tls_failed,         ///< A record was not valid, or the peer sent an alert.
    tls_truncated,      ///< The bytes ended without close_notify: cut off by the peer, or by someone between.
    tls_record_flood,   ///< The peer sent more records without application bytes than `max_bare_records`.

    // an exchange
    exchange_in_progress,   ///< The connection has an operation of this kind under way, which goes on.
    stale_connection,       ///< A reused connection was over before any byte of the request was written.
    response_missing,       ///< The connection ended after the request and before any byte of a response.
    maybe_processed,        ///< As `errc::response_missing`, for a request that must not be sent twice.
    response_truncated,     ///< The connection ended before the length that the head announced, or inside the head.
    response_pending,       ///< The body of the exchange before has not been read to its end or closed.
    end_of_body,            ///< Nothing went wrong: the body was read completely.
    request_timed_out,      ///< The deadline of the request passed after some of it had been written.
    request_unsent,         ///< The deadline of the request passed before any of it was written.
    first_byte_timed_out,   ///< The request was written and no byte of a response came in `first_byte_timeout`.
    response_stalled,       ///< The response had begun and no byte of it came in `between_bytes_timeout`.
    lease_reclaimed,        ///< The lease was held longer than `leak_after`, and `reclaim_leaked` took its place back.
    unsolicited_bytes,      ///< Bytes had come before the request was written; none of it was sent.
    upgrade_not_requested,  ///< The server answered 101 to a request that had asked for no other protocol.

    // building a request
    invalid_method,        ///< The method is empty or has a character that a token may not have.
    invalid_target,        ///< The target is empty or has a space, a control character or a byte beyond ASCII.
    invalid_scheme,        ///< The URL begins with neither http:// nor https://.
    invalid_host,          ///< The host or the port of a URL, an origin or the Host field has not that form.
    invalid_field_name,    ///< The name is empty or has a character that a token may not have.
    invalid_field_value,   ///< The value has a CR, LF, NUL or another control character.
    reserved_field,        ///< The field says how the message is framed, which the library decides and writes.
    repeated_field,        ///< Host or Content-Length was given a second time.
    body_length_mismatch,  ///< The body is shorter or longer than the Content-Length given with it.
    body_not_allowed,      ///< TRACE or CONNECT was given a body.
    body_source_failed,    ///< The callable that yields the body threw, or yielded more or less than it had declared.
    body_not_replayable,   ///< The body comes from a callable that cannot begin anew, so there is no second try.

    // parsing a message; of responses only
    bad_status_line,             ///< The first line is not a version, a status and a reason.
    bad_status_code,             ///< The status is not three digits from 100 to 999, or 599 where `limits::strict`.
    bad_reason,                  ///< The reason phrase has a control character.
    too_many_interim_responses,  ///< More 1xx responses came than `max_interim_responses`.

    // parsing a message; of requests and of responses
    bad_version,                    ///< The message is of another version than HTTP/1.0 or HTTP/1.1.
    bad_line_ending,                ///< A CR without its LF, or an LF without its CR, where a line must end.
    bad_field_name,                 ///< A field's name is no token, or there is a space before its colon.
    bad_field_value,                ///< A field's value has a control character.
    bad_field_folding,              ///< A field goes on in a second line, as RFC 9112 no longer allows.
    bad_content_length,             ///< Content-Length is not a decimal number in range.
    conflicting_content_length,     ///< Content-Length was given twice with different values, or twice in a request.
    length_with_transfer_encoding,  ///< Two framings at once, by which messages are smuggled.
    bad_transfer_encoding,          ///< A coding that is not known, or chunked where it is not the last one.
    identity_transfer_encoding,     ///< A coding that was dropped in 2014: where its body ends is anybody's guess.
    bad_chunk_size,                 ///< The size of a chunk is not a hexadecimal number in range.
    bad_chunk_extension,            ///< What follows the size of a chunk is no extension.
    bad_chunk_ending,               ///< A chunk is not followed by the end of its line.
    bad_trailer,                    ///< A line of the trailer section is no field.
    head_too_large,                 ///< The head has more than `max_head_bytes`.
    too_many_fields,                ///< The head has more than `max_fields` fields.
    trailer_too_large,              ///< The trailer section has more than `max_trailer_bytes`.
    chunk_line_too_large,           ///< A line with the size of a chunk has more than `max_chunk_line_bytes`.
    body_too_large,                 ///< The body has more than `max_body_bytes`.

    // accepting a connection
    listen_failed,       ///< The address is taken, forbidden or not of this machine.
    listener_lost,       ///< No listening socket is left for the moment; they are opened again by and by.
    acceptor_closed,     ///< The acceptor was closed or has ended, and with it its connections.
    acceptor_draining,   ///< The acceptor drains, and has handed out its last connection.
    idle_timed_out,      ///< The peer sent nothing for `idle_timeout`.
    lifetime_over,       ///< The connection reached `max_lifetime` with its jitter.
    heartbeat_missed,    ///< The peer answered none of the last pings.
    group_blocked,       ///< The group that the peer belongs to was blocked, and its connections ended.
    connection_drained,  ///< The drain's deadline passed while the connection was open.
    resources_short,     ///< This side has no descriptor or no memory left for the connection.

    // parsing a request
    bad_request_line,        ///< The first line is not a method, a target and a version.
    bad_method,              ///< The method is not of capital letters, or longer than any that is known.
    bad_target,              ///< The target is in none of the forms that the method allows.
    request_line_too_large,  ///< The first line has more than `max_request_line_bytes`.
    missing_host,            ///< A request of HTTP/1.1 names no host.
    repeated_host,           ///< The Host field was sent twice.
    bad_host,                ///< The Host field is no host with an optional port, or contradicts the target.
    bad_expectation,         ///< Expect asks for something other than 100-continue.
};

/// The questions a caller asks of an error, answered by comparing: `if (ec == condition::timed_out)`.
enum class condition {
    cancelled = 1,    ///< the caller or the pool's owner stopped it
    timed_out,        ///< a deadline passed
    refused,          ///< the pool or the acceptor did not try: full, draining or closed
    open_failed,      ///< no connection could be made
    certificate,      ///< the peer's certificate was not accepted
    connection_lost,  ///< the connection ended under the exchange
    /// The origin may have acted on a request that failed for this and is not idempotent: sending it again may do the
    /// thing twice. No means that no byte of it left, so that nothing can have happened.
    ///
    /// `errc::connection_reset`, `errc::connection_closed`, `errc::tls_failed`, `errc::tls_truncated` and
    /// `errc::tls_record_flood` answer no: for such a request they mean that the connection was over before its first
    /// byte, since later it is `errc::maybe_processed`. `errc::cancelled` says nothing of how far the request was, so it
    /// answers yes. The error that a body's own source reports comes after the head has left, and as a code of others it
    /// answers no condition.
    maybe_processed,
    bad_request,   ///< the request must not be sent as it is
    bad_response,  ///< the server broke RFC 9112 or a limit
    bad_client,    ///< the client of an accepted connection broke RFC 9112 or a limit
};

}  // namespace hotpool
