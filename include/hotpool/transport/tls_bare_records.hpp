// How many records without application bytes a peer may send.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// The least and the most that options may allow. Real peers send fewer than ten on end; the most takes about 25 ms.
inline constexpr std::size_t least_bare_records = 16;
inline constexpr std::size_t most_bare_records = 1024;
inline constexpr const char* bare_records_rule = "must be from 16 to 1024";
constexpr bool may_be_most(std::size_t most) noexcept {
    return least_bare_records <= most && most <= most_bare_records;
}

/// Counts the records of one peer that are bare: that bring no application bytes, be they key updates, tickets, requests
/// to renegotiate, warnings or empty ones. Each costs this side more than the peer, and none of them is seen by anybody
/// above TLS. So many may come on end; each second, and each KiB of application bytes, makes up for one.
///
/// A record is bare if the next one begins and no byte has come meanwhile. All of a handshake are: it has a limit of its
/// own, beyond what the longest chain needs in the shortest records (RFC 6066, 4).
/// @threads distinct objects only
class tls_bare_records {
public:
    static constexpr std::size_t most_of_handshake = 1024;
    static constexpr duration time_for_one = std::chrono::seconds(1);
    static constexpr std::uint64_t bytes_for_one = 1024;

    tls_bare_records() = default;
    /// @param most that may come on end after the handshake
    explicit tls_bare_records(std::size_t most) noexcept : most_(most) {}

    /// A record has begun. @return whether the one before it was bare: then `bare_came` is to be told next
    bool record_begun() noexcept { return std::exchange(begun_, true); }
    /// Application bytes of the record that has begun.
    void bytes_came(std::size_t bytes) noexcept {
        begun_ = false;
        bytes_ += bytes;
    }
    /// @return whether it may go on; after the first no, never again
    bool bare_came(time_point now) noexcept {
        if (shaking_hands_) {
            too_many_ = too_many_ || ++count_ > most_of_handshake;
        } else {
            make_up(now);
            too_many_ = too_many_ || ++count_ > most_;
        }
        return !too_many_;
    }
    void handshake_over(time_point now) noexcept {
        shaking_hands_ = false;
        begun_ = false;
        count_ = 0;
        since_ = now;
    }

    bool are_too_many() const noexcept { return too_many_; }

private:
    // What is not made up for now is not saved for later: a long silence or a large upload buys no flood.
    void make_up(time_point now) noexcept {
        const duration gone = std::max(base::elapsed(since_, now), duration::zero());
        const auto seconds = static_cast<std::uint64_t>(gone / time_for_one);
        since_ = base::after(since_, base::times(time_for_one, seconds));
        count_ -= static_cast<std::size_t>(std::min<std::uint64_t>(count_, seconds + bytes_ / bytes_for_one));
        bytes_ %= bytes_for_one;
    }

    std::size_t most_ = least_bare_records;
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;  // since the last bare record
    time_point since_{};       // until then seconds have been made use of
    bool begun_ = false;
    bool shaking_hands_ = true;
    bool too_many_ = false;
};

}  // namespace hotpool::detail
