// The access list: after any changes it says what a list says that looks at every entry.
//
// Input: one step after the other, each a byte that says what and the bytes of a block, a time or an address.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz.hpp"
#include "hotpool/access_list.hpp"
#include "support/reference_access.hpp"

using namespace hotpool;
using hotpool::fuzz::require;

namespace {

/// Four bytes of it are the input's: enough to lie in one another, few enough to be found again.
ip_address take_address(fuzz::input& from) {
    const unsigned kind = from.byte();
    ip_address::v4_bytes_type v4{};
    for (unsigned char& b : v4) b = static_cast<unsigned char>(from.byte());
    if (kind % 3 == 0) return ip_address{v4};
    ip_address::v6_bytes_type v6{};
    const std::size_t at = kind % 3 == 1 ? 12 : kind / 3 % 13;
    if (kind % 3 == 1) v6[10] = v6[11] = 0xff;
    for (std::size_t i = 0; i < v4.size(); ++i) v6[at + i] = v4[i];
    return ip_address{v6, kind >> 7};
}

ip_block take_block(fuzz::input& from) {
    const ip_address address = take_address(from);
    return ip_block::around(address, from.byte() % (address.bits() + 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const unsigned flags = from.byte();
    const access_options options{.default_verdict = flags % 2 == 0 ? access_verdict::allowed : access_verdict::denied,
                                 .max_entries = 1 + flags / 2};
    access_list list{options};
    test::reference_access reference{options};
    time_point now{};
    while (!from.empty()) {
        const unsigned step = from.byte();
        const auto verdict = (step & 8) != 0 ? access_verdict::allowed : access_verdict::denied;
        const time_point end = (step & 16) != 0 ? never : now + std::chrono::seconds(step >> 5);
        switch (step % 4) {
            case 0: {
                const ip_block block = take_block(from);
                const auto change = verdict == access_verdict::allowed ? list.allow(block, end) : list.deny(block, end);
                require(change == reference.put(block, verdict, end), "both say the same of a new entry");
                break;
            }
            case 1: {
                const ip_block block = take_block(from);
                require(list.remove(block) == reference.remove(block), "both say the same of a removal");
                break;
            }
            case 2: {
                now += std::chrono::seconds(step >> 5);
                list.time_passed(now);
                reference.time_passed(now);
                break;
            }
            default: {
                const ip_address address = take_address(from);
                const access_judgement judgement = list.judge(address, now);
                require(judgement.verdict == reference.verdict(address, now), "both give the same verdict");
                require(!judgement.block || judgement.block->contains(address.unmapped()), "the block has the address");
            }
        }
        require(list.size() == reference.size() && list.size() <= options.max_entries, "both are of one size");
        require(list.next_expiry() == reference.next_expiry(), "both wait for the same");
    }
    return 0;
}
