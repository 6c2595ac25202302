// Several machines under one budget, driven by nobody but chance: no sockets, no threads, no real time.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/connection_budget.hpp"
#include "hotpool/connection_manager.hpp"
#include "hotpool/pool/budget_share.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

constexpr duration turn = 100ms;

/// A pool without a network: a machine, its share of the budget, and a driver that does what they ask for.
class budget_pool final : public detail::budget_share<budget_pool> {
public:
    using machine_type = connection_manager<int>;
    using slot_type = machine_type::slot_type;

    budget_pool(std::shared_ptr<connection_budget> budget, const pool_options& options, std::uint64_t seed)
        : budget_share(std::move(budget)), machine(options, seed, false) {
        join_budget(machine);
        carry_out();
    }

    static time_point now() noexcept { return clock; }
    template <class Input>
    void tell_machine(const Input& input) {
        input(machine, now());
        if (concerns_budget(machine) || !machine.at_rest(now())) carry_out();
    }
    void post_rest() noexcept { posted = true; }

    void ask(std::size_t callers = 1) {
        for (; callers != 0; --callers) {
            waiters.push_back(std::make_unique<waiter<int>>());
            waiter<int>& w = *waiters.back();
            tell_machine([&](machine_type& m, time_point at) {
                const get_outcome outcome = m.get_requested(w, at, never);
                if (outcome == get_outcome::granted) served(w);
                if (outcome == get_outcome::refused) ++answered;
            });
            ++asked;
        }
    }
    void put_oldest(retire_reason why = retire_reason::none) {
        slot_type* s = leased.front();
        leased.pop_front();
        tell_machine([&](machine_type& m, time_point at) { m.lease_returned(*s, at, {.retire = why}); });
    }
    void end_opening(bool well) {
        slot_type* s = opening.front();
        opening.pop_front();
        if (well) {
            permit_used();
            return tell_machine([&](machine_type& m, time_point at) { m.slot_opened(*s, at); });
        }
        release_permit();
        tell_machine(
            [&](machine_type& m, time_point at) { m.opening_failed(*s, at, make_error_code(errc::connect_refused)); });
    }
    void idle_ends() {
        tell_machine([&](machine_type& m, time_point) {
            slot_type* idle = nullptr;
            m.for_each_slot([&](slot_type& s) {
                if (s.state == slot_state::idle) idle = &s;
            });
            if (idle != nullptr) m.idle_failed(*idle, retire_reason::peer_closed);
        });
    }
    void close() {
        leave_budget();
        tell_machine([](machine_type& m, time_point) { m.stop_requested(errc::pool_closed); });
    }
    void time_passed() {
        if (due_with_budget(machine) > now()) return;
        tell_machine([](machine_type& m, time_point at) { m.time_passed(at); });
    }
    void carry_out() {
        if (std::exchange(performing, true)) return;
        while (perform_next()) REQUIRE(++steps < 1'000'000);
        performing = false;
    }

    std::size_t permits() const { return holding; }
    std::size_t waiting() const { return machine.counts().waiting; }

    static inline time_point clock = time_point{} + 1h;
    machine_type machine;
    std::deque<slot_type*> opening, leased;
    std::vector<std::unique_ptr<waiter<int>>> waiters;
    std::size_t asked = 0, answered = 0, holding = 0;
    std::size_t steps = 0;
    std::uint64_t closed_for_budget = 0;
    time_point served_at = clock;
    bool posted = false;

private:
    void served(waiter<int>& w) {
        ++answered;
        served_at = now();
        if (w.granted != nullptr) leased.push_back(w.granted);
    }
    bool perform_next() {
        machine_type::action a;
        heed_grants(machine);
        if (!machine.next_action(a, now())) {
            const detail::budget_errand errand = take_errand(machine, now());
            if (errand == detail::budget_errand::none) return false;
            run_errand(errand);
            return true;
        }
        if (a.answered != nullptr) {
            served(*a.answered);
        } else if (a.task == slot_task::open) {
            opening_asks();
            if (has_permit(*a.slot)) {
                ++holding;
                opening.push_back(a.slot);
            }
        } else if (a.task == slot_task::close) {
            closed_for_budget += a.slot->retire == retire_reason::budget;
            --holding;
            budget_share::release_permit(a.slot->retire == retire_reason::budget);
            machine.slot_closed(*a.slot);
        }
        return true;
    }
    void release_permit() {
        --holding;
        budget_share::release_permit();
    }

