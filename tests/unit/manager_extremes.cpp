// Every option at its least, its most and one beyond, alone and in pairs, through a life of connections: nothing overflows
// (the sanitizers see it), and nothing comes to a stop.
#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "hotpool/connection_manager.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

enum class extreme { least, most };

/// An option: where it is, what it is at its ends, and what lies one beyond, which is refused.
struct row {
    const char* name;
    const void* (*place)(const pool_options&);
    void (*set)(pool_options&, extreme);
    void (*set_beyond)(pool_options&);  // null where every value is allowed
};

template <auto Member>
const void* place(const pool_options& o) {
    return &(o.*Member);
}
/// From `Least` nanoseconds to the longest duration.
template <auto Member, int Least>
row span(const char* name) {
    return {name, place<Member>,
            [](pool_options& o, extreme e) { o.*Member = e == extreme::least ? duration(Least) : duration::max(); },
            [](pool_options& o) { o.*Member = duration(Least - 1); }};
}
/// From `Least` to the greatest number.
template <auto Member, int Least>
row number(const char* name) {
    using value = std::remove_cvref_t<decltype(pool_options{}.*Member)>;
    return {name, place<Member>,
            [](pool_options& o, extreme e) {
                o.*Member = e == extreme::least ? value(Least) : std::numeric_limits<value>::max();
            },
            Least == 0 ? nullptr : +[](pool_options& o) { o.*Member = value(Least - 1); }};
}
template <auto Member>
row flag(const char* name) {
    return {name, place<Member>, [](pool_options& o, extreme e) { o.*Member = e == extreme::most; }, nullptr};
}

#define HOTPOOL_SPAN(field, least) span<&pool_options::field, least>(#field)
#define HOTPOOL_NUMBER(field, least) number<&pool_options::field, least>(#field)
#define HOTPOOL_FLAG(field) flag<&pool_options::field>(#field)
const row table[] = {
    HOTPOOL_NUMBER(max_connections, 1),
    HOTPOOL_NUMBER(max_idle, 0),
    HOTPOOL_NUMBER(min_idle, 0),
    HOTPOOL_NUMBER(max_waiters, 0),
    HOTPOOL_SPAN(get_timeout, 0),
    HOTPOOL_SPAN(connect_timeout, 1),
    HOTPOOL_SPAN(handshake_timeout, 0),
    HOTPOOL_SPAN(idle_timeout, 0),
    HOTPOOL_SPAN(max_lifetime, 0),
    {"lifetime_jitter", place<&pool_options::lifetime_jitter>,
     [](pool_options& o, extreme e) { o.lifetime_jitter = e == extreme::least ? 0.0 : 1.0; },
     [](pool_options& o) { o.lifetime_jitter = 1.0000001; }},
    HOTPOOL_NUMBER(max_requests, 0),
    HOTPOOL_SPAN(health_check_interval, 0),
    HOTPOOL_SPAN(health_check_timeout, 1),
    HOTPOOL_SPAN(check_after_idle, 0),
    HOTPOOL_SPAN(rest_after_idle, 0),
    HOTPOOL_NUMBER(drain_limit_bytes, 0),
    HOTPOOL_SPAN(drain_timeout, 1),
    HOTPOOL_NUMBER(max_openings, 1),
    HOTPOOL_FLAG(probe_new),
    HOTPOOL_SPAN(resolve_interval, 0),
    HOTPOOL_SPAN(absent_grace, 0),
    HOTPOOL_SPAN(attempt_delay, 1),
    HOTPOOL_NUMBER(ejection_failures, 0),
    HOTPOOL_SPAN(ejection_time, 1),
    HOTPOOL_SPAN(ejection_limit, 1),
    HOTPOOL_NUMBER(breaker_failures, 0),
    HOTPOOL_SPAN(retire_spacing, 0),
    HOTPOOL_SPAN(leak_after, 0),
    HOTPOOL_FLAG(reclaim_leaked),
    HOTPOOL_SPAN(backoff_first, 1),
    HOTPOOL_SPAN(backoff_limit, 1),
};
#undef HOTPOOL_SPAN
#undef HOTPOOL_NUMBER
#undef HOTPOOL_FLAG

