// When a failed request may be sent again, after which pause, and how much of that is affordable.
#include <chrono>
#include <thread>
#include <vector>

#include "hotpool/policy/retry.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

/// Every combination of what can be known, by the bits of `n`.
failed_try combination(unsigned n, unsigned tries) {
    return {.tries = tries,
            .reused = (n & 1) != 0,
            .wrote_nothing = (n & 2) != 0,
            .response_begun = (n & 4) != 0,
            .asked_back = (n & 32) != 0,
            .timed_out = (n & 64) != 0,
            .idempotent = (n & 8) != 0,
            .replayable = (n & 16) != 0};
}

}  // namespace

TEST_CASE("request_is_sent_again_only_by_what_is_known", "[policy]") {
    for (unsigned n = 0; n < 128; ++n) {
        const failed_try t = combination(n, 1);
        if (t.asked_back) continue;
        CAPTURE(t.reused, t.wrote_nothing, t.response_begun, t.idempotent, t.replayable, t.timed_out);
        bool allowed = true;
        if (!t.reused) allowed = false;                          // a fresh connection's failure is the origin's
        if (t.response_begun) allowed = false;                   // the origin has acted
        if (!t.wrote_nothing && !t.idempotent) allowed = false;  // it may have acted
        if (!t.replayable) allowed = false;                      // the body is gone
        CHECK(retry().judge(t) == (allowed ? retry_verdict::again_on_fresh : retry_verdict::give_up));
        CHECK(t.was_stale() == (t.reused && !t.response_begun && !t.timed_out));
    }
}

TEST_CASE("request_that_was_asked_back_is_sent_again_if_that_does_no_harm", "[policy]") {
    for (unsigned n = 32; n < 64; ++n)
        for (unsigned tries = 1; tries <= 4; ++tries) {
            const failed_try t = combination(n, tries);
            CAPTURE(t.idempotent, t.replayable, tries);
            const bool allowed = t.idempotent && t.replayable && tries < retry::max_tries;
            CHECK(retry().judge(t) == (allowed ? retry_verdict::again : retry_verdict::give_up));
        }
}

TEST_CASE("first_retry_is_at_once_and_the_pauses_before_later_ones_grow", "[policy]") {
    const auto pause = [](unsigned tries, double chance) { return retry().pause({.tries = tries}, chance); };
    CHECK(pause(1, 0.0) == 0s);
    CHECK(pause(1, 0.999) == 0s);
    CHECK(pause(2, 0.0) == 20ms);
    CHECK(pause(3, 0.0) == 40ms);
    CHECK(pause(7, 0.0) == 640ms);
    CHECK(pause(8, 0.0) == 1s);
    CHECK(pause(4'000'000'000, 0.0) == 1s);
    for (const unsigned tries : {2u, 3u, 8u, 100u}) {
        CHECK(pause(tries, 0.5) < pause(tries, 0.25));
        CHECK(pause(tries, 1.0 - 0x1.0p-53) >= pause(tries, 0.0) / 2);
    }
}

TEST_CASE("third_try_is_the_last_unless_its_connection_was_stale", "[policy]") {
    const failed_try stale{.reused = true, .wrote_nothing = true, .idempotent = true, .replayable = true};
    for (unsigned tries = 1; tries <= 4; ++tries) {
        failed_try t = stale;
        t.tries = tries;
        CHECK(retry().judge(t) == retry_verdict::again_on_fresh);
        t.timed_out = true;
        CHECK(retry().judge(t) == (tries < 3 ? retry_verdict::again_on_fresh : retry_verdict::give_up));
        CHECK_FALSE(t.was_stale());
    }
}

TEST_CASE("first_three_retries_are_free", "[policy]") {
    retry_budget budget;
    for (int i = 0; i < 3; ++i) CHECK(budget.withdraw());
    CHECK_FALSE(budget.withdraw());
}

TEST_CASE("five_requests_earn_one_retry", "[policy]") {
    retry_budget budget;
    while (budget.withdraw()) {
    }
    for (int i = 0; i < 4; ++i) {
        budget.note_request();
        CHECK_FALSE(budget.withdraw());
    }
    budget.note_request();
    CHECK(budget.withdraw());
    CHECK_FALSE(budget.withdraw());
}

TEST_CASE("earned_retries_do_not_pile_up_without_end", "[policy]") {
    retry_budget budget;
    for (int i = 0; i < 100'000; ++i) budget.note_request();
    int granted = 0;
    while (budget.withdraw()) ++granted;
    CHECK(granted == 100);
}

TEST_CASE("retries_stay_a_fifth_of_the_requests_over_many_threads", "[policy][thread]") {
    retry_budget budget;
    std::vector<std::thread> threads;
    std::vector<int> granted(4);
    for (int& mine : granted)
        threads.emplace_back([&budget, &mine] {
            for (int i = 0; i < 10'000; ++i) {
                budget.note_request();
                mine += budget.withdraw();
            }
        });
    for (std::thread& t : threads) t.join();
    int sum = 0;
    for (const int mine : granted) sum += mine;
    CHECK(sum <= 3 + 40'000 / 5);
    CHECK(sum >= 40'000 / 5 - 1);
}
