// The supervisor against a reference with plain times: random events, everything compared after each.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "support/catch.hpp"
#include "support/reference_supervisor.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr time_point start{100h};

/// The policies of the library, without chance.
struct default_rules {
    using policies = default_policies;
    static duration idle(const life_options& o) { return o.idle_timeout == 0s ? duration::max() : o.idle_timeout; }
    static duration life(const life_options& o) { return o.max_lifetime == 0s ? duration::max() : o.max_lifetime; }
    static bool spent(const life_options& o, std::uint64_t n) { return o.max_requests != 0 && n >= o.max_requests; }
};

/// A program's own.
struct own_rules {
    struct idle_by_half {
        explicit idle_by_half(const pool_options& o) : half(o.idle_timeout / 2) {}
        duration limit(std::optional<std::chrono::seconds>) const noexcept { return half; }
        duration half;
    };
    struct short_life {
        duration life(double) const noexcept { return 17s; }
    };
    struct odd_requests {
        bool spent(std::uint64_t uses) const noexcept { return uses % 2 == 0; }
    };
    struct policies : default_policies {
        using idle_timeout = idle_by_half;
        using max_lifetime = short_life;
        using max_requests = odd_requests;
    };
    static duration idle(const life_options& o) { return o.idle_timeout / 2; }
    static duration life(const life_options&) { return 17s; }
    static bool spent(const life_options&, std::uint64_t n) { return n % 2 == 0; }
};

struct connection : supervised {
    int id = 0;
};

template <class Rules>
class random_life {
public:
    explicit random_life(std::uint64_t seed)
        : dice_(seed),
          at_once_(1 + dice_.next() % 12),
          options_(some_options()),
          machine_(options_, seed),
          reference_(options_) {}
    ~random_life() {
        for (auto& [id, c] : live_) machine_.ended(*c, close_reason::aborted);
    }