/// What an option at its end asks of its partners.
pool_options fitting(pool_options o) {
    o.max_connections = std::max(o.max_connections, o.min_idle);
    o.max_idle = std::max(o.max_idle, o.min_idle);
    o.connect_timeout = std::max(o.connect_timeout, o.handshake_timeout);
    o.ejection_limit = std::max(o.ejection_limit, o.ejection_time);
    o.backoff_limit = std::max(o.backoff_limit, o.backoff_first);
    if (o.reclaim_leaked && o.leak_after == 0s) o.leak_after = 1ns;
    return o;
}

/// Callers, addresses that work and fail, time that passes; whatever is asked is answered. It ends with a drain.
class life {
public:
    life(const pool_options& o, time_point start, bool routed) : machine_(o, 7, true), now_(start) {
        machine_.listen(true);
        if (routed) machine_.use_endpoints();
    }

    /// False when the accounts are wrong, or something is left at the end.
    bool run() {
        machine_.warm_requested(no_limit);
        machine_.warm_requested(no_limit);
        settle(2);
        for (int i = 0; i < 3; ++i) {
            get(i == 1);
            pass(i == 2 ? 300ms : 1ms);
            if (i == 1) put_all(retire_reason::transport_error);
        }
        put_all(retire_reason::none);
        pass_until_due(4);
        get(false);
        machine_.network_changed(now_);
        pass(1ms);
        machine_.end_early([](const slot<int>&) { return true; }, retire_reason::rotated, now_,
                           machine_.options().retire_spacing);
        pass_until_due(4);
        machine_.options_changed(machine_.options(), now_);
        machine_.suspended();
        get(false);
        machine_.resumed(now_);
        settle(4);
        machine_.stop_requested(errc::pool_draining, now_ + 1s);
        pass(1s);
        for (int i = 0; i < 100 && !machine_.empty(); ++i) {
            settle(100);
            put_all(retire_reason::none);
        }
        return sound_ && machine_.empty();
    }

private:
    using manager = connection_manager<int>;

    void pass(duration span) {
        now_ = base::after(now_, span);
        machine_.time_passed(now_);
        settle(4);
    }
    void pass_until_due(int times) {
        for (int i = 0; i < times; ++i) {
            const time_point due = machine_.next_due();
            if (due == never || due > now_ + 24h) return;
            pass(std::max(base::elapsed(now_, due), duration::zero()));
        }
    }
    void get(bool fresh_only) {
        auto& w = callers_.emplace_back();
        w.fresh_only = fresh_only;
        w.lease_deadline = machine_.wait_deadline({}, now_);
        if (machine_.get_requested(w, now_, machine_.wait_deadline({}, now_)) == get_outcome::granted)
            lent_.push_back(w.granted);
        settle(3);
    }
    void put_all(retire_reason why) {
        const auto lent = std::exchange(lent_, {});
        for (slot<int>* s : lent)
            if (s->state == slot_state::leased) {
                machine_.deadline_changed(*s, base::after(now_, machine_.options().drain_timeout));
                machine_.lease_returned(*s, now_, {.retire = why, .idle_hint = std::chrono::seconds::max()});
            }
        settle(3);
    }
    /// Does what is asked, so much of it: with options like these there may be no end of it.
    void settle(int most) {
        manager::action next;
        while (most-- > 0 && machine_.next_action(next, now_)) {
            if (next.answered != nullptr) {
                if (next.answered->granted != nullptr) lent_.push_back(next.answered->granted);
            } else if (next.ask) {
                machine_.endpoints_came(addresses_, now_);
            } else {
                perform(*next.slot, next.task);
            }
        }
        machine_.take_events();
        sound_ = sound_ && machine_.check();
    }
    void perform(slot<int>& s, slot_task task) {
        switch (task) {
            case slot_task::open:
                machine_.opening_timeout(s, now_);
                if (++openings_ % 3 == 0) return machine_.opening_failed(s, now_, errc::connect_refused);
                return machine_.slot_opened(s, now_);
            case slot_task::abort_opening: return machine_.opening_failed(s, now_, errc::cancelled);
            case slot_task::close: return machine_.slot_closed(s);
            case slot_task::rest: return machine_.tend_finished(s, now_);
            case slot_task::probe: return machine_.probe_finished(s, now_, true);
            case slot_task::expire_lease:
                return s.state == slot_state::leased
                           ? machine_.lease_returned(s, now_, {.retire = retire_reason::lease_deadline})
                           : machine_.probe_finished(s, now_, false);
            case slot_task::report_leak:
            case slot_task::none: return;
        }
    }

