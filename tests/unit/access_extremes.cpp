// The numbers of access rules at their ends: no sum of times overflows (the sanitizers see it).
#include "hotpool/access/access_list.hpp"
#include "hotpool/access/status_denial.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

const ip_address address = ip_address::parse("192.0.2.1").value();

}  // namespace

TEST_CASE("denial_of_any_length_is_served_and_ends", "[access]") {
    constexpr duration ends[] = {1ns, duration::max() / 2, duration::max() / 2 + 1ns, duration::max() - 1ns,
                                 duration::max()};
    for (const duration first : ends)
        for (const duration limit : ends)
            for (const duration trial : ends)
                for (const duration forget : ends)
                    for (const time_point start : {time_point{}, time_point{1h}, never - 1h}) {
                        if (limit < first) continue;
                        status_denial rules({.statuses = {403},
                                             .deny_for = first,
                                             .deny_for_limit = limit,
                                             .trial_timeout = trial,
                                             .forget_after = forget});
                        time_point now = start;
                        for (int i = 0; i < 4; ++i) {
                            rules.response_seen(address, 403, now);
                            rules.trial_failed(address, now);
                            now = base::after(now, first);
                            rules.use_requested(address, now);
                            rules.trial_abandoned(address, now);
                            rules.use_requested(address, now);
                            rules.time_passed(now);
                        }
                        if (first > 1h && start != never - 1h) {
                            status_denial again({.statuses = {403}, .deny_for = first, .deny_for_limit = limit});
                            again.response_seen(address, 403, start);
                            CHECK(again.state(address, start + 1h) == denial_state::denied);
                        }
                    }
}

TEST_CASE("entry_that_ends_at_either_end_of_time_is_judged_right", "[access]") {
    access_list list;
    list.deny(ip_block(address), time_point::min());
    CHECK(list.verdict(address, time_point{}) == access_verdict::allowed);
    list.deny(ip_block(address), never);
    CHECK(list.verdict(address, never - 1ns) == access_verdict::denied);
    list.time_passed(never - 1ns);
    CHECK(list.size() == 1);
}
