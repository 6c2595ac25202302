// Which fault meets which bytes on their way, decided from a seed. No I/O.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/random.hpp"
#include "support/fault_kinds.hpp"

namespace hotpool::test {

/// Where bytes go: from the client to the origin, or back.
enum class way : std::uint8_t { up, down };

/// One fault for one chunk of bytes.
struct fault_order {
    fault what = fault::none;
    std::size_t at = 0;                 ///< how many bytes pass (`truncate`), or which byte changes (`corrupt`)
    bool after = false;                 ///< of `half_close`, `reset` and `silence`: the chunk passes first
    std::chrono::microseconds wait{0};  ///< of `delay` and `stale_close`
};

/// What the network does to one connection. The n-th chunk of a way meets the same fault whenever the seed is the same,
/// whatever the other way does.
class fault_plan {
public:
    /// @param per_thousand of so many chunks meet a fault; 0: none does
    fault_plan(std::uint64_t seed, unsigned per_thousand) noexcept
        : up_(seed), down_(~seed), opening_(seed ^ 0x5555'5555u), per_thousand_(per_thousand) {}

    /// What happens to the connection itself: nothing, or `fault::hang_up`, or `fault::mute`.
    fault next_opening() noexcept {
        if (opening_.next() % 1000 >= per_thousand_) return fault::none;
        return opening_.next() % 2 == 0 ? fault::hang_up : fault::mute;
    }

    /// What happens to the next chunk of that way.
    /// @param tls whether the bytes are a secret, so that any change to them is noticed
    fault_order next(way w, std::string_view chunk, bool tls) noexcept {
        base::random_source& dice = w == way::up ? up_ : down_;
        // The same number of throws for each chunk keeps the later ones where they are.
        const bool strikes = dice.next() % 1000 < per_thousand_;
        const std::uint64_t kind = dice.next();
        const std::uint64_t place = dice.next();
        const std::uint64_t time = dice.next();
        if (!strikes) return {};
        fault_order order{.what = w == way::up ? on_the_way_up[kind % on_the_way_up.size()]
                                               : on_the_way_down[kind % on_the_way_down.size()],
                          .after = place % 2 == 0};
        switch (order.what) {
            case fault::delay: order.wait = std::chrono::microseconds(time % 30'000); break;
            case fault::stale_close: order.wait = std::chrono::microseconds(time % 4'000); break;
            case fault::truncate: order.at = place % chunk.size(); break;
            case fault::corrupt: {
                const std::size_t room = corruptible(chunk, tls);
                if (room == 0) return {};
                order.at = place % room;
                break;
            }
            default: break;
        }
        return order;
    }

    /// How many of the first bytes can be changed so that it must be noticed: with TLS all of them; without, those
    /// of a status line up to its code, which are ASCII.
    static std::size_t corruptible(std::string_view chunk, bool tls) noexcept {
        constexpr std::string_view begin = "HTTP/1.1 200";
        if (tls) return chunk.size();
        return chunk.starts_with(begin) ? begin.size() : 0;
    }

private:
    static constexpr std::array on_the_way_up{fault::delay,      fault::drip_feed, fault::truncate,
                                              fault::half_close, fault::reset,     fault::silence};
    static constexpr std::array on_the_way_down{fault::delay,    fault::drip_feed,  fault::corrupt,
                                                fault::truncate, fault::half_close, fault::reset,
                                                fault::silence,  fault::stale_close};
    base::random_source up_;
    base::random_source down_;
    base::random_source opening_;
    unsigned per_thousand_;
};

}  // namespace hotpool::test
