// The intrusive list against std::deque.
#include <algorithm>
#include <deque>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/random.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

struct other_tag;
struct item : base::list_hook<item>, base::list_hook<item, other_tag> {};
using list = base::linked_list<item>;

/// Both ways round, the list is what the model says.
bool agrees(const list& l, const std::deque<item*>& model) {
    if (l.size() != model.size() || l.empty() != model.empty()) return false;
    if (l.front() != (model.empty() ? nullptr : model.front())) return false;
    if (l.back() != (model.empty() ? nullptr : model.back())) return false;
    const item* forward = l.front();
    for (const item* expected : model) {
        if (forward != expected) return false;
        forward = list::next(*forward);
    }
    const item* backward = l.back();
    for (auto expected = model.rbegin(); expected != model.rend(); ++expected) {
        if (backward != *expected) return false;
        backward = list::previous(*backward);
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
    CHECK(list::next(one) == nullptr);
    CHECK(list::previous(one) == nullptr);
    b.push_front(one);
    CHECK(a.front() == &two);
    CHECK(b.front() == &one);
    CHECK(list::next(one) == nullptr);
}

TEST_CASE("element_is_in_one_list_per_tag", "[base]") {
    list a;
    base::linked_list<item, other_tag> b;
    item one, two;
    a.push_back(one);
    a.push_back(two);
    b.push_back(two);
    b.push_back(one);
    a.remove(one);
    CHECK(a.front() == &two);
    CHECK(b.front() == &two);
    CHECK(b.back() == &one);
    CHECK(b.size() == 2);
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
            const auto choice = dice.next() % 4;
            if (choice == 0 && !out.empty()) {
                model.push_front(take_out());
                l.push_front(*model.front());
            } else if (choice == 1 && !out.empty()) {
                model.push_back(take_out());
                l.push_back(*model.back());
            } else if (choice == 2 && !model.empty()) {
                const auto place = static_cast<std::ptrdiff_t>(dice.next() % model.size());
                item* i = model[static_cast<std::size_t>(place)];
                l.remove(*i);
                model.erase(model.begin() + place);
                out.push_back(i);
            } else if (choice == 3) {
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
