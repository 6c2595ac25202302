// What an origin does wrong, decided from a seed. No I/O.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "hotpool/base/random.hpp"
#include "support/fault_kinds.hpp"

namespace hotpool::test {

/// How an origin meets the next client.
struct handshake_order {
    bool wants_certificate = false;  ///< and takes none that this client has
    bool speaks_tls12 = false;       ///< then the client is told within the handshake, else behind it
};

/// The faults of one origin.
class origin_plan {
public:
    /// @param per_thousand so many responses and spells of handshakes are bad, and more of what is rare; 0: nothing is
    origin_plan(std::uint64_t seed, unsigned per_thousand) noexcept : dice_(seed), per_thousand_(per_thousand) {}

    /// What a request with a body gets.
    /// @param asks_first whether it waits for consent
    /// @param is_long whether it is still under way when it is answered early
    fault next_answer(bool asks_first, bool is_long) noexcept {
        constexpr std::array early{fault::early_success, fault::early_close, fault::early_refusal};
        constexpr std::array unwilling{fault::expectation_failed, fault::consent_withheld};
        if (!strikes(asks_first || is_long ? rare : frequent)) return fault::none;
        return asks_first && dice_.next() % 2 == 0 ? one_of(unwilling) : one_of(early);
    }
    fault next_probe() noexcept { return strikes(rare) ? fault::last_probe : fault::none; }
    /// After how long something unasked is said behind a response; nothing if it is not.
    std::optional<std::chrono::microseconds> next_unsolicited() noexcept {
        if (!strikes(frequent)) return std::nullopt;
        return std::chrono::microseconds(dice_.next() % 8'000);
    }
    /// A certificate is wanted for some handshakes in a row.
    handshake_order next_handshake() noexcept {
        if (spell_ == 0 && strikes(frequent)) spell_ = 1 + dice_.next() % 6;
        if (spell_ == 0) return {};
        --spell_;
        return {.wants_certificate = true, .speaks_tls12 = dice_.next() % 2 == 0};
    }
    /// Whether it does what it must when it goes: says so, and lets the client finish, which is answered with RST else.
    bool next_is_polite() noexcept { return dice_.next() % 2 == 0; }

private:
    static constexpr unsigned frequent = 1;
    static constexpr unsigned rare = 20;  // that many times as often, since there is so little of it

    bool strikes(unsigned times) noexcept { return dice_.next() % 1000 < std::min(per_thousand_ * times, 900u); }
    template <std::size_t N>
    fault one_of(const std::array<fault, N>& kinds) noexcept {
        return kinds[dice_.next() % N];
    }

    base::random_source dice_;
    unsigned per_thousand_;
    std::uint64_t spell_ = 0;
};

}  // namespace hotpool::test