    manager machine_;
    time_point now_;
    std::deque<manager::waiter_type> callers_;
    std::vector<slot<int>*> lent_;
    const endpoint_list addresses_{{*ip_address::parse("192.0.2.1"), 80}, {*ip_address::parse("2001:db8::1"), 80}};
    unsigned openings_ = 0;
    bool sound_ = true;
};

/// An hour after the clock began, with addresses.
bool lives_once(const pool_options& o) { return life(o, time_point{1h}, true).run(); }
bool lives(const pool_options& o) {
    for (const time_point start : {time_point{}, time_point{1h}, time_point{duration::max() / 2}})
        for (const bool routed : {false, true})
            if (!life(o, start, routed).run()) return false;
    return true;
}

}  // namespace

TEST_CASE("every_option_has_a_row_in_the_table_of_extremes", "[manager][policy]") {
    const pool_options o;
    // One name more or less than there are fields does not compile.
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, p, q, r, s, t, u, v, w, x, y, z, aa, bb, cc, dd, ee, ff] = o;
    const void* const fields[] = {&a, &b, &c, &d, &e, &f, &g, &h, &i, &j,  &k,  &l,  &m,  &n,  &p, &q,
                                  &r, &s, &t, &u, &v, &w, &x, &y, &z, &aa, &bb, &cc, &dd, &ee, &ff};
    CHECK(std::size(fields) == std::size(table));
    for (const void* field : fields)
        CHECK(std::count_if(std::begin(table), std::end(table),
                            [&](const row& one) { return one.place(o) == field; }) == 1);
}

TEST_CASE("value_beyond_the_ends_of_an_option_is_refused_by_name", "[manager][policy]") {
    for (const row& one : table) {
        if (one.set_beyond == nullptr) continue;
        pool_options o;
        one.set_beyond(o);
        CHECK(refusal_of([&] {
                  connection_manager<int> machine(o);
              }).starts_with(std::string("hotpool::pool_options::") + one.name + ' '));
    }
}

TEST_CASE("every_option_at_its_ends_lives_through_a_life", "[manager][policy]") {
    for (const row& one : table)
        for (const extreme at : {extreme::least, extreme::most}) {
            CAPTURE(one.name, at == extreme::most);
            pool_options o;
            one.set(o, at);
            CHECK(lives(fitting(o)));
        }
}

TEST_CASE("two_options_at_their_ends_live_through_a_life", "[manager][policy]") {
    for (const row& one : table)
        for (const row& other : table)
            for (const extreme at : {extreme::least, extreme::most})
                for (const extreme there : {extreme::least, extreme::most}) {
                    if (&one >= &other) continue;
                    pool_options o;
                    one.set(o, at);
                    other.set(o, there);
                    if (!lives_once(fitting(o))) FAIL(one.name << " and " << other.name);
                }
}

TEST_CASE("all_options_at_one_end_live_through_a_life", "[manager][policy]") {
    for (const extreme at : {extreme::least, extreme::most}) {
        pool_options o;
        for (const row& one : table) one.set(o, at);
        CHECK(lives(fitting(o)));
    }
}

TEST_CASE("longest_interval_between_resolutions_blocks_no_later_opening", "[manager]") {
    for (const duration interval : {duration::max(), duration::max() - 1ns, duration::max() / 2 + 1ns}) {
        connection_manager<int> machine({.resolve_interval = interval});
        connection_manager<int>::action next;
        const time_point now{1h};
        machine.use_endpoints();
        machine.warm_requested(1);
        REQUIRE(machine.next_action(next, now));
        REQUIRE(next.ask);
        machine.endpoints_came({{*ip_address::parse("192.0.2.1"), 80}}, now);
        REQUIRE(machine.next_action(next, now));
        REQUIRE(next.task == slot_task::open);
        machine.slot_opened(*next.slot, now);
        machine.warm_requested(2);
        REQUIRE(machine.next_action(next, now + 1h));
        CHECK(next.task == slot_task::open);
    }
}
