// How much of its large messages a server takes in one turn.
#include <chrono>
#include <cstddef>
#include <numeric>
#include <vector>

#include "hotpool/inbound/turn_share.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using hotpool::inbound::turn_share;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};

/// What each of them is given, one after the other.
std::vector<std::size_t> turn(turn_share& shares, std::vector<turn_share::member>& members, time_point now) {
    std::vector<std::size_t> given;
    for (turn_share::member& m : members) given.push_back(shares.of(m, now));
    return given;
}

}  // namespace

TEST_CASE("who_is_alone_takes_a_whole_turn", "[inbound]") {
    turn_share shares;
    turn_share::member m;
    for (int i = 0; i < 100; ++i) CHECK(shares.of(m, start + i * 1ms) == turn_share::all);
}

TEST_CASE("many_together_take_what_one_would", "[inbound]") {
    turn_share shares;
    std::vector<turn_share::member> members(20);
    turn(shares, members, start);
    for (int i = 1; i < 50; ++i) {
        const auto given = turn(shares, members, start + i * 4ms);
        CHECK(std::accumulate(given.begin(), given.end(), std::size_t{0}) <= turn_share::all);
        CHECK(given.front() == turn_share::all / 20);
    }
}

TEST_CASE("the_first_turn_of_many_is_not_much_longer", "[inbound]") {
    turn_share shares;
    std::vector<turn_share::member> members(20);
    const auto given = turn(shares, members, start);
    CHECK(given.front() == turn_share::all);
    CHECK(given.back() == turn_share::all / 20);
    CHECK(std::accumulate(given.begin(), given.end(), std::size_t{0}) < 4 * turn_share::all);
}

TEST_CASE("a_share_is_never_too_small_to_be_worth_a_turn", "[inbound]") {
    turn_share shares;
    std::vector<turn_share::member> members(1000);
    CHECK(turn(shares, members, start).back() == turn_share::least);
}

TEST_CASE("who_was_there_some_time_ago_has_no_share", "[inbound]") {
    turn_share shares;
    std::vector<turn_share::member> members(20);
    turn(shares, members, start);
    turn_share::member last;
    SECTION("as soon as a slice of time has passed without the others") {
        CHECK(shares.of(last, start + 4ms) == turn_share::all / 20);
        CHECK(shares.of(last, start + 8ms) == turn_share::all);
    }
    SECTION("nor after a pause of all") { CHECK(shares.of(last, start + 1s) == turn_share::all); }
}
