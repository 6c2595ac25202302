// Where an accepted connection is in its life, as a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hotpool::inbound {

/// From `accept` to the end. A connection that is closed counts nowhere, and may begin again as another one.
enum class life_state : std::uint8_t {
    accepted,     ///< admitted, nothing said yet
    handshaking,  ///< in its TLS handshake
    open,         ///< in use
    draining,     ///< on its way out: last words are written, what still comes is read and dropped
    closed,
};

inline constexpr std::size_t life_state_count = static_cast<std::size_t>(life_state::closed) + 1;

/// The life of a connection: may `to` follow `from`?
constexpr bool may_follow(life_state from, life_state to) noexcept {
    constexpr bool yes = true, no = false;
    //                                                accepted handshaking open draining closed
    constexpr bool table[life_state_count][life_state_count] = {
        /* accepted                                */ {no, yes, yes, yes, yes},
        /* handshaking                             */ {no, no, yes, yes, yes},
        /* open                                    */ {no, no, no, yes, yes},
        /* draining                                */ {no, no, no, no, yes},
        /* closed: not there, before and after     */ {yes, no, no, no, no},
    };
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

/// The state as a metric label, for example `handshaking`.
constexpr const char* to_string(life_state state) noexcept {
    switch (state) {
        case life_state::accepted: return "accepted";
        case life_state::handshaking: return "handshaking";
        case life_state::open: return "open";
        case life_state::draining: return "draining";
        case life_state::closed: return "closed";
    }
    return "unknown";
}

/// How many connections are in each state but `closed`.
struct life_counts {
    std::size_t accepted = 0;
    std::size_t handshaking = 0;
    std::size_t open = 0;
    std::size_t draining = 0;

    constexpr std::size_t total() const noexcept { return accepted + handshaking + open + draining; }
    /// Admitted, but not open yet.
    constexpr std::size_t half_open() const noexcept { return accepted + handshaking; }
    friend bool operator==(const life_counts&, const life_counts&) = default;
};

}  // namespace hotpool::inbound
