// The kinds of bad clients in a siege, and what must become of each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/refuse_reason.hpp"

namespace hotpool::test {

enum class siege_kind : std::uint8_t {
    looks,            ///< connect, and close or reset without a byte; from a good client's address
    silent,           ///< connect and say nothing, more than may be in their handshake, from many addresses
    bare_records,     ///< thousands of key updates, or empty records; TLS only
    drips,            ///< heads and bodies byte by byte
    stalled_uploads,  ///< most of a large body, and nothing more
    slow_readers,     ///< ask for a large reply and do not read it
    departures,       ///< reset, or end their side, while the handler works
    unanswered,       ///< ask what is never answered
    blank_lines,      ///< an empty line behind each body, and many
    garbage,          ///< what is no TLS and no HTTP; from a good client's address
    greed,            ///< more requests than their quota
    crowd,            ///< more connections than a group may have
};

inline constexpr std::size_t siege_kind_count = static_cast<std::size_t>(siege_kind::crowd) + 1;

constexpr const char* to_string(siege_kind kind) noexcept {
    constexpr std::array<const char*, siege_kind_count> names{
        "looks",      "silent",     "bare_records", "drips",   "stalled_uploads", "slow_readers",
        "departures", "unanswered", "blank_lines",  "garbage", "greed",           "crowd"};
    return names[static_cast<std::size_t>(kind)];
}

/// Whether the server need not wait for it.
constexpr bool ends_at_once(siege_kind kind) noexcept {
    switch (kind) {
        case siege_kind::silent:
        case siege_kind::drips:
        case siege_kind::stalled_uploads:
        case siege_kind::slow_readers:
        case siege_kind::unanswered: return false;
        default: return true;
    }
}

/// A set of an enumeration's values.
template <class Enum>
class siege_set {
public:
    siege_set() = default;
    siege_set(std::initializer_list<Enum> values) {
        for (const Enum v : values) bits_ |= bit(v);
    }
    bool has(Enum v) const noexcept { return (bits_ & bit(v)) != 0; }
    siege_set& operator|=(siege_set other) noexcept {
        bits_ |= other.bits_;
        return *this;
    }

private:
    static std::uint64_t bit(Enum v) noexcept { return std::uint64_t{1} << static_cast<unsigned>(v); }
    std::uint64_t bits_ = 0;
};

/// What a server must have counted after a round, and what else it may have.
struct siege_outcome {
    siege_set<inbound::close_reason> must_end{};
    /// A bad client's thread gives way to all others: on a busy machine it may be too late for what it was about to do.
    siege_set<inbound::close_reason> may_end{inbound::close_reason::request_timed_out,
                                             inbound::close_reason::handshake_timed_out};
    siege_set<inbound::refuse_reason> must_refuse{}, may_refuse{};
    bool refuses_requests = false;
    bool tells_handlers = false;

    siege_outcome& operator|=(const siege_outcome& other) noexcept {
        must_end |= other.must_end;
        may_end |= other.may_end;
        must_refuse |= other.must_refuse;
        may_refuse |= other.may_refuse;
        refuses_requests |= other.refuses_requests;
        tells_handlers |= other.tells_handlers;
        return *this;
    }
};

/// As docs/inbound.md says, under "Clients that leave, stall or say too much".
inline siege_outcome siege_outcome_of(siege_kind kind, bool tls) {
    using r = inbound::close_reason;
    using no = inbound::refuse_reason;
    switch (kind) {
        case siege_kind::looks: return {.must_end = {r::unused}, .may_refuse = {no::group_connections}};
        case siege_kind::silent:
            if (tls) return {.must_end = {r::half_open, r::handshake_timed_out}};
            return {.must_end = {r::request_timed_out}};
        case siege_kind::bare_records:  // of empty ones on end OpenSSL has a limit of its own
            return {.must_end = {r::protocol_error},
                    .may_end = {r::transport_error, r::request_timed_out, r::handshake_timed_out}};
        case siege_kind::drips: return {.must_end = {r::request_timed_out}};
        case siege_kind::stalled_uploads: return {.must_end = {r::memory_limit}};
        case siege_kind::slow_readers: return {.must_end = {r::slow_reader}};
        case siege_kind::departures: return {.must_end = {r::transport_error, r::peer_closed}, .tells_handlers = true};
        case siege_kind::unanswered: return {.must_end = {r::handler_timed_out}, .tells_handlers = true};
        case siege_kind::blank_lines: return {.must_end = {r::peer_closed, r::protocol_error}};
        case siege_kind::garbage:
            if (tls) return {.must_end = {r::handshake_failed, r::protocol_error}, .must_refuse = {no::blocked}};
            return {.must_end = {r::protocol_error}, .must_refuse = {no::blocked}};
        case siege_kind::greed: return {.must_end = {r::peer_closed}, .refuses_requests = true};
        case siege_kind::crowd: return {.must_end = {r::unused}, .must_refuse = {no::group_connections}};
    }
    return {};
}

}  // namespace hotpool::test
