// The pool's machines on a manual clock, among servers that come and go, for as long as one likes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/connection_manager.hpp"
#include "support/names.hpp"

namespace hotpool::test {

using namespace std::chrono_literals;

/// What a server does with those who come to its address.
enum class server_mood { accepts, is_slow, refuses, is_silent, resets };

/// Callers, servers, a name service and a driver, in one order of events that the seed decides. `run` says what went
/// wrong, with the last events before it; nothing if all is well.
class network_simulation {
public:
    struct tally {
        std::uint64_t gets = 0, granted = 0, failed = 0, opened = 0, ejections = 0, readmissions = 0, trips = 0,
                      recoveries = 0, overtaken = 0, leaks = 0, left = 0, answers = 0;
    };

    network_simulation(std::uint64_t seed, const pool_options& options)
        : random_(seed), options_(options), machine_(options, seed, true) {
        for (unsigned char i = 1; i <= 5; ++i)
            servers_.push_back({{ip_address(ip_address::v4_bytes_type{10, 0, 0, i}), 80}, server_mood::accepts});
        servers_.push_back({{*ip_address::parse("2001:db8::1"), 80}, server_mood::accepts});
        machine_.use_endpoints();
        machine_.listen(true);
    }

    std::string run(duration span) {
        const time_point end = now_ + span;
        change_moods();
        bring_caller();
        upset();
        while (complaint_.empty() && now_ < end) step();
        if (complaint_.empty()) wind_up();
        if (complaint_.empty()) return {};
        std::string told;
        for (const std::string& line : trace_) told += line + '\n';
        return told + complaint_;
    }
    const tally& totals() const noexcept { return totals_; }
    /// Two runs from one seed have the same.
    std::uint64_t fingerprint() const noexcept { return fingerprint_; }

private:
    using manager = connection_manager<int>;
    using slot_type = manager::slot_type;
    struct caller : manager::waiter_type {
        int id = 0;
        time_point deadline = never;
        bool answered = false;
    };
    struct server {
        ip_endpoint where;
        server_mood mood;
    };

    // --- chance

    bool chance(double share) noexcept { return random_.uniform() < share; }
    duration about(duration span) noexcept {
        return duration(static_cast<duration::rep>(static_cast<double>(span.count()) * (0.5 + random_.uniform())));
    }

    // --- the order of events

    void after(duration span, std::function<void()> event) { events_.emplace(now_ + span, std::move(event)); }
    /// Something that happens to what is in a slot now, or not at all.
    void after(duration span, slot_type& s, std::function<void(slot_type&)> event) {
        after(span, [&s, what = s.resource, event = std::move(event)] {
            if (s.resource == what && s.state != slot_state::vacant) event(s);
        });
    }
    void step() {
        const time_point due = machine_.next_due();
        if (events_.empty() || due <= events_.begin()->first) {
            if (due < now_ && ++stuck_ > 1000) return complain("the timer fires for nothing, again and again");
            now_ = std::max(now_, due);
            machine_.time_passed(now_);
        } else {
            stuck_ = 0;
            now_ = events_.begin()->first;
            const auto event = std::move(events_.begin()->second);
            events_.erase(events_.begin());
            event();
        }
        settle();
    }

    // --- the driver

