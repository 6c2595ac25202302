// Who is there, what waits for each, and what a slow reader gets.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <hotpool/inbound/connection_registry.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;

namespace {

using registry = connection_registry<std::string, std::string>;

connection_id id(unsigned char n) { return connection_id{{n}}; }
const ip_block home{"192.0.2.1"}, office{"2001:db8::/64"};

/// A home of 1, 2 and 3, and 4 in an office.
struct four {
    explicit four(const registry_options& options = {}) : all(options) {
        for (unsigned char n = 1; n <= 3; ++n) all.join(home, id(n), "number " + std::to_string(n));
        all.join(office, id(4), "number 4");
    }
    /// What is written to `n` when it takes all that waits for it, and for the others, `n`'s in order.
    std::vector<std::string> written_to(unsigned char n) {
        std::vector<std::string> messages;
        while (const auto next = all.next_delivery()) {
            if (next->to == id(n)) messages.push_back(next->message);
            all.delivered(next->to);
        }
        REQUIRE(all.check());
        return messages;
    }
    /// `n` has a message under way that never arrives.
    void stall(unsigned char n) {
        all.send(id(n), "stuck");
        const auto next = all.next_delivery();
        REQUIRE(next);
        REQUIRE(next->to == id(n));
    }
    registry all;
};

template <class List>
std::string names(const List& list) {
    std::string text;
    for (const auto& name : list) text += name + ' ';
    return text;
}
std::string peers_of(const registry& all, unsigned char n) {
    std::vector<std::string> found;
    all.for_each_peer(id(n), [&](const connection_id&, const std::string& state) { found.push_back(state); });
    return names(found);
}

}  // namespace

TEST_CASE("whoever_joins_is_there_with_group_and_state_until_it_leaves", "[inbound]") {
    four a;
    CHECK(a.all.size() == 4);
    CHECK(a.all.group_count() == 2);
    CHECK(a.all.size_of(home) == 3);
    REQUIRE(a.all.state(id(2)));
    CHECK(*a.all.state(id(2)) == "number 2");
    REQUIRE(a.all.group(id(4)));
    CHECK(*a.all.group(id(4)) == office);
    CHECK(a.all.leave(id(2)));
    CHECK(a.all.check());
    CHECK(a.all.state(id(2)) == nullptr);
    CHECK(a.all.group(id(2)) == nullptr);
    CHECK(a.all.size_of(home) == 2);
    CHECK_FALSE(a.all.leave(id(2)));
}

TEST_CASE("an_id_joins_once", "[inbound]") {
    four a;
    CHECK(a.all.join(office, id(1), "another") == join_result::known);
    CHECK(*a.all.state(id(1)) == "number 1");
    CHECK(*a.all.group(id(1)) == home);
    CHECK(a.all.size() == 4);
    CHECK(a.all.check());
    CHECK(a.all.leave(id(1)));
    CHECK(a.all.join(office, id(1), "another") == join_result::joined);
    CHECK(*a.all.group(id(1)) == office);
}

TEST_CASE("a_group_goes_with_its_last_connection", "[inbound]") {
    four a;
    a.all.leave(id(4));
    CHECK(a.all.group_count() == 1);
    CHECK(a.all.size_of(office) == 0);
    CHECK(a.all.check());
    a.all.join(office, id(4), "back");
    CHECK(a.all.group_count() == 2);
}

TEST_CASE("peers_are_the_others_of_the_group_in_the_order_of_joining", "[inbound]") {
    four a;
    CHECK(peers_of(a.all, 1) == "number 2 number 3 ");
    CHECK(peers_of(a.all, 2) == "number 1 number 3 ");
    CHECK(peers_of(a.all, 4).empty());
    CHECK(peers_of(a.all, 9).empty());
    CHECK(a.all.update(id(3), "renamed"));
    CHECK_FALSE(a.all.update(id(9), "nobody"));
    CHECK(peers_of(a.all, 1) == "number 2 renamed ");
    std::string in_group;
    a.all.for_each_in_group(home, [&](const connection_id& n, const std::string&) { in_group += n.to_string()[1]; });
    CHECK(in_group == "123");
}

TEST_CASE("a_message_goes_to_one_of_the_senders_group", "[inbound]") {
    four a;
    CHECK(a.all.send(id(1), id(2), "hello") == send_result::queued);
    CHECK(a.all.send(id(1), id(4), "hello") == send_result::other_group);
    CHECK(a.all.send(id(1), id(9), "hello") == send_result::unknown);
    CHECK(a.all.send(id(9), id(1), "hello") == send_result::unknown);
    CHECK(a.all.send(id(9), "hello") == send_result::unknown);
    CHECK(a.all.send(id(4), "from the server") == send_result::queued);
    CHECK(a.all.waiting() == 2);
    CHECK(names(a.written_to(2)) == "hello ");
    CHECK(a.all.waiting() == 0);
    CHECK(a.all.totals() == send_counts{.queued = 2});
}

