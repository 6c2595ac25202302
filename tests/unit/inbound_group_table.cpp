// The table of groups: who is found, who is forgotten for whom, and how much memory it takes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hotpool/inbound/group_table.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;

namespace {

/// Four words are as much as the default quota makes of a group.
struct remembered {
    int number = 0;
    bool over = false;
    std::uint64_t more[2] = {};
};
using table = group_table<remembered>;

group_key key(int number) {
    static const group_key_maker key_of{grouping{}};
    const auto byte = [number](int shift) { return static_cast<unsigned char>(number >> shift); };
    return key_of(ip_address{ip_address::v4_bytes_type{10, byte(16), byte(8), byte(0)}});
}

bool is_over(const remembered& r) { return r.over; }

table::entry* add(table& t, int number) {
    table::entry* const added = t.add(key(number), is_over);
    if (added != nullptr) added->value.number = number;
    return added;
}
void put_over(table& t, int number) {
    table::entry& known = *t.find(key(number));
    known.value.over = true;
    t.seen(known, group_standing::over_limit);
}

/// The numbers of 0 to 99 that are known, in ascending order.
std::string known(table& t) {
    std::string text;
    for (int i = 0; i < 100; ++i) {
        const table::entry* const found = t.find(key(i));
        if (found != nullptr) text += (text.empty() ? "" : " ") + std::to_string(found->value.number);
    }
    return text;
}

}  // namespace

TEST_CASE("a_table_finds_the_groups_that_it_was_told_of_and_no_others", "[inbound]") {
    table t{1000, 1};
    for (int i = 0; i < 1000; ++i) REQUIRE(add(t, i) != nullptr);
    for (int i = 0; i < 1000; ++i) REQUIRE(t.find(key(i))->value.number == i);
    CHECK(t.find(key(1000)) == nullptr);
    CHECK(t.size() == 1000);
    CHECK(t.forgotten() == 0);
    CHECK(t.check());
}

TEST_CASE("in_a_full_table_the_group_seen_least_recently_makes_room", "[inbound]") {
    table t{3, 1};
    for (int i = 0; i < 3; ++i) add(t, i);
    CHECK(add(t, 3) != nullptr);
    CHECK(known(t) == "1 2 3");
    t.seen(*t.find(key(1)), group_standing::within_limits);
    add(t, 4);
    CHECK(known(t) == "1 3 4");
    CHECK(t.forgotten() == 2);
    CHECK(t.forgotten_over_limit() == 0);
    CHECK(t.check());
}

TEST_CASE("a_group_that_is_looked_for_only_does_not_count_as_seen", "[inbound]") {
    table t{2, 1};
    add(t, 0);
    add(t, 1);
    (void)t.find(key(0));
    add(t, 2);
    CHECK(known(t) == "1 2");
}

TEST_CASE("a_group_that_comes_back_after_it_was_forgotten_begins_anew", "[inbound]") {
    table t{1, 1};
    add(t, 7)->value.more[0] = 5;
    add(t, 8);
    CHECK(add(t, 7)->value.more[0] == 0);
    CHECK(t.check());
}

TEST_CASE("groups_with_connections_are_never_forgotten", "[inbound]") {
    table t{3, 1};
    for (int i = 0; i < 3; ++i) t.connection_added(*add(t, i));
    CHECK(t.add(key(3), is_over) == nullptr);
    CHECK(t.check());
    t.connection_added(*t.find(key(1)));
    t.connection_removed(*t.find(key(1)));
    CHECK(t.add(key(3), is_over) == nullptr);
    t.connection_removed(*t.find(key(1)));
    CHECK(add(t, 3) != nullptr);
    CHECK(known(t) == "0 2 3");
    CHECK(t.check());
}

TEST_CASE("the_end_of_its_last_connection_is_when_a_group_was_seen", "[inbound]") {
    table t{3, 1};
    t.connection_added(*add(t, 0));
    add(t, 1);
    add(t, 2);
    t.connection_removed(*t.find(key(0)));
    add(t, 3);
    CHECK(known(t) == "0 2 3");
}

TEST_CASE("groups_over_their_limit_are_forgotten_last", "[inbound]") {
    table t{4, 1};
    for (int i = 0; i < 4; ++i) add(t, i);
    put_over(t, 0);
    put_over(t, 1);
    for (int i = 10; i < 60; ++i) {
        add(t, i);
        REQUIRE(t.find(key(0)) != nullptr);
        REQUIRE(t.find(key(1)) != nullptr);
    }
    CHECK(known(t) == "0 1 58 59");
    CHECK(t.forgotten_over_limit() == 0);
    CHECK(t.check());
}

TEST_CASE("if_all_are_over_their_limit_one_of_them_makes_room", "[inbound]") {
    table t{3, 1};
    for (int i = 0; i < 3; ++i) add(t, i);
    for (int i : {1, 0, 2}) put_over(t, i);
    add(t, 3);
    CHECK(known(t) == "0 2 3");
    CHECK(t.forgotten_over_limit() == 1);
    CHECK(t.check());
}

TEST_CASE("a_group_over_its_limit_stays_so_while_it_has_connections_and_after", "[inbound]") {
    table t{2, 1};
    t.connection_added(*add(t, 0));
    add(t, 1);
    put_over(t, 0);
    t.connection_removed(*t.find(key(0)));
    add(t, 2);
    CHECK(known(t) == "0 2");
    CHECK(t.check());
}

TEST_CASE("a_group_whose_time_over_the_limit_has_passed_makes_room_first", "[inbound]") {
    table t{4, 1};
    for (int i = 0; i < 4; ++i) add(t, i);
    put_over(t, 2);
    t.find(key(2))->value.over = false;
    add(t, 4);
    CHECK(known(t) == "0 1 3 4");
    CHECK(t.forgotten_over_limit() == 0);
}

TEST_CASE("one_that_is_still_over_its_limit_does_not_hide_others_that_are_not", "[inbound]") {
    table t{5, 1};
    for (int i = 0; i < 5; ++i) add(t, i);
    for (int i = 0; i < 3; ++i) put_over(t, i);
    t.find(key(1))->value.over = false;
    add(t, 5);  // 0 is looked at, 3 goes
    add(t, 6);  // 1 goes
    CHECK(known(t) == "0 2 4 5 6");
    CHECK(t.check());
}

TEST_CASE("a_table_of_one_group_works", "[inbound]") {
    table t{1, 1};
    for (int i = 0; i < 50; ++i) REQUIRE(add(t, i) != nullptr);
    CHECK(known(t) == "49");
    CHECK(t.check());
}

TEST_CASE("a_group_of_the_default_size_takes_one_line_of_the_cache", "[inbound]") {
    CHECK(sizeof(table::entry) == 64);
    CHECK(alignof(table::entry) == 64);
    struct large {
        std::uint64_t words[10];
    };
    CHECK(alignof(group_table<large>::entry) == alignof(std::uint64_t));
}

TEST_CASE("all_memory_is_taken_at_once_and_is_under_the_ceiling", "[inbound]") {
    for (const std::size_t groups : {1u, 2u, 3u, 1000u, 1024u, 1025u}) {
        table t{groups, 1};
        const std::size_t bytes = t.bytes();
        CHECK(bytes <= groups * table::bytes_per_group);
        const auto before = test::allocations();
        for (int i = 0; i < 3000; ++i) add(t, i);
        CHECK(test::allocations() == before);
        CHECK(t.bytes() == bytes);
        CHECK(t.size() == groups);
        CHECK(t.check());
    }
}
