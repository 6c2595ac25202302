// Every error has its own words, and the questions asked of it are answered as the table says.
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "hotpool/error.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

constexpr int first = 1;
constexpr int last = static_cast<int>(detail::errc_rows.size());

/// Whether `E` is an enumerator: the compiler then writes its name where it otherwise writes a number.
template <errc E>
constexpr bool has_a_name() {
    const std::string_view text = __PRETTY_FUNCTION__;
    const auto value = text.substr(text.find("E = ") + 4);
    return value.find("hotpool::") == 0 && value.find("errc::") != std::string_view::npos;
}

constexpr condition all_conditions[] = {
    condition::cancelled,    condition::timed_out,       condition::refused,         condition::open_failed,
    condition::certificate,  condition::connection_lost, condition::maybe_processed, condition::bad_request,
    condition::bad_response, condition::bad_client,
};

std::set<errc> with(std::set<errc> set, std::initializer_list<errc> more) {
    set.insert(more);
    return set;
}

/// Which errors answer yes, column by column; the table of the library has them row by row.
const std::set<errc>& members(condition c) {
    using enum errc;
    static const std::set<errc> stopped{cancelled};
    static const std::set<errc> timed_out{get_timed_out,     drain_timed_out,   connect_timed_out, handshake_timed_out,
                                          proxy_timed_out,   request_timed_out, request_unsent,    first_byte_timed_out,
                                          response_stalled,  idle_timed_out,    lifetime_over,     heartbeat_missed,
                                          connection_drained};
    static const std::set<errc> refused{waiters_full,    pool_closed,       pool_draining,
                                        acceptor_closed, acceptor_draining, no_room};
    static const std::set<errc> certificate{certificate_missing,
                                            certificate_expired,
                                            certificate_not_yet_valid,
                                            certificate_host_mismatch,
                                            certificate_self_signed,
                                            certificate_unknown_issuer,
                                            certificate_revoked,
                                            certificate_invalid,
                                            certificate_pin_mismatch,
                                            crl_missing,
                                            crl_expired,
                                            ocsp_response_missing,
                                            ocsp_response_invalid};
    static const std::set<errc> open_failed = with(certificate, {resolve_failed,      resolve_empty,
                                                                 resolver_busy,       connect_refused,
                                                                 connect_unreachable, connect_failed,
                                                                 connect_timed_out,   descriptors_exhausted,
                                                                 tls_setup_failed,    socket_setup_failed,
                                                                 handshake_failed,    handshake_timed_out,
                                                                 handshake_closed,    alpn_mismatch,
                                                                 access_denied,       proxy_unreachable,
                                                                 proxy_timed_out,     proxy_closed,
                                                                 proxy_unauthorized,  proxy_refused,
                                                                 proxy_bad_response,  client_certificate_refused,
                                                                 closed_unserved,     spoke_unasked,
                                                                 probe_failed});
    static const std::set<errc> lost{connection_reset, connection_closed, tls_failed,
                                     tls_truncated,    tls_record_flood,  stale_connection,
                                     response_missing, maybe_processed,   response_truncated};
    static const std::set<errc> request{invalid_method,   invalid_target,     invalid_scheme,
                                        invalid_host,     invalid_field_name, invalid_field_value,
                                        reserved_field,   repeated_field,     body_length_mismatch,
                                        body_not_allowed, body_source_failed, body_not_replayable};
    // Heads and bodies are of the same kind on both sides.
    static const std::set<errc> of_messages{bad_version,
                                            bad_line_ending,
                                            bad_field_name,
                                            bad_field_value,
                                            bad_field_folding,
                                            bad_content_length,
                                            conflicting_content_length,
                                            length_with_transfer_encoding,
                                            bad_transfer_encoding,
                                            identity_transfer_encoding,
                                            bad_chunk_size,
                                            bad_chunk_extension,
                                            bad_chunk_ending,
                                            bad_trailer,
                                            head_too_large,
                                            too_many_fields,
                                            trailer_too_large,
                                            chunk_line_too_large,
                                            body_too_large};
    static const std::set<errc> response =
        with(of_messages, {bad_status_line, bad_status_code, bad_reason, too_many_interim_responses, unsolicited_bytes,
                           upgrade_not_requested});
    static const std::set<errc> client =
        with(of_messages, {bad_request_line, bad_method, bad_target, missing_host, repeated_host, bad_host,
                           bad_expectation, request_line_too_large});
    static const std::set<errc> maybe = [] {
        std::set<errc> set =
            with(response, {cancelled, response_missing, maybe_processed, response_truncated, request_timed_out,
                            first_byte_timed_out, response_stalled, lease_reclaimed, body_source_failed});
        set.erase(unsolicited_bytes);  // found before the first byte of the request
        return set;
    }();
    switch (c) {
        case condition::cancelled: return stopped;
        case condition::timed_out: return timed_out;
        case condition::refused: return refused;
        case condition::open_failed: return open_failed;
        case condition::certificate: return certificate;
        case condition::connection_lost: return lost;
        case condition::maybe_processed: return maybe;
        case condition::bad_request: return request;
        case condition::bad_response: return response;
        case condition::bad_client: return client;
    }
    return stopped;
}

}  // namespace