TEST_CASE("a_broadcast_goes_to_the_rest_of_the_group", "[inbound]") {
    four a;
    CHECK(a.all.broadcast(id(1), "news") == send_counts{.queued = 2});
    CHECK(a.all.broadcast(id(4), "alone") == send_counts{});
    CHECK(a.all.broadcast(id(9), "nobody") == send_counts{});
    const auto first = a.all.next_delivery(), second = a.all.next_delivery();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->to == id(2));
    CHECK(second->to == id(3));
    CHECK_FALSE(a.all.next_delivery());
}

TEST_CASE("a_connection_has_one_message_under_way", "[inbound]") {
    four a;
    a.all.send(id(1), "one");
    a.all.send(id(1), "two");
    const auto first = a.all.next_delivery();
    REQUIRE(first);
    CHECK(first->message == "one");
    CHECK_FALSE(a.all.next_delivery());
    CHECK(a.all.check());
    a.all.delivered(id(1));
    a.all.delivered(id(1));  // that one is not under way yet
    const auto second = a.all.next_delivery();
    REQUIRE(second);
    CHECK(second->message == "two");
    a.all.delivered(id(1));
    a.all.delivered(id(9));
    CHECK_FALSE(a.all.next_delivery());
    CHECK(a.all.check());
}

TEST_CASE("whoever_has_waited_longest_for_a_turn_is_next", "[inbound]") {
    four a;
    a.all.send(id(3), "one");
    a.all.send(id(3), "two");
    a.all.send(id(1), "three");
    std::string order;
    while (const auto next = a.all.next_delivery()) {
        order += next->message + ' ';
        a.all.delivered(next->to);
    }
    CHECK(order == "one three two ");
}

TEST_CASE("a_full_queue_drops_its_oldest", "[inbound]") {
    four a({.queue_limit = 2, .when_full = slow_reader::drop_oldest});
    a.stall(2);
    CHECK(a.all.broadcast(id(1), "one") == send_counts{.queued = 2});
    CHECK(a.all.send(id(3), id(2), "two") == send_result::queued);
    CHECK(a.all.send(id(1), id(2), "three") == send_result::dropped_oldest);
    CHECK(a.all.broadcast(id(1), "four") == send_counts{.queued = 1, .dropped_oldest = 1});
    CHECK(a.all.waiting() == 4);
    a.all.delivered(id(2));
    CHECK(names(a.written_to(2)) == "three four ");
    CHECK(a.all.totals() == send_counts{.queued = 5, .dropped_oldest = 2});
    CHECK(a.all.totals().dropped() == 2);
    CHECK(send_counts{.queued = 8, .dropped_oldest = 1, .dropped_newest = 2, .disconnected = 4}.dropped() == 7);
}

TEST_CASE("a_full_queue_drops_the_newest", "[inbound]") {
    four a({.queue_limit = 2, .when_full = slow_reader::drop_newest});
    a.stall(2);
    a.all.send(id(2), "one");
    a.all.send(id(2), "two");
    CHECK(a.all.send(id(2), "three") == send_result::dropped_newest);
    CHECK(a.all.broadcast(id(1), "four") == send_counts{.queued = 1, .dropped_newest = 1});
    a.all.delivered(id(2));
    CHECK(names(a.written_to(2)) == "one two ");
}

TEST_CASE("a_full_queue_ends_the_connection_once", "[inbound]") {
    four a({.queue_limit = 1, .when_full = slow_reader::disconnect});
    a.stall(2);
    a.all.send(id(3), "waits");
    a.all.send(id(2), "waits");
    CHECK_FALSE(a.all.next_disconnect());
    CHECK(a.all.broadcast(id(1), "too much") == send_counts{.disconnected = 2});
    CHECK(a.all.waiting() == 0);
    CHECK(a.all.check());
    CHECK_FALSE(a.all.next_delivery());
    CHECK(a.all.next_disconnect() == id(2));
    CHECK(a.all.next_disconnect() == id(3));
    CHECK_FALSE(a.all.next_disconnect());
    a.all.delivered(id(2));
    CHECK(a.all.send(id(2), "later") == send_result::disconnected);
    CHECK_FALSE(a.all.next_delivery());
    CHECK(a.all.check());
    CHECK(peers_of(a.all, 1) == "number 2 number 3 ");
    CHECK(a.all.leave(id(2)));
    CHECK(a.all.check());
}

TEST_CASE("whoever_leaves_in_line_leaves_the_line", "[inbound]") {
    four a({.queue_limit = 1, .when_full = slow_reader::disconnect});
    a.all.send(id(1), "one");
    a.all.send(id(2), "two");
    a.all.send(id(2), "too much");
    a.all.leave(id(1));
    a.all.leave(id(2));
    CHECK(a.all.check());
    CHECK(a.all.waiting() == 0);
    CHECK_FALSE(a.all.next_delivery());
    CHECK_FALSE(a.all.next_disconnect());
}

