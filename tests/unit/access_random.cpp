// Random changes, verdicts and times: the list and one that looks at every entry must agree after each step.
#include <chrono>
#include <cstddef>
#include <random>
#include <string>

#include <hotpool/access_list.hpp>

#include "support/catch.hpp"
#include "support/reference_access.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Addresses that share long beginnings, so that blocks of all lengths lie in one another.
class address_maker {
public:
    explicit address_maker(unsigned seed) : random_(seed) {}

    unsigned up_to(unsigned most) { return static_cast<unsigned>(random_()) % (most + 1); }

    ip_address address() {
        const unsigned kind = up_to(2);
        ip_address::v6_bytes_type bytes{};
        for (unsigned flips = up_to(3); flips > 0; --flips) {
            const unsigned bit = up_to(127);
            bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (0x80u >> bit % 8));
        }
        if (kind == 0) return ip_address{bytes, up_to(1)};
        const ip_address::v4_bytes_type v4{bytes[0], bytes[5], bytes[10], bytes[15]};
        if (kind == 1) return ip_address{v4};
        return ip_address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]}};
    }
    ip_block block() {
        const ip_address a = address();
        return ip_block::around(a, up_to(3) == 0 ? a.bits() : up_to(a.bits()));
    }

private:
    std::mt19937 random_;
};

/// Empty when both agreed all the way, else the first step at which they did not.
std::string run(unsigned seed) {
    address_maker make{seed};
    const access_options options{
        .default_verdict = make.up_to(1) == 0 ? access_verdict::allowed : access_verdict::denied,
        .max_entries = 1 + make.up_to(60)};
    access_list list{options};
    reference_access reference{options};
    time_point now{1h};
    for (int step = 0; step < 400; ++step) {
        const auto fail = [&](const char* what) {
            return std::string(what) + ", seed " + std::to_string(seed) + ", step " + std::to_string(step);
        };
        const ip_block block = make.block();
        const time_point end = make.up_to(1) == 0 ? never : now + std::chrono::seconds(make.up_to(20));
        access_change real{}, wanted{};
        switch (make.up_to(5)) {
            case 0:
            case 1:
                real = list.allow(block, end);
                wanted = reference.put(block, access_verdict::allowed, end);
                break;
            case 2:
            case 3:
                real = list.deny(block, end);
                wanted = reference.put(block, access_verdict::denied, end);
                break;
            case 4:
                real = list.remove(block);
                wanted = reference.remove(block);
                break;
            default:
                now += std::chrono::seconds(make.up_to(3));
                if (make.up_to(1) == 0) break;
                list.time_passed(now);
                reference.time_passed(now);
        }
        if (real != wanted) return fail("change");
        if (list.size() != reference.size()) return fail("size");
        if (list.next_expiry() != reference.next_expiry()) return fail("next expiry");
        for (int look = 0; look < 4; ++look) {
            const ip_address a = make.address();
            if (list.verdict(a, now) != reference.verdict(a, now)) return fail("verdict");
        }
    }
    return {};
}

}  // namespace

TEST_CASE("random_changes_leave_the_list_in_agreement_with_its_reference", "[access]") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const std::string disagreement = run(seed);
        if (!disagreement.empty()) FAIL(disagreement);
    }
    SUCCEED();
}