    bool performing = false;
};

/// What chance decides of one run.
struct budget_run {
    explicit budget_run(std::uint64_t seed)
        : dice(seed), budget(std::make_shared<connection_budget>(1 + pick(6), turn)) {
        const std::size_t n = 2 + pick(4);
        for (std::size_t i = 0; i < n; ++i) {
            const pool_options options{.max_connections = 1 + pick(8),
                                       .min_idle = pick(4) == 0 ? std::size_t{1} : std::size_t{0},
                                       .idle_timeout = pick(2) == 0 ? duration(30ms) : duration(10s),
                                       .max_openings = 1 + pick(4),
                                       .breaker_failures = pick(2) == 0 ? 0U : 3U,
                                       .backoff_first = 1ms,
                                       .backoff_limit = 4ms};
            pools.push_back(std::make_unique<budget_pool>(budget, options, dice.next()));
        }
    }
    std::size_t pick(std::size_t n) { return static_cast<std::size_t>(dice.next() % n); }

    void look() const {
        std::size_t all = 0;
        for (const auto& p : pools) {
            all += p->permits();
            REQUIRE(p->machine.check());
            REQUIRE(p->permits() == p->machine.counts().total());
        }
        REQUIRE(all <= budget->used());
        REQUIRE(budget->used() <= budget->max_connections());
    }
    /// What was posted is carried out, in some order; what is slow to run stays for later.
    void run_posted(bool all) {
        for (bool any = true; any;) {
            any = false;
            const std::size_t first = pick(pools.size());
            for (std::size_t i = 0; i < pools.size(); ++i) {
                budget_pool& p = *pools[(first + i) % pools.size()];
                if (!p.posted || (!all && pick(3) == 0)) continue;
                p.posted = false;
                p.carry_out();
                look();
                any = all;
            }
        }
    }
    void pass(duration span) {
        budget_pool::clock += span;
        for (const auto& p : pools) p->time_passed();
    }

    base::random_source dice;
    std::shared_ptr<connection_budget> budget;
    std::vector<std::unique_ptr<budget_pool>> pools;
};

}  // namespace

TEST_CASE("whatever_pools_under_a_budget_do_it_holds_and_everybody_is_served", "[budget][random]") {
    for (std::uint64_t seed = 1; seed <= 120; ++seed) {
        CAPTURE(seed);
        budget_run run(seed);
        for (int step = 0; step < 600; ++step) {
            budget_pool& p = *run.pools[run.pick(run.pools.size())];
            switch (run.pick(7)) {
                case 0: p.ask(1 + run.pick(3)); break;
                case 1: p.machine.warm_requested(run.pick(4)), p.carry_out(); break;
                case 2:
                    if (!p.opening.empty()) p.end_opening(run.pick(4) != 0);
                    break;
                case 3:
                case 4:
                    if (!p.leased.empty())
                        p.put_oldest(run.pick(4) == 0 ? retire_reason::peer_closed : retire_reason::none);
                    break;
                case 5: p.idle_ends(); break;
                case 6:
                    if (run.pick(200) == 0) p.close();
                    break;
            }
            run.look();
            run.run_posted(false);
            if (run.pick(4) == 0) run.pass(duration(run.pick(20) * 1ms));
        }
        // From now on everything goes well, and everybody gives back what he gets.
        const auto is_served = [](const auto& p) { return p->answered == p->asked; };
        int left = 20'000;
        while (!std::all_of(run.pools.begin(), run.pools.end(), is_served) && --left > 0) {
            for (const auto& p : run.pools) {
                if (!p->opening.empty()) p->end_opening(true);
                if (!p->leased.empty()) p->put_oldest();
            }
            run.run_posted(true);
            run.pass(1ms);
            run.look();
        }
        CHECK(left > 0);
        for (const auto& p : run.pools) p->close();
        for (const auto& p : run.pools) {
            while (!p->opening.empty()) p->end_opening(true);
            while (!p->leased.empty()) p->put_oldest();
        }
        run.run_posted(true);
        CHECK(run.budget->used() == 0);
        for (const auto& p : run.pools) CHECK(p->permits() == 0);
    }
}

