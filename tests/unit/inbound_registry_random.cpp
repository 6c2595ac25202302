// Random arrivals, messages and departures: the registry and one that searches a list must agree after each step.
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <hotpool/inbound/connection_registry.hpp>

#include "support/catch.hpp"
#include "support/reference_registry.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;

namespace {

using message = std::shared_ptr<const int>;

class run {
public:
    run(unsigned seed, std::size_t queue_limit, slow_reader when_full)
        : random_(seed), seed_(seed), real_({queue_limit, when_full}), reference_({queue_limit, when_full}) {}

    /// Empty when both agreed all the way, else the first step at which they did not.
    std::string events(int count) {
        for (int step = 0; step < count; ++step) {
            const char* disagreement = event();
            if (disagreement == nullptr) disagreement = compare();
            if (disagreement == nullptr && !real_.check()) disagreement = "check";
            if (disagreement != nullptr)
                return std::string(disagreement) + ", seed " + std::to_string(seed_) + ", step " + std::to_string(step);
        }
        return {};
    }

private:
    int up_to(int most) { return static_cast<int>(random_() % static_cast<unsigned>(most + 1)); }
    /// One of few, so that most of them are there.
    int any() { return up_to(11); }
    static connection_id id(int n) { return connection_id{{static_cast<unsigned char>(n + 1)}}; }
    static int number(const connection_id& of) { return of.bytes()[0] - 1; }
    static ip_block group(int n) {
        return ip_address{ip_address::v4_bytes_type{10, 0, 0, static_cast<unsigned char>(n)}};
    }

    /// What they disagreed about; null if nothing.
    const char* event() {
        const int roll = up_to(99), one = any();
        if (roll < 10) {
            const int home = up_to(3), state = up_to(1000);
            return real_.join(group(home), id(one), state) == reference_.join(home, one, state) ? nullptr : "join";
        }
        if (roll < 14) return real_.leave(id(one)) == reference_.leave(one) ? nullptr : "leave";
        if (roll < 18) {
            const int state = up_to(1000);
            return real_.update(id(one), state) == reference_.update(one, state) ? nullptr : "update";
        }
        if (roll < 60) return send(roll, one, any());
        if (roll < 78) return deliver();
        if (roll < 96) return arrive(one);
        const auto ended = real_.next_disconnect();
        const auto wanted = reference_.next_disconnect();
        if (ended.has_value() != wanted.has_value()) return "disconnect";
        return !ended || number(*ended) == *wanted ? nullptr : "who is disconnected";
    }
    const char* send(int roll, int one, int other) {
        const auto sent = std::make_shared<const int>(++sent_);
        bool agreed = false;
        if (roll < 38) {
            agreed = real_.send(id(one), id(other), sent) == reference_.send(one, other, sent_);
        } else if (roll < 48) {
            agreed = real_.send(id(one), sent) == reference_.send(one, sent_);
        } else {
            agreed = real_.broadcast(id(one), sent) == reference_.broadcast(one, sent_);
        }
        return agreed ? nullptr : "send";
    }
    const char* deliver() {
        const auto real = real_.next_delivery();
        const auto wanted = reference_.next_delivery();
        if (real.has_value() != wanted.has_value()) return "delivery";
        return !real || std::pair(number(real->to), *real->message) == *wanted ? nullptr : "what is delivered";
    }
    const char* arrive(int one) {
        real_.delivered(id(one));
        reference_.delivered(one);
        return nullptr;
    }

    const char* compare() {
        if (real_.size() != reference_.connections.size()) return "size";
        if (real_.group_count() != reference_.group_count()) return "groups";
        if (real_.waiting() != reference_.waiting()) return "waiting";
        if (real_.totals() != reference_.totals) return "totals";
        for (const auto& c : reference_.connections) {
            const int* const state = real_.state(id(c.id));
            if (state == nullptr || *state != c.state) return "state";
            const ip_block* const home = real_.group(id(c.id));
            if (home == nullptr || *home != group(c.group)) return "group";
        }
        const int one = any();
        std::vector<int> peers;
        real_.for_each_peer(id(one), [&](const connection_id& peer, int) { peers.push_back(number(peer)); });
        return peers == reference_.peers(one) ? nullptr : "peers";
    }

    std::mt19937 random_;
    unsigned seed_;
    connection_registry<message, int> real_;
    reference_registry reference_;
    int sent_ = 0;
};

}  // namespace

TEST_CASE("random_events_leave_the_registry_in_agreement_with_its_reference", "[inbound]") {
    for (const slow_reader when_full : {slow_reader::drop_oldest, slow_reader::drop_newest, slow_reader::disconnect})
        for (const std::size_t queue_limit : {1u, 2u, 4u, 7u})
            for (unsigned seed = 0; seed < 5; ++seed) {
                const std::string disagreement = run(seed, queue_limit, when_full).events(2000);
                if (!disagreement.empty())
                    FAIL(disagreement << ", " << to_string(when_full) << ", limit " << queue_limit);
            }
    SUCCEED();
}
