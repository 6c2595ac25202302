// The intrusive list against std::deque.
#include <algorithm>
#include <deque>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/random.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

struct item : base::list_hook<item> {};
using list = base::linked_list<item>;

/// Both ways round, the list is what the model says.
bool agrees(const list& l, const std::deque<item*>& model) {
    if (l.size() != model.size() || l.empty() != model.empty()) return false;
    if (l.front() != (model.empty() ? nullptr : model.front())) return false;
    if (l.back() != (model.empty() ? nullptr : model.back())) return false;
    const item* forward = l.front();
    for (const item* expected : model) {
        if (forward != expected) return false;
        forward = forward->next;
    }
    const item* backward = l.back();
    for (auto expected = model.rbegin(); expected != model.rend(); ++expected) {
        if (backward != *expected) return false;
        backward = backward->previous;
    }
    return forward == nullptr && backward == nullptr;
}

}  // namespace

TEST_CASE("empty_list_has_no_ends", "[base]") {
    list l;
    CHECK(l.empty());
    CHECK(l.front() == nullptr);
    CHECK(l.back() == nullptr);
    CHECK(l.pop_front() == nullptr);
    CHECK(l.size() == 0);
}

TEST_CASE("removed_element_is_free_for_another_list", "[base]") {
    list a, b;
    item one, two;
    a.push_back(one);
    a.push_back(two);
    a.remove(one);
    CHECK(one.next == nullptr);
    CHECK(one.previous == nullptr);
    b.push_front(one);
    CHECK(a.front() == &two);
    CHECK(b.front() == &one);
    CHECK(one.next == nullptr);
}

TEST_CASE("list_agrees_with_a_deque_whatever_is_done", "[base]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        base::random_source dice(seed);
        std::deque<item> items(1 + dice.next() % 12);
        std::deque<item*> model, out;
        for (item& i : items) out.push_back(&i);
        list l;
        const auto take_out = [&] {
            item* i = out.front();
            out.pop_front();
            return i;
        };
        for (int step = 0; step < 300; ++step) {
            const auto choice = dice.next() % 5;
            if (choice == 0 && !out.empty()) {
                model.push_front(take_out());
                l.push_front(*model.front());
            } else if (choice == 1 && !out.empty()) {
                model.push_back(take_out());
                l.push_back(*model.back());
            } else if (choice == 2 && !out.empty()) {
                const auto place = static_cast<std::ptrdiff_t>(dice.next() % (model.size() + 1));
                item* before = place == static_cast<std::ptrdiff_t>(model.size()) ? nullptr : model[static_cast<std::size_t>(place)];
                item* i = take_out();
                l.insert_before(before, *i);
                model.insert(model.begin() + place, i);
            } else if (choice == 3 && !model.empty()) {
                const auto place = static_cast<std::ptrdiff_t>(dice.next() % model.size());
                item* i = model[static_cast<std::size_t>(place)];
                l.remove(*i);
                model.erase(model.begin() + place);
                out.push_back(i);
            } else if (choice == 4) {
                item* i = l.pop_front();
                if (i != (model.empty() ? nullptr : model.front())) FAIL("seed " << seed << ", step " << step);
                if (i != nullptr) {
                    model.pop_front();
                    out.push_back(i);
                }
            }
            if (!agrees(l, model)) FAIL("seed " << seed << ", step " << step);
        }
    }
}