TEST_CASE("busy_pools_all_have_their_share_and_hardly_exchange_connections", "[budget][random]") {
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        CAPTURE(seed);
        budget_run run(seed);
        const std::size_t n = run.pools.size();
        const std::size_t room = run.budget->max_connections();
        std::vector<std::size_t> workers;  // each asks again as soon as it has given back
        for (std::size_t i = 0; i < n; ++i) workers.push_back(i == 0 ? 50 : 1 + run.pick(12));
        for (std::size_t i = 0; i < n; ++i) {
            run.pools[i]->machine.options_changed({.max_connections = 64, .breaker_failures = 0}, budget_pool::clock);
            run.pools[i]->ask(workers[i]);
        }
        duration longest{};
        constexpr int time = 4000;
        for (int ms = 0; ms < time; ++ms) {
            for (const auto& p : run.pools) {
                while (!p->opening.empty()) p->end_opening(true);
                for (std::size_t busy = p->leased.size(); busy != 0; --busy) {
                    p->put_oldest();
                    p->ask();
                }
                longest = std::max<duration>(longest, budget_pool::clock - p->served_at);
            }
            run.run_posted(run.pick(2) == 0);
            run.look();
            run.pass(1ms);
        }
        std::uint64_t exchanges = 0, leases = 0;
        for (const auto& p : run.pools) {
            exchanges += p->closed_for_budget;
            leases += p->machine.counters().leases;
        }
        CAPTURE(n, room, exchanges, leases);
        // Everybody's turn comes round.
        CHECK(longest <= static_cast<int>(n) * (turn + turn / 2));
        // No more than what all have, there and back, in each turn.
        CHECK(exchanges <= 2 * (room + n) * (time * 1ms / turn + 1));
        CHECK(exchanges * 4 <= leases);
    }
}

TEST_CASE("pools_that_are_always_busy_keep_what_they_have_once_that_is_even", "[budget][random]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        budget_run run(seed);
        const std::size_t n = run.pools.size();
        const std::size_t room = run.budget->max_connections();
        if (room < n) continue;
        std::uint64_t exchanges = 0;
        const auto run_for = [&](int time) {
            for (int ms = 0; ms < time; ++ms) {
                for (const auto& p : run.pools) {
                    while (!p->opening.empty()) p->end_opening(true);
                    for (std::size_t busy = p->leased.size(); busy != 0; --busy) {
                        p->put_oldest();
                        p->ask();
                    }
                }
                run.run_posted(true);
                run.look();
                run.pass(1ms);
            }
            std::uint64_t all = 0;
            for (const auto& p : run.pools) all += p->closed_for_budget;
            return all - std::exchange(exchanges, all);
        };
        for (const auto& p : run.pools) {
            p->machine.options_changed({.max_connections = 64, .breaker_failures = 0}, budget_pool::clock);
            p->ask(room + 1 + run.pick(50));
            run_for(20);  // one after the other: the first has everything
        }
        run_for(1000);
        CHECK(run_for(2000) == 0);
        for (const auto& p : run.pools) {
            CHECK(p->permits() >= room / n);
            CHECK(p->permits() <= room / n + 1);
        }
    }
}
