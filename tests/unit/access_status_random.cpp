// Random reports about a few addresses: the machine and one that counts seconds must agree after each.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include <hotpool/access/status_denial.hpp>

#include "support/catch.hpp"

using namespace hotpool;

namespace {

/// Every address that something is known about, with the seconds until it stands otherwise.
class counted_denial {
public:
    explicit counted_denial(const status_denial_options& o)
        : first_(seconds(o.deny_for)),
          limit_(seconds(o.deny_for_limit)),
          trial_(seconds(o.trial_timeout)),
          forget_(seconds(o.forget_after)),
          most_(o.max_addresses) {}

    denial_state state(int who) const { return known_.count(who) == 0 ? denial_state::admitted : known_.at(who).state; }

    void second_passed() {
        for (auto& [who, one] : known_) --one.left;
        std::erase_if(known_, [](const auto& entry) {
            return entry.second.left == 0 && entry.second.state == denial_state::on_probation;
        });
        for (auto& [who, one] : known_)
            if (one.left == 0) one = {denial_state::on_probation, forget_, one.denied_for};
    }

    admission use_requested(int who) {
        if (state(who) == denial_state::admitted) return admission::granted;
        if (state(who) != denial_state::on_probation) return admission::refused;
        known_[who].state = denial_state::on_trial;
        known_[who].left = trial_;
        return admission::trial;
    }
    denial_change response_seen(int who, bool listed) {
        const denial_state before = state(who);
        if (!listed && before != denial_state::on_trial) return denial_change::none;
        if (!listed) known_.erase(who);
        if (!listed) return denial_change::readmitted;
        if (before == denial_state::denied) return denial_change::none;
        if (before != denial_state::admitted) return deny_longer(who);
        if (known_.size() == most_) return denial_change::table_full;
        known_[who] = {denial_state::denied, first_, first_};
        return denial_change::denied;
    }
    denial_change trial_failed(int who) {
        return state(who) == denial_state::on_trial ? deny_longer(who) : denial_change::none;
    }
    void trial_abandoned(int who) {
        if (state(who) == denial_state::on_trial)
            known_[who] = {denial_state::on_probation, forget_, known_[who].denied_for};
    }
    void forget(int who) { known_.erase(who); }
    std::size_t size() const { return known_.size(); }

private:
    struct standing {
        denial_state state{};
        long left = 0;
        long denied_for = 0;
    };

    static long seconds(duration span) {
        return static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(span).count());
    }
    denial_change deny_longer(int who) {
        const long span = std::min(limit_, 2 * known_[who].denied_for);
        known_[who] = {denial_state::denied, span, span};
        return denial_change::denied_longer;
    }

    long first_, limit_, trial_, forget_;
    std::size_t most_;
    std::map<int, standing> known_;
};

ip_address address(int who) { return ip_address{ip_address::v4_bytes_type{10, 0, 0, static_cast<unsigned char>(who)}}; }

/// Empty when both agreed all the way, else the first step at which they did not.
std::string run(unsigned seed) {
    std::mt19937 random{seed};
    const auto up_to = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most + 1)); };
    const auto some_seconds = [&](int most) { return std::chrono::seconds(1 + up_to(most)); };
    status_denial_options options{.statuses = {403}, .deny_for = some_seconds(5), .max_addresses = 3};
    options.deny_for_limit = options.deny_for + some_seconds(20);
    options.trial_timeout = some_seconds(5);
    options.forget_after = some_seconds(20);

    status_denial machine{options};
    counted_denial reference{options};
    time_point now{std::chrono::hours(1)};
    for (int step = 0; step < 600; ++step) {
        const int who = up_to(4);
        const ip_address peer = address(who);
        const auto fail = [&](const char* what) {
            return std::string(what) + ", seed " + std::to_string(seed) + ", step " + std::to_string(step);
        };
        switch (up_to(8)) {
            case 0:
            case 1:
                if (machine.use_requested(peer, now) != reference.use_requested(who)) return fail("use");
                break;
            case 2:
            case 3:
                if (machine.response_seen(peer, 403, now) != reference.response_seen(who, true)) return fail("403");
                break;
            case 4:
                if (machine.response_seen(peer, 200, now) != reference.response_seen(who, false)) return fail("200");
                break;
            case 5:
                if (machine.trial_failed(peer, now) != reference.trial_failed(who)) return fail("failed");
                break;
            case 6:
                machine.trial_abandoned(peer, now);
                reference.trial_abandoned(who);
                break;
            case 7:
                if (up_to(9) != 0) break;
                machine.forget(peer);
                reference.forget(who);
                break;
            default:
                for (int left = up_to(8); left > 0; --left) {
                    now += std::chrono::seconds(1);
                    reference.second_passed();
                }
                if (up_to(1) == 0) machine.time_passed(now);
        }
        std::size_t remembered = 0;
        for (int each = 0; each <= 4; ++each) {
            if (machine.state(address(each), now) != reference.state(each)) return fail("state");
            remembered += machine.state(address(each), now) != denial_state::admitted;
        }
        if (remembered != reference.size() || machine.size() < remembered) return fail("size");
    }
    return {};
}

}  // namespace

TEST_CASE("random_reports_leave_the_machine_in_agreement_with_a_count_of_seconds", "[access]") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        const std::string disagreement = run(seed);
        if (!disagreement.empty()) FAIL(disagreement);
    }
    SUCCEED();
}
