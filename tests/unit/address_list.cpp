// Merging the answers of the endpoint source: against the plain way to do it, and at length.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <set>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/endpoint_pool.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using hotpool::detail::address_list;
using hotpool::detail::merged_addresses;

namespace {

ip_endpoint numbered(std::uint32_t n, std::uint16_t port = 80) {
    const auto byte = [n](unsigned shift) { return static_cast<std::uint8_t>(n >> shift); };
    return {ip_address(ip_address::v4_bytes_type{10, byte(16), byte(8), byte(0)}), port};
}
endpoint_ptr in(const std::vector<endpoint_ptr>& list, const ip_endpoint& where) {
    for (const endpoint_ptr& e : list)
        if (e->where == where) return e;
    return nullptr;
}

}  // namespace

TEST_CASE("merged_list_is_what_the_plain_way_makes_of_it", "[endpoints]") {
    base::random_source random(3);
    auto list = std::make_shared<const address_list>();
    std::size_t returned = 0;
    for (int round = 0; round < 300; ++round) {
        endpoint_list answer;
        for (auto n = random.next() % 40; n > 0; --n)
            answer.push_back(numbered(static_cast<std::uint32_t>(random.next() % 30),
                                      static_cast<std::uint16_t>(80 + random.next() % 2)));
        const std::vector<endpoint_ptr> named = list->in_order(), absent = list->absent();
        const merged_addresses merged = address_list::merge(answer, list);
        CHECK(merged.before == list);

        std::vector<ip_endpoint> wanted, seen;
        for (const ip_endpoint& where : answer)
            if (std::find(wanted.begin(), wanted.end(), where) == wanted.end()) wanted.push_back(where);
        for (const endpoint_ptr& e : merged.after->in_order()) {
            seen.push_back(e->where);
            const endpoint_ptr known = in(named, e->where), away = in(absent, e->where);
            CHECK((known == nullptr || known == e));
            CHECK((away == nullptr || away == e));
            CHECK((away != nullptr) == (in(merged.returned, e->where) == e));
        }
        CHECK(seen == wanted);
        returned += merged.returned.size();
        std::vector<endpoint_ptr> away;
        for (const auto& before : {named, absent})
            for (const endpoint_ptr& e : before)
                if (std::find(wanted.begin(), wanted.end(), e->where) == wanted.end()) away.push_back(e);
        std::sort(away.begin(), away.end(),
                  [](const endpoint_ptr& x, const endpoint_ptr& y) { return x->where < y->where; });
        CHECK(merged.after->absent() == away);
        CHECK(merged.left.capacity() >= away.size());
        merged.after->forget_absent([&](const endpoint_ptr&) { return random.next() % 8 == 0; });
        list = merged.after;
    }
    CHECK(returned > 100);
}

TEST_CASE("merge_without_memory_has_done_nothing", "[endpoints]") {
    const auto first = address_list::merge({numbered(1), numbered(2)}, std::make_shared<const address_list>()).after;
    merged_addresses merged;
    const endpoint_list answer{numbered(2), numbered(3)};
    const auto refused = until_memory_lasts([&] { merged = address_list::merge(answer, first); },
                                            [&] { CHECK(first->in_order().front()->listed); });
    CHECK(refused > 5);
    CHECK(merged.after->absent().size() == 1);
}

TEST_CASE("forty_thousand_addresses_are_merged_in_no_time", "[endpoints]") {
    constexpr std::uint32_t many = 40'000;
    endpoint_list answer;
    for (std::uint32_t i = 0; i < many; ++i) answer.push_back(numbered(i * 7919 % many));
    endpoint_pool<> pool;
    const time_point start{1h};
    const pool_options usual{.absent_grace = 0s};
    const std::clock_t began = std::clock();  // the processor's time: others may have theirs
    pool.answer_came(answer, start, usual);
    std::reverse(answer.begin(), answer.end());
    answer.resize(many / 2);
    CHECK(pool.answer_came(answer, start, usual).size() == many / 2);
    CHECK(pool.endpoints().size() == many / 2);
    // Each against each took 14 s; under a sanitizer this takes less than a tenth of that.
    CHECK(double(std::clock() - began) / CLOCKS_PER_SEC < 1.4);
}