TEST_CASE("table_of_errors_ends_with_the_enumeration", "[error]") {
    static_assert(has_a_name<static_cast<errc>(first)>() && has_a_name<static_cast<errc>(last)>());
    static_assert(!has_a_name<static_cast<errc>(last + 1)>());
    static_assert(!has_a_name<static_cast<errc>(first - 1)>());
    CHECK(detail::row_of(static_cast<errc>(first - 1)) == nullptr);
    CHECK(detail::row_of(static_cast<errc>(-1)) == nullptr);
    CHECK(detail::row_of(static_cast<errc>(last)) == &detail::errc_rows.back());
    CHECK(detail::row_of(static_cast<errc>(last + 1)) == nullptr);
}

TEST_CASE("every_error_has_words_of_its_own", "[error]") {
    std::set<std::string> seen;
    const std::string fallback = hotpool_category().message(0);
    for (int value = first; value <= last; ++value) {
        const std::string words = make_error_code(static_cast<errc>(value)).message();
        CAPTURE(value, words);
        CHECK(words != fallback);
        CHECK(words.size() > 5);
        CHECK(seen.insert(words).second);
    }
    CHECK(hotpool_category().message(last + 1) == fallback);  // `last` is the last
    CHECK(hotpool_category().name() == std::string("hotpool"));
}

TEST_CASE("every_condition_has_words_of_its_own", "[error]") {
    std::set<std::string> seen;
    for (const condition c : all_conditions) CHECK(seen.insert(make_error_condition(c).message()).second);
    const int after_last = static_cast<int>(condition::bad_client) + 1;
    CHECK(seen.count(hotpool_condition_category().message(after_last)) == 0);
    CHECK(hotpool_condition_category().message(after_last) == hotpool_condition_category().message(0));
    CHECK(hotpool_condition_category().name() == std::string("hotpool.condition"));
}

TEST_CASE("conditions_answer_by_the_table", "[error]") {
    for (int value = first; value <= last; ++value)
        for (const condition c : all_conditions) {
            const std::error_code code = static_cast<errc>(value);
            CAPTURE(code.message(), make_error_condition(c).message());
            CHECK((code == c) == (members(c).count(static_cast<errc>(value)) == 1));
        }
}

TEST_CASE("only_errors_of_messages_concern_both_sides", "[error]") {
    // What only a server can do wrong is never said of a client, and the other way round.
    for (const errc of_responses : {errc::bad_status_line, errc::bad_status_code, errc::bad_reason,
                                    errc::too_many_interim_responses, errc::upgrade_not_requested})
        CHECK_FALSE(make_error_code(of_responses) == condition::bad_client);
    for (const errc of_requests : {errc::bad_request_line, errc::bad_method, errc::bad_target, errc::missing_host})
        CHECK_FALSE(make_error_code(of_requests) == condition::bad_response);
}

TEST_CASE("request_of_which_nothing_left_is_never_in_doubt", "[error]") {
    for (int value = first; value <= last; ++value) {
        const std::error_code code = static_cast<errc>(value);
        CAPTURE(code.message());
        const bool before = code == condition::open_failed || code == condition::refused ||
                            code == errc::stale_connection || code == errc::request_unsent ||
                            code == errc::get_timed_out || code == errc::unsolicited_bytes ||
                            (code == condition::bad_request && code != errc::body_source_failed);
        if (before) CHECK_FALSE(code == condition::maybe_processed);
    }
}

TEST_CASE("standard_conditions_are_answered_where_there_is_one", "[error]") {
    for (int value = first; value <= last; ++value) {
        const std::error_code code = static_cast<errc>(value);
        CAPTURE(code.message());
        CHECK((code == std::errc::timed_out) == (code == condition::timed_out));
        CHECK((code == std::errc::operation_canceled) == (code == condition::cancelled));
        CHECK(code != std::errc::connection_refused);
        CHECK(code == static_cast<errc>(value));
    }
}

TEST_CASE("errors_of_others_answer_no_condition_of_ours", "[error]") {
    const std::error_code foreign(static_cast<int>(errc::cancelled), std::system_category());
    const std::error_code none;
    for (const condition c : all_conditions) {
        CHECK(foreign != c);
        CHECK(none != c);
    }
    CHECK(foreign != errc::cancelled);
    CHECK_FALSE(make_error_code(static_cast<errc>(last + 1)) == condition::bad_response);
}

/// A category at another address, as a library that is loaded while the program runs may have it.
class other_category final : public std::error_category {
public:
    explicit other_category(const char* name) : name_(name) {}
    const char* name() const noexcept override { return name_; }
    std::string message(int) const override { return {}; }

private:
    const char* name_;
};

TEST_CASE("errors_of_a_second_copy_of_the_library_are_known_by_their_name", "[error]") {
    const other_category copy("hotpool");
    const std::error_code code(static_cast<int>(errc::pool_closed), copy);
    CHECK(code == errc::pool_closed);
    CHECK(errc::pool_closed == code);
    CHECK(code != errc::pool_draining);
    CHECK(code == condition::refused);
    CHECK(code != condition::timed_out);

    const other_category stranger("stranger");
    const std::error_code foreign(static_cast<int>(errc::pool_closed), stranger);
    CHECK(foreign != errc::pool_closed);
    CHECK(foreign != condition::refused);
}

TEST_CASE("errors_convert_by_themselves", "[error]") {
    const std::error_code code = errc::pool_closed;
    CHECK(code);
    CHECK(&code.category() == &hotpool_category());
    static_assert(std::is_error_code_enum_v<errc> && std::is_error_condition_enum_v<condition>);
    static_assert(!std::is_error_condition_enum_v<errc>);
}