    /// Null as long as both agree.
    const char* step() {
        const std::uint64_t kind = dice_.next() % 64;
        if (kind < 6 && live_.size() < at_once_) {
            accept();
        } else if (kind < 20) {
            pass_time();
            if (machine_.next_deadline() <= now_) return "a deadline that has passed";
        } else if (kind == 20 && dice_.next() % 4 == 0) {
            const time_point deadline = base::after(now_, some_span(20));
            machine_.drain_requested(deadline);
            reference_.drain(deadline);
        } else if (kind == 21 && dice_.next() % 40 == 0) {
            machine_.stop_requested(close_reason::acceptor_closed);
            reference_.stop(close_reason::acceptor_closed);
        } else if (kind == 22 && dice_.next() % 10 == 0) {
            const life_options other = some_options();
            machine_.options_changed(other);
            reference_.options_ = other;
        } else if (!live_.empty()) {
            auto place = live_.begin();
            std::advance(place, static_cast<std::ptrdiff_t>(dice_.next() % live_.size()));
            if (const char* told = change(place->first, *place->second)) return told;
        }
        return compare();
    }

private:
    duration some_span(unsigned limit) {  // in quarters of a second, so that things fall together
        if (dice_.next() % 8 == 0) return 0s;
        return 250ms * static_cast<int>(dice_.next() % (limit * 4 + 1));
    }
    life_options some_options() {
        return {.handshake_timeout = some_span(5),
                .request_timeout = some_span(8),
                .handler_timeout = some_span(4),
                .reply_timeout = some_span(4),
                .idle_timeout = some_span(12),
                .max_lifetime = some_span(40),
                .lifetime_jitter = 0,
                .max_requests = dice_.next() % 6,
                .heartbeat_interval = dice_.next() % 2 == 0 ? 0s : some_span(4),
                .heartbeats = dice_.next() % 2 == 0 ? heartbeat_mode::active : heartbeat_mode::passive,
                .max_missed_heartbeats = 1 + static_cast<std::uint32_t>(dice_.next() % 3),
                .linger_timeout = some_span(2),
                .max_linger_bytes = dice_.next() % 100};
    }
    void accept() {
        const int id = next_id_++;
        if (unused_.empty()) unused_.push_back(&storage_.emplace_back());
        connection& c = *unused_.back();
        unused_.pop_back();
        live_[id] = &c;
        c.id = id;
        machine_.accepted(c, now_);
        reference_.accepted(id, now_);
    }
    void pass_time() {
        // To what comes next, to just before it, or anywhere; and a tick back, as a coarse clock does.
        const time_point next = reference_.next();
        const std::uint64_t kind = dice_.next() % 4;
        if (kind < 2 && next != never && next > now_)
            now_ = next - duration{static_cast<duration::rep>(kind)};
        else if (kind == 2)
            now_ += some_span(3);
        else if (dice_.next() % 4 == 0)
            now_ = latest_ - base::longest_tick;
        latest_ = std::max(latest_, now_);
        machine_.time_passed(now_);
        reference_.time_passed(now_);
    }
    const char* change(int id, connection& c) {
        reference_connection& r = reference_.all[id];
        switch (dice_.next() % 14) {
            case 0:
                if (r.state != life_state::accepted) break;
                machine_.handshake_begun(c);
                r.state = life_state::handshaking;
                break;
            case 1:
            case 2:
                if (r.state == life_state::open) break;
                machine_.opened(c, now_);
                reference_.opened(r, now_);
                break;
            case 3:
                machine_.request_awaited(c, now_);
                if (r.state == life_state::open && r.doing == activity::idle)
                    reference_.turn(r, activity::awaiting, now_);
                break;
            case 4:
            case 5: {
                if (r.in_request() || r.state < life_state::open) break;
                const bool open = r.state == life_state::open;
                reference_.request_begun(r, now_);
                if (machine_.request_begun(c, now_) != (open ? close_reason::none : r.reason)) return "request_begun";
                break;
            }
            case 6:
                machine_.request_received(c, now_);
                if (r.in_request()) reference_.turn(r, activity::working, now_);
                break;
            case 7:
                machine_.reply_progressed(c, now_);
                if (r.in_request()) reference_.turn(r, activity::replying, now_);
                break;
            case 8:
                if (machine_.last_request(c, now_) != reference_.last(r, now_)) return "last_request";
                machine_.request_ended(c, now_);
                reference_.request_ended(r, now_);
                break;
            case 9:
            case 10:
                connection_supervisor<>::bytes_seen(c, now_);
                reference_.heard(r, now_);
                break;
            case 11:
                if (dice_.next() % 3 != 0) break;
                machine_.close_begun(c, close_reason::finished, now_);
                reference_.close(r, close_reason::finished, now_, false);
                break;
            case 12:
                if (r.state == life_state::draining) {
                    const std::uint64_t bytes = dice_.next() % 40;
                    reference_.linger(r, bytes);
                    if ((machine_.linger_read(c, bytes) == linger_verdict::enough) !=
                        (r.lingered > reference_.options_.max_linger_bytes))
                        return "linger_read";
                } else if (dice_.next() % 4 == 0) {
                    machine_.end_requested(c, close_reason::group_blocked, now_);
                    reference_.close(r, close_reason::group_blocked, now_, true);
                } else if (dice_.next() % 4 == 0) {
                    machine_.abort_requested(c, close_reason::resources);
                    reference_.cut(r, close_reason::resources);
                }
                break;
            case 13: {
                if (dice_.next() % 3 != 0) break;
                constexpr close_reason reasons[] = {close_reason::peer_closed, close_reason::finished,
                                                    close_reason::connection_close, close_reason::transport_error};
                const close_reason why = reasons[dice_.next() % std::size(reasons)];
                const close_reason told = reference_.ended(id, why);
                if (machine_.ended(c, why) != told || c.reason() != told) return "ended";
                live_.erase(id);
                unused_.push_back(&c);
                break;
            }
        }
        return nullptr;
    }
    const char* compare() {
        if (!machine_.check()) return "check()";
        if (machine_.counts() != reference_.counts()) return "counts";
        if (machine_.all_gone() != live_.empty()) return "all_gone";
        if (machine_.counters().served != reference_.served) return "served";
        if (machine_.counters().cut_requests != reference_.cut_requests) return "cut_requests";
        if (machine_.next_deadline() > reference_.next()) return "next_deadline too late";
        for (const auto& [id, c] : live_) {
            const reference_connection& r = reference_.all[id];
            if (c->state() != r.state || c->reason() != r.reason || c->told_to_leave() != r.told) return "state";
            if (r.state == life_state::open && c->doing() != r.doing) return "doing";
        }
        if (dice_.next() % 8 == 0) lazy_ = !lazy_;
        if (lazy_) return nullptr;
        while (const life_action action = machine_.next_action()) {
            reference_connection& r = reference_.all[static_cast<connection*>(action.connection)->id];
            if (r.wanted.erase(action.task) != 1) return "an action nobody asked for";
            if (action.reason != r.reason) return "the action's reason";
            // The most urgent one first.
            if (!r.wanted.empty() && *r.wanted.rbegin() > action.task) return "order of actions";
        }
        for (const auto& [id, r] : reference_.all)
            if (!r.wanted.empty()) return "an action is missing";
        return machine_.has_action() ? "has_action" : nullptr;
    }

    base::random_source dice_;
    const std::size_t at_once_;  // few, so that much happens to each
    life_options options_;
    connection_supervisor<typename Rules::policies> machine_;
    reference_supervisor<Rules> reference_;
    std::deque<connection> storage_;
    std::vector<connection*> unused_;
    std::map<int, connection*> live_;
    time_point now_ = start, latest_ = start;
    int next_id_ = 0;
    bool lazy_ = false;  // actions are left for later
};

template <class Rules>
void live_at_random() {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        random_life<Rules> life(seed);
        for (int step = 0; step < 450; ++step)
            if (const char* told = life.step()) FAIL("seed " << seed << ", step " << step << ": " << told);
    }
}

}  // namespace

TEST_CASE("supervisor_agrees_with_plain_times_whatever_happens", "[inbound]") { live_at_random<default_rules>(); }

TEST_CASE("supervisor_asks_the_policies_of_the_program", "[inbound]") { live_at_random<own_rules>(); }
