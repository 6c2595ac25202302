// How much may wait for a connection, what happens to those who read too slowly, and what became of a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace hotpool::inbound {

/// What a message meets at a connection whose queue is full.
enum class slow_reader : std::uint8_t {
    drop_oldest,  ///< takes the place of the one that waits longest: for news, of which the latest counts
    drop_newest,  ///< is dropped itself: for messages that build on one another
    disconnect,   ///< ends the connection: for readers that must not miss anything
};

/// The policy as a metric label.
constexpr const char* to_string(slow_reader policy) noexcept {
    switch (policy) {
        case slow_reader::drop_oldest: return "drop_oldest";
        case slow_reader::drop_newest: return "drop_newest";
        case slow_reader::disconnect: return "disconnect";
    }
    return "unknown";
}

struct registry_options {
    /// Messages that wait for one connection, the one that is being written not counted. 1 or more; 4 is what a reader
    /// falls behind in a burst, and more only makes what it gets older.
    std::size_t queue_limit = 4;
    slow_reader when_full = slow_reader::drop_oldest;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const registry_options& options) {
    if (options.queue_limit == 0)
        throw std::invalid_argument("hotpool::inbound::registry_options::queue_limit must be 1 or more");
}

/// What became of a connection that was to be entered.
enum class join_result : std::uint8_t {
    joined,
    known,  ///< refused, there is a connection of that id
};

/// What became of a message to one connection.
enum class send_result : std::uint8_t {
    queued,
    dropped_oldest,  ///< queued, and one that waited was dropped for it
    dropped_newest,  ///< dropped
    disconnected,    ///< dropped; the connection is ended, by this message or by an earlier one
    unknown,         ///< there is no connection of that id
    other_group,     ///< dropped, the receiver is not in the sender's group
};

/// The result as a metric label.
constexpr const char* to_string(send_result result) noexcept {
    switch (result) {
        case send_result::queued: return "queued";
        case send_result::dropped_oldest: return "dropped_oldest";
        case send_result::dropped_newest: return "dropped_newest";
        case send_result::disconnected: return "disconnected";
        case send_result::unknown: return "unknown";
        case send_result::other_group: return "other_group";
    }
    return "unknown";
}

/// What became of the copies of a message, or of all messages so far: each copy is counted once.
struct send_counts {
    std::uint64_t queued = 0;
    std::uint64_t dropped_oldest = 0;  ///< queued, each in the place of one that was dropped
    std::uint64_t dropped_newest = 0;
    std::uint64_t disconnected = 0;  ///< dropped, as the receiver is ended or being ended

    constexpr std::uint64_t total() const noexcept { return queued + dropped_oldest + dropped_newest + disconnected; }
    /// Messages that slow readers did not get, as `inbound_counters::queue_drops` has them.
    constexpr std::uint64_t dropped() const noexcept { return dropped_oldest + dropped_newest + disconnected; }
    friend bool operator==(const send_counts&, const send_counts&) = default;
};

}  // namespace hotpool::inbound
