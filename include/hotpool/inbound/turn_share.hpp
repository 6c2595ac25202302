// How much of its large messages a server reads or writes in one turn of its loop. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// Everybody else waits while a piece of a large message is read or written: those who have one share what a turn may
/// take, so that many of them take no longer than a few. Who has them at the moment is guessed from who had them last.
/// @threads distinct objects only
class turn_share {
public:
    /// What is smaller is not shared.
    static constexpr std::size_t large = 16 * 1024;
    static constexpr std::size_t all = 128 * 1024;
    static constexpr std::size_t least = 4 * 1024;

    /// Somebody who has large messages now and then.
    class member {
        friend class turn_share;
        time_point seen_{};
    };

    /// How many bytes of `m`'s message may be taken now.
    /// @param now by the coarse clock
    std::size_t of(member& m, time_point now) noexcept {
        const time_point slice{std::chrono::floor<slice_duration>(now.time_since_epoch())};
        if (slice != slice_) {
            before_ = slice - slice_ <= longest_gap ? members_ : 0;
            members_ = 0;
            slice_ = slice;
        }
        if (m.seen_ != slice) {
            m.seen_ = slice;
            ++members_;
        }
        return std::max(least, all / std::max(members_, before_));
    }

private:
    using slice_duration = std::chrono::duration<duration::rep, std::ratio<1, 250>>;
    static constexpr duration longest_gap = std::chrono::milliseconds(20);

    time_point slice_{};
    std::size_t members_ = 0;  // of this slice of time
    std::size_t before_ = 0;   // of the one before
};

}  // namespace hotpool::inbound
