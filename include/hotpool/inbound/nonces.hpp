// Numbers used once: those that peers sent, and those that were sent to them. The machine; its random bytes are given.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace hotpool::inbound {

/// Fewer bytes could be guessed or met twice by chance.
inline constexpr std::size_t min_nonce_bytes = 16;
/// More bytes are no harder to guess, and whoever sends them chooses how many are kept.
inline constexpr std::size_t max_nonce_bytes = 128;

constexpr bool is_nonce_size(std::size_t bytes) noexcept {
    return bytes >= min_nonce_bytes && bytes <= max_nonce_bytes;
}

template <class RandomBytes>
class basic_nonce_cache;

/// A nonce that was generated.
class nonce {
public:
    std::span<const unsigned char> bytes() const noexcept { return std::span(bytes_).first(size_); }

private:
    template <class RandomBytes>
    friend class basic_nonce_cache;
    std::array<unsigned char, max_nonce_bytes> bytes_{};
    std::size_t size_ = 0;
};

/// What a nonce from a peer is.
enum class received_nonce : std::uint8_t {
    fresh,     ///< not among those remembered; it is now
    replayed,  ///< it was received before
    bad_size,  ///< refused, see `min_nonce_bytes` and `max_nonce_bytes`
};

/// What a nonce is that a peer sends back.
enum class returned_nonce : std::uint8_t {
    genuine,   ///< generated here, and it came back for the first time
    unknown,   ///< never generated, returned before, or generated too long ago
    bad_size,  ///< refused, see `min_nonce_bytes` and `max_nonce_bytes`
};

struct nonce_cache_options {
    /// Nonces remembered in each direction; one more and the one used least recently is forgotten. 1 or more; all the
    /// memory, 144 bytes for each, is taken at the start.
    std::size_t capacity = 200;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const nonce_cache_options& options) {
    if (options.capacity == 0)
        throw std::invalid_argument("hotpool::inbound::nonce_cache_options::capacity must be 1 or more");
}

/// Whether two strings of bytes of one size are equal, in a time that does not depend on where they differ.
inline bool equal_in_constant_time(std::span<const unsigned char> a, std::span<const unsigned char> b) noexcept {
    std::uint64_t difference = 0;
    for (std::size_t at = 0; at < a.size();) {
        std::uint64_t of_a = 0, of_b = 0;
        const std::size_t step = std::min(a.size() - at, sizeof of_a);
        std::memcpy(&of_a, a.data() + at, step);
        std::memcpy(&of_b, b.data() + at, step);
        difference |= of_a ^ of_b;
        // What the compiler cannot see through it cannot leave early for.
        asm volatile("" : "+r"(difference));
        at += step;
    }
    return difference == 0;
}

/// Remembers the nonces of both directions so that each is good for one use. As it forgets, a replay older than the last
/// `nonce_cache_options::capacity` received is not noticed: what was received proves freshness only together with one
/// generated here, which is forgotten on the safe side.
/// @tparam RandomBytes called with a span of bytes that it fills with such as nobody guesses; may throw
/// @threads distinct objects only
/// @cost a call compares with all nonces of that size and direction, whatever it finds, so that its time does not tell
/// how much of a guess was right: with 200 of 32 bytes 4 us, of 128 bytes 13 us. It allocates nothing.
template <class RandomBytes>
class basic_nonce_cache {
public:
    /// @errors throws `std::invalid_argument`, naming the field and the rule
    explicit basic_nonce_cache(const nonce_cache_options& options = {}, RandomBytes random = {})
        : random_((validate(options), std::move(random))), received_(options.capacity), generated_(options.capacity) {}

    /// A peer sent this one.
    received_nonce accept_received(std::span<const unsigned char> bytes) noexcept {
        if (!is_nonce_size(bytes.size())) return received_nonce::bad_size;
        if (entry* const known = received_.find(bytes)) {
            received_.touch(*known);
            return received_nonce::replayed;
        }
        received_.add(bytes);
        return received_nonce::fresh;
    }

    /// A new one, to be sent to a peer.
    /// @param bytes how many, `min_nonce_bytes` to `max_nonce_bytes`
    /// @errors throws `std::invalid_argument` for another size, and what the source of random bytes throws; nothing is
    /// remembered then
    nonce generate(std::size_t bytes = 32) {
        if (!is_nonce_size(bytes))
            throw std::invalid_argument("hotpool::inbound::nonce_cache::generate takes 16 to 128 bytes");
        nonce made;
        made.size_ = bytes;
        random_(std::span(made.bytes_).first(bytes));
        generated_.add(made.bytes());
        return made;
    }
    /// A peer sent this one back; it is good for this one time.
    returned_nonce consume_generated(std::span<const unsigned char> bytes) noexcept {
        if (!is_nonce_size(bytes.size())) return returned_nonce::bad_size;
        entry* const known = generated_.find(bytes);
        if (known == nullptr) return returned_nonce::unknown;
        *known = {};
        return returned_nonce::genuine;
    }

    std::size_t received() const noexcept { return received_.size(); }
    std::size_t generated() const noexcept { return generated_.size(); }

private:
    struct entry {
        std::uint64_t used = 0;  // 0 for a place that is free
        std::size_t size = 0;
        std::array<unsigned char, max_nonce_bytes> bytes{};
    };

    /// One direction: places in no order, each with the number of its last use.
    class memory {
    public:
        explicit memory(std::size_t capacity) : entries_(capacity) {}

        entry* find(std::span<const unsigned char> bytes) noexcept {
            entry* found = nullptr;
            for (entry& e : entries_)
                if (e.size == bytes.size() && equal_in_constant_time(std::span(e.bytes).first(e.size), bytes))
                    found = &e;
            return found;
        }
        void touch(entry& e) noexcept { e.used = ++uses_; }
        /// In a free place, else in that of the one used least recently.
        void add(std::span<const unsigned char> bytes) noexcept {
            entry& place = *std::min_element(entries_.begin(), entries_.end(),
                                             [](const entry& a, const entry& b) { return a.used < b.used; });
            std::copy(bytes.begin(), bytes.end(), place.bytes.begin());
            place.size = bytes.size();
            touch(place);
        }
        std::size_t size() const noexcept {
            return static_cast<std::size_t>(
                std::count_if(entries_.begin(), entries_.end(), [](const entry& e) { return e.used != 0; }));
        }

    private:
        std::vector<entry> entries_;
        std::uint64_t uses_ = 0;
    };

    RandomBytes random_;
    memory received_, generated_;
};

}  // namespace hotpool::inbound