    void settle() {
        manager::action next;
        for (int i = 0; machine_.next_action(next, now_); ++i) {
            if (i > 100'000) return complain("the machine never stops asking");
            if (next.answered != nullptr)
                answer(static_cast<caller&>(*next.answered));
            else if (next.ask)
                ask(next.ask.number);
            else
                perform(*next.slot, next.task);
        }
        for (const pool_event& e : machine_.take_events()) note_event(e);
        judge();
    }
    void perform(slot_type& s, slot_task task) {
        note(name_of(task), s.resource);
        switch (task) {
            case slot_task::open: return open(s);
            case slot_task::abort_opening:
                s.resource = ++serial_;
                return after(1ms, s, [this](slot_type& x) { fail(x, errc::cancelled); });
            case slot_task::close: return after(about(1ms), s, [this](slot_type& x) { machine_.slot_closed(x); });
            case slot_task::rest: return after(0ms, s, [this](slot_type& x) { machine_.tend_finished(x, now_); });
            case slot_task::probe:
                return after(about(20ms), s, [this](slot_type& x) {
                    machine_.probe_finished(x, now_, mood_of(x) != server_mood::is_silent);
                });
            case slot_task::expire_lease:
                return after(0ms, s, [this](slot_type& x) { give_back(x, retire_reason::lease_deadline); });
            case slot_task::report_leak: ++totals_.leaks; return;
            case slot_task::none: return;
        }
    }
    void open(slot_type& s) {
        s.resource = ++serial_;
        if (s.endpoint == nullptr || s.dialling == nullptr) return complain("an opening that leads nowhere");
        if (!s.endpoint->is_named() && !s.dialling->trial)
            return complain("an attempt at an address that is not named any more");
        const duration left = s.dialling->deadline - now_;
        switch (mood_of(s)) {
            case server_mood::accepts: return succeed_after(s, about(20ms), left);
            case server_mood::is_slow: return succeed_after(s, about(800ms), left);
            case server_mood::resets:
            case server_mood::refuses:
                return after(about(1ms), s, [this](slot_type& x) { fail(x, errc::connect_refused); });
            case server_mood::is_silent:
                return after(left, s, [this](slot_type& x) { fail(x, errc::connect_timed_out); });
        }
    }
    void succeed_after(slot_type& s, duration span, duration left) {
        if (span >= left) return after(left, s, [this](slot_type& x) { fail(x, errc::connect_timed_out); });
        after(span / 2, s, [this](slot_type& x) { machine_.opening_connected(x, now_); });
        after(span, s, [this](slot_type& x) {
            if (x.state != slot_state::opening) return;
            ++totals_.opened;
            machine_.slot_opened(x, now_);
        });
    }
    void fail(slot_type& s, errc why) {
        if (s.state == slot_state::opening)
            machine_.opening_failed(s, now_, chance(0.02) ? errc::descriptors_exhausted : why);
    }

    // --- the name service

    void ask(std::uint64_t question) {
        after(about(30ms), [this, question] {
            if (chance(0.1)) return machine_.endpoints_failed(question, errc::resolve_failed, chance(0.5), now_);
            endpoint_list list;
            for (const server& s : servers_)
                if (chance(0.85)) list.push_back(s.where);
            ++totals_.answers;
            if (list.empty()) return machine_.endpoints_failed(question, errc::resolve_empty, true, now_);
            auto merged = hotpool::detail::address_list::merge(list, machine_.known_addresses());
            machine_.endpoints_came(question, merged, now_);
        });
    }

    // --- callers

    void bring_caller() {
        // Rush hours and quiet ones.
        const bool quiet = (now_.time_since_epoch() / 1h) % 3 == 2;
        after(quiet ? about(20s) : about(400ms), [this] { bring_caller(); });
        if (closing_) return;
        const int crowd = chance(0.05) ? 30 : 1;
        for (int i = 0; i < crowd; ++i) get();
    }
    void get() {
        caller& c = callers_.emplace_back();
        c.id = ++serial_;
        c.deadline = now_ + about(2s);
        c.lease_deadline = chance(0.5) ? never : now_ + about(3s);
        c.fresh_only = chance(0.05);
        ++totals_.gets;
        switch (machine_.get_requested(c, now_, c.deadline)) {
            case get_outcome::queued: return;
            case get_outcome::granted:
            case get_outcome::refused: return answer(c);
        }
    }
    void answer(caller& c) {
        if (std::exchange(c.answered, true)) return complain("a caller was answered twice");
        if ((c.granted != nullptr) == static_cast<bool>(c.error)) return complain("neither a connection nor an error");
        if (now_ > c.deadline + 2ms) return complain("a caller waited beyond his deadline");
        if (c.error == errc::connect_unreachable) return complain("every address was passed over");
        note(c.granted != nullptr ? "granted" : c.error.message(), c.id);
        if (c.granted == nullptr) {
            ++totals_.failed;
            return;
        }
        ++totals_.granted;
        use(*c.granted);
    }
    void use(slot_type& s) {
        const duration span = chance(0.01) ? about(20s) : about(50ms);
        after(span, s, [this, uses = s.uses](slot_type& x) {
            if (x.state == slot_state::leased && x.uses == uses) end_of_use(x);
        });
    }
    void end_of_use(slot_type& s) {
        switch (mood_of(s)) {
            case server_mood::accepts:
            case server_mood::is_slow:
                return give_back(s, chance(0.02) ? retire_reason::connection_close : retire_reason::none);
            case server_mood::refuses: return give_back(s, retire_reason::none);
            case server_mood::is_silent: return give_back(s, retire_reason::lease_deadline);
            case server_mood::resets: return give_back(s, retire_reason::transport_error);
        }
    }
    void give_back(slot_type& s, retire_reason why) {
        if (s.state == slot_state::leased) machine_.lease_returned(s, now_, {.retire = why});
        if (asks_peer(s.probing)) machine_.probe_finished(s, now_, why == retire_reason::none);
    }

    // --- the world

    server_mood mood_of(const slot_type& s) const {
        for (const server& one : servers_)
            if (one.where == s.endpoint->where) return one.mood;
        return server_mood::refuses;
    }
    void change_moods() {
        after(about(3min), [this] { change_moods(); });
        const bool outage = chance(0.07);
        for (server& s : servers_) {
            const double roll = random_.uniform();
            s.mood = outage        ? server_mood::refuses
                     : roll < 0.65 ? server_mood::accepts
                     : roll < 0.75 ? server_mood::is_slow
                     : roll < 0.85 ? server_mood::refuses
                     : roll < 0.95 ? server_mood::is_silent
                                   : server_mood::resets;
        }
        usable_since_ = usable() ? std::min(usable_since_, now_) : never;
        // Who restarts closes what was open.
        machine_.for_each_slot([&](slot_type& s) {
            if (s.state == slot_state::idle && mood_of(s) == server_mood::refuses)
                machine_.idle_failed(s, retire_reason::peer_closed);
        });
    }
    bool usable() const {
        return std::all_of(servers_.begin(), servers_.end(), [](auto& s) { return s.mood == server_mood::accepts; });
    }
    void upset() {
        after(about(7min), [this] { upset(); });
        const double roll = random_.uniform();
        note("upset", static_cast<int>(roll * 100));
        if (roll < 0.2) return machine_.network_changed(now_);
        if (roll < 0.4) return machine_.warm_requested(8);
        if (roll < 0.6) {
            machine_.suspended();
            return after(about(1s), [this] { machine_.resumed(now_); });
        }
        if (roll < 0.8) return machine_.refresh_requested();
        machine_.end_early([](const slot_type&) { return true; }, retire_reason::rotated, now_,
                           options_.retire_spacing);
    }

    // --- what must hold

    void judge() {
        if (!machine_.check()) return complain("the machine's accounts are wrong");
        if (machine_.counts().total() > options_.max_connections) return complain("more connections than allowed");
        if (machine_.failing() && usable_since_ != never && now_ - usable_since_ > 1min && !machine_.is_suspended())
            complain("every server is well, and callers are still refused");
    }
    void note_event(const pool_event& e) {
        note(to_string(e.kind), static_cast<int>(e.endpoint.port));
        totals_.ejections += e.kind == pool_event_kind::address_ejected;
        totals_.readmissions += e.kind == pool_event_kind::address_readmitted;
        totals_.trips += e.kind == pool_event_kind::pool_failing;
        totals_.recoveries += e.kind == pool_event_kind::pool_recovered;
        totals_.overtaken = machine_.counters().overtaken;
        totals_.left += e.kind == pool_event_kind::connection_ended && e.reason == retire_reason::endpoint_gone;
    }
    void wind_up() {
        closing_ = true;
        machine_.stop_requested(errc::pool_closed);
        settle();
        const time_point limit = now_ + 10min;
        while (complaint_.empty() && !machine_.empty() && now_ < limit) step();
        if (!machine_.empty()) complain("something is left at the end");
        for (const caller& c : callers_)
            if (!c.answered) return complain("a caller was never answered");
    }

    void note(std::string_view what, int number) {
        for (const char c : what) fingerprint_ = (fingerprint_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
        fingerprint_ = (fingerprint_ ^ static_cast<std::uint64_t>(number)) * 1099511628211u;
        trace_.push_back(std::to_string((now_.time_since_epoch() / 1ms)) + "ms " + std::string(what) + ' ' +
                         std::to_string(number));
        if (trace_.size() > 200) trace_.pop_front();
    }
    void complain(const char* what) {
        if (complaint_.empty()) complaint_ = what;
    }

    base::random_source random_;
    pool_options options_;
    manager machine_;
    time_point now_{1h};
    std::multimap<time_point, std::function<void()>> events_;
    std::vector<server> servers_;
    std::deque<caller> callers_;
    std::deque<std::string> trace_;
    std::string complaint_;
    tally totals_;
    time_point usable_since_ = never;
    std::uint64_t fingerprint_ = 14695981039346656037u;
    int serial_ = 0;
    int stuck_ = 0;
    bool closing_ = false;
};

}  // namespace hotpool::test
