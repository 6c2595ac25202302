// The list of connections to look at when the turn is over.
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/connection/turn_list.hpp"
#include "support/catch.hpp"

using hotpool::detail::turn_list;

namespace {

struct item {
    explicit item(char n) : name(n) {}
    void add_ref() { ++references; }
    void release() { --references; }
    char name;
    int references = 0;
    std::atomic<bool> in_turn{false};
    item* next_in_turn = nullptr;
};

std::string names_of(turn_list<item>& list) {
    std::string names;
    list.for_each_taken([&](const item& i) { names += i.name; }, [] {});
    return names;
}

}  // namespace

TEST_CASE("turn_list_visits_oldest_first_and_lets_go", "[turn_list]") {
    item a('a'), b('b'), c('c');
    turn_list<item> list;
    list.push(b);
    list.push(a);
    list.push(c);
    CHECK(a.references == 1);
    CHECK(names_of(list) == "bac");
    CHECK(names_of(list).empty());
    for (const item* i : {&a, &b, &c}) {
        CHECK(i->references == 0);
        CHECK_FALSE(i->in_turn);
    }
}

TEST_CASE("only_the_push_into_an_empty_list_asks_for_a_visit", "[turn_list]") {
    item a('a'), b('b');
    turn_list<item> list;
    CHECK(list.push(a));
    CHECK_FALSE(list.push(b));
    CHECK(names_of(list) == "ab");
    CHECK(list.push(b));
    CHECK(names_of(list) == "b");
}

TEST_CASE("connection_is_in_the_turn_list_at_most_once", "[turn_list]") {
    item a('a');
    turn_list<item> list;
    CHECK(list.push(a));
    CHECK_FALSE(list.push(a));
    CHECK(a.references == 1);
    CHECK(names_of(list) == "a");
    CHECK(a.references == 0);
}

TEST_CASE("connection_pushed_while_it_is_visited_waits_for_the_next_turn", "[turn_list]") {
    item a('a'), b('b');
    turn_list<item> list;
    list.push(a);
    list.push(b);
    std::string seen;
    bool asked = false;
    list.for_each_taken(
        [&](item& i) {
            seen += i.name;
            if (&i == &a) asked = list.push(a);
        },
        [] {});
    CHECK(seen == "ab");
    CHECK(asked);
    CHECK(names_of(list) == "a");
    CHECK(a.references == 0);
}

TEST_CASE("those_behind_a_visit_that_throws_are_seen_to_later", "[turn_list]") {
    item a('a'), b('b'), c('c');
    turn_list<item> list;
    for (item* i : {&a, &b, &c}) list.push(*i);
    int asked = 0;
    CHECK_THROWS_AS(list.for_each_taken(
                        [&](item& i) {
                            if (&i == &a) throw std::runtime_error("a handler's");
                        },
                        [&] { ++asked; }),
                    std::runtime_error);
    CHECK(asked == 1);
    CHECK(a.references == 0);
    CHECK_FALSE(list.push(c));
    CHECK_FALSE(list.push(a));
    CHECK(names_of(list) == "bca");
    for (const item* i : {&a, &b, &c}) CHECK(i->references == 0);
}

TEST_CASE("visit_that_throws_at_the_last_leaves_nothing_behind", "[turn_list]") {
    item a('a');
    turn_list<item> list;
    list.push(a);
    int asked = 0;
    CHECK_THROWS(list.for_each_taken([](item&) { throw 1; }, [&] { ++asked; }));
    CHECK(asked == 0);
    CHECK(a.references == 0);
    CHECK(list.push(a));
}

TEST_CASE("turn_list_that_ends_lets_go_of_what_is_in_it", "[turn_list]") {
    item a('a'), b('b');
    {
        turn_list<item> list;
        list.push(a);
        list.push(b);
    }
    CHECK(a.references == 0);
    CHECK(b.references == 0);
}