TEST_CASE("whoever_comes_back_under_its_id_is_somebody_new", "[inbound]") {
    four a;
    a.stall(1);
    a.all.send(id(1), "for the one before");
    a.all.leave(id(1));
    a.all.join(home, id(1), "new");
    a.all.delivered(id(1));
    CHECK_FALSE(a.all.next_delivery());
    a.all.send(id(1), "for the new one");
    CHECK(names(a.written_to(1)) == "for the new one ");
}

TEST_CASE("groups_may_be_anything_with_an_order", "[inbound]") {
    connection_registry<int, int, std::string> rooms;
    rooms.join("kitchen", id(1), 1);
    rooms.join("cellar", id(2), 2);
    CHECK(rooms.send(id(1), id(2), 7) == send_result::other_group);
    CHECK(*rooms.group(id(2)) == "cellar");
}

TEST_CASE("a_message_that_cannot_be_copied_changes_nothing", "[inbound]") {
    struct fragile {
        explicit fragile(bool* broken) : broken_(broken) {}
        fragile(const fragile& other) : broken_(other.broken_) {
            if (*broken_) throw std::runtime_error("no copy");
        }
        fragile(fragile&&) noexcept = default;
        fragile& operator=(fragile&&) noexcept = default;
        bool* broken_;
    };
    bool broken = false;
    connection_registry<fragile, int> all({.queue_limit = 2});
    all.join(home, id(1), 0);
    const fragile message(&broken);
    for (int room = 0; room < 3; ++room) {
        broken = true;
        CHECK_THROWS_AS(all.send(id(1), message), std::runtime_error);
        CHECK(all.waiting() == static_cast<std::size_t>(room < 2 ? room : 2));
        CHECK(all.check());
        broken = false;
        all.send(id(1), message);
    }
    CHECK(all.totals() == send_counts{.queued = 2, .dropped_oldest = 1});
}

TEST_CASE("without_memory_nobody_joins_and_nothing_is_sent", "[inbound]") {
    four a;
    const connection_id five{{5}};
    const ip_block garden{"198.51.100.1"};
    const std::string text(100, 'x');
    CHECK(until_memory_lasts([&] { a.all.join(garden, five, {}); },
                             [&] {
                                 CHECK(a.all.check());
                                 CHECK(a.all.size() == 4);
                                 CHECK(a.all.group_count() == 2);
                                 CHECK(a.all.group(five) == nullptr);
                             }) >= 2);
    CHECK(until_memory_lasts([&] { a.all.send(five, text); },
                             [&] {
                                 CHECK(a.all.check());
                                 CHECK(a.all.waiting() == 0);
                                 CHECK(a.all.totals().total() == 0);
                             }) >= 2);
    CHECK(a.all.waiting() == 1);
    CHECK(until_memory_lasts([&] { a.all.broadcast(id(1), text); }, [&] { CHECK(a.all.check()); }) >= 4);
    CHECK(a.all.totals().total() == a.all.waiting());
    CHECK(a.written_to(3) == std::vector<std::string>{text});
}

TEST_CASE("a_queue_that_has_been_full_takes_no_more_memory", "[inbound]") {
    connection_registry<std::shared_ptr<const int>, int> all;
    all.join(home, id(1), 0);
    const auto message = std::make_shared<const int>(1);
    const auto fill_and_empty = [&] {
        for (int i = 0; i < 6; ++i) all.send(id(1), message);
        while (all.next_delivery()) all.delivered(id(1));
    };
    fill_and_empty();
    const auto before = test::allocations();
    fill_and_empty();
    CHECK(test::allocations() == before);
    CHECK(message.use_count() == 1);
}

TEST_CASE("what_waits_for_an_ended_connection_is_freed", "[inbound]") {
    connection_registry<std::shared_ptr<const int>, int> all({.queue_limit = 1, .when_full = slow_reader::disconnect});
    all.join(home, id(1), 0);
    const auto message = std::make_shared<const int>(1);
    all.send(id(1), message);
    CHECK(message.use_count() == 2);
    all.send(id(1), message);
    CHECK(message.use_count() == 1);
}

TEST_CASE("a_queue_of_nothing_is_refused", "[inbound]") {
    CHECK_THROWS_WITH(registry({.queue_limit = 0}),
                      "hotpool::inbound::registry_options::queue_limit must be 1 or more");
}

TEST_CASE("results_of_sending_have_their_labels", "[inbound]") {
    CHECK(std::string(to_string(send_result::dropped_oldest)) == "dropped_oldest");
    CHECK(std::string(to_string(send_result::other_group)) == "other_group");
    CHECK(std::string(to_string(slow_reader::disconnect)) == "disconnect");
    CHECK(send_counts{1, 2, 3, 4}.total() == 10);
}
