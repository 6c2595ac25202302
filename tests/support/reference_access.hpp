// An access list as plainly as it can be written: every entry is looked at, bit by bit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "hotpool/access_list.hpp"

namespace hotpool::test {

/// The first `count` bits of an address as text, with its family in front.
inline std::string bits_of(const ip_address& address, unsigned count) {
    std::string text = address.is_v4() ? "4:" : "6:";
    const auto v4 = address.v4_bytes();
    for (unsigned at = 0; at < count; ++at) {
        const unsigned byte = address.is_v4() ? v4[at / 8] : address.v6_bytes()[at / 8];
        text += ((byte >> (7 - at % 8)) & 1u) != 0 ? '1' : '0';
    }
    return text;
}

class reference_access {
public:
    explicit reference_access(const access_options& options) : options_(options) {}

    access_change put(const ip_block& block, access_verdict verdict, time_point expires) {
        const auto place = find(block);
        if (place != entries_.end()) {
            *place = {plain(block), verdict, expires};
            return access_change::replaced;
        }
        if (entries_.size() == options_.max_entries) return access_change::full;
        entries_.push_back({plain(block), verdict, expires});
        return access_change::added;
    }

    access_change remove(const ip_block& block) {
        const auto place = find(block);
        if (place == entries_.end()) return access_change::absent;
        entries_.erase(place);
        return access_change::removed;
    }

    access_verdict verdict(const ip_address& address, time_point now) const {
        const std::string bits = bits_of(address.unmapped(), address.unmapped().bits());
        std::size_t longest = 0;
        access_verdict result = options_.default_verdict;
        for (const entry& e : entries_) {
            if (e.expires <= now || bits.compare(0, e.bits.size(), e.bits) != 0 || e.bits.size() < longest) continue;
            longest = e.bits.size();
            result = e.verdict;
        }
        return result;
    }

    void time_passed(time_point now) {
        std::erase_if(entries_, [now](const entry& e) { return e.expires <= now; });
    }
    std::size_t size() const { return entries_.size(); }
    time_point next_expiry() const {
        time_point next = never;
        for (const entry& e : entries_) next = std::min(next, e.expires);
        return next;
    }

private:
    struct entry {
        std::string bits;
        access_verdict verdict;
        time_point expires;
    };

    static std::string plain(const ip_block& block) {
        const bool mapped = block.address().is_v4_mapped() && block.prefix_length() >= 96;
        if (mapped) return bits_of(block.address().unmapped(), block.prefix_length() - 96);
        return bits_of(block.address(), block.prefix_length());
    }
    std::vector<entry>::iterator find(const ip_block& block) {
        const std::string bits = plain(block);
        return std::find_if(entries_.begin(), entries_.end(), [&bits](const entry& e) { return e.bits == bits; });
    }

    access_options options_;
    std::vector<entry> entries_;
};

}  // namespace hotpool::test
