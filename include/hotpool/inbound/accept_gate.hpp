// The machine between listening sockets and those who wait for connections. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/accept_backoff.hpp"
#include "hotpool/inbound/accepted_peer.hpp"
#include "hotpool/inbound/acceptor_options.hpp"

namespace hotpool::inbound {

/// What a gate asks of its driver for all listening sockets.
enum class gate_task : std::uint8_t {
    none,
    resume,     ///< ask `resumption_of` each how it goes on
    take_rest,  ///< accept who waits at each, as many as `may_accept` says, and close it behind them
    stop,       ///< close them for good
};

/// How accepting goes on at one listening socket.
enum class accept_resumption : std::uint8_t {
    later,   ///< it is put off
    watch,   ///< wait until somebody comes
    reopen,  ///< open another one in its place, and tell `reopened`
};

/// Connections that are open wait here for callers, and callers for connections. It says how many may be accepted, when
/// accepting pauses and goes on, and what callers are told when no connection is left for them.
///
/// ```
///   accepting --> draining --> closed      in the second only who was there when it began
///   a listening socket: listening --> paused --> listening;  listening --> lost --> reopening --> listening or lost
/// ```
/// @tparam Waiter who waits for a connection, with a `list_hook`
/// @tparam Drainer who waits for all of them to be gone, with a `list_hook`
/// @threads distinct objects only
/// @cost constant but for what concerns all listening sockets; nothing is allocated
template <class Waiter, class Drainer>
class accept_gate {
public:
    /// A caller, and what he is told: a connection, or why there is none.
    struct answer {
        Waiter* waiter = nullptr;
        accepted_peer* connection = nullptr;
        std::error_code error{};
    };
    struct drained {
        Drainer* drainer = nullptr;
        std::error_code error{};
        bool is_first = false;
    };

    accept_gate(std::size_t listeners, const acceptor_options& options)
        : listeners_(listeners, place{accept_backoff(options.accept_errors)}) {
        limit(options);
    }

    /// New limits from now on.
    void options_changed(const acceptor_options& options) noexcept {
        limit(options);
        for (place& l : listeners_) l.backoff = accept_backoff(options.accept_errors);
        go_on();
    }

    // --- callers and connections

    void waiter_came(Waiter& w) noexcept { waiters_.push_back(w); }
    void waiter_left(Waiter& w) noexcept { waiters_.remove(w); }
    void drainer_came(Drainer& d) noexcept { drainers_.push_back(d); }
    void drainer_left(Drainer& d) noexcept { drainers_.remove(d); }

    void connection_opened(accepted_peer& c) noexcept {
        c.is_ready = true;
        ready_.push_back(c);
    }
    /// It ends; nothing happens if it is not ready.
    void connection_gone(accepted_peer& c) noexcept {
        if (!std::exchange(c.is_ready, false)) return;
        ready_.remove(c);
        room_made();
    }
    /// Connections that are open, and that nobody has accepted.
    std::size_t ready() const noexcept { return ready_.size(); }

    /// @param more_may_come whether somebody was admitted who is not ready yet
    bool has_answer(bool more_may_come) const noexcept {
        return !waiters_.empty() && (!ready_.empty() || nothing_more(more_may_come));
    }
    /// The oldest caller, who is the driver's then. Only if `has_answer`.
    answer next_answer(bool more_may_come) noexcept {
        answer next{waiters_.pop_front(), ready_.pop_front(), {}};
        if (next.connection != nullptr) {
            next.connection->is_ready = false;
            room_made();
        } else {
            next.error = nothing_more(more_may_come);
            if (waiters_.empty()) unlistened_ = false;
        }
        return next;
    }

    // --- listening sockets, by number

    /// How many may be accepted in this turn of the loop. Where none may, accepting is resumed later.
    std::size_t may_accept(std::size_t listener) noexcept {
        if (is_draining()) return std::min(per_turn_, listeners_[listener].rest);
        if (!is_accepting() || listeners_[listener].state != listening) return 0;
        if (ready_.size() < max_ready_) return per_turn_;
        held_back_ = true;
        return 0;
    }
    /// @return whether accepting had been put off since the last one
    bool accepted(std::size_t listener) noexcept {
        place& l = listeners_[listener];
        const bool resumed = l.backoff.is_pausing();
        l.backoff.accepted();
        if (l.rest != 0 && --l.rest == 0) rest_taken();
        return resumed;
    }
    accept_answer accept_failed(std::size_t listener, const std::error_code& error, time_point now) noexcept {
        place& l = listeners_[listener];
        const accept_answer said = l.backoff.accept_failed(error);
        if (is_draining() && l.rest != 0) {
            l.rest = said.verdict == accept_verdict::go_on ? l.rest - 1 : 0;
            rest_taken();
            return said;
        }
        if (said.verdict != accept_verdict::pause && said.verdict != accept_verdict::dead) return said;
        l.resume_at = base::after(now, said.pause);
        l.state = said.verdict == accept_verdict::dead ? lost : paused;
        unlistened_ = unlistened_ || std::all_of(listeners_.begin(), listeners_.end(), [](const place& each) {
                          return each.state == lost || each.state == reopening;
                      });
        return said;
    }
    accept_resumption resumption_of(std::size_t listener) const noexcept {
        switch (listeners_[listener].state) {
            case listening: return accept_resumption::watch;
            case reopening: return accept_resumption::reopen;
            case paused:
            case lost: break;
        }
        return accept_resumption::later;
    }
    void reopened(std::size_t listener, const std::error_code& error, time_point now) noexcept {
        // The driver may have found the old one closed when all were to be closed for good.
        if (!is_accepting() && !takes_rest()) task_ = gate_task::stop;
        place& l = listeners_[listener];
        if (!error) {
            l.state = listening;
            unlistened_ = false;
            return;
        }
        l.state = lost;
        l.resume_at = base::after(now, std::max<duration>(l.backoff.accept_failed(error).pause, shortest_pause));
    }

    // --- the end

    bool is_accepting() const noexcept { return condition_ == condition::accepting; }
    bool is_draining() const noexcept { return condition_ == condition::draining; }
    bool is_closed() const noexcept { return condition_ == condition::closed; }
    /// Whom the system has accepted by now is still accepted: closing the listening sockets would reset him.
    /// @param until the drain's end; of several the earliest counts. For a second at the longest
    void drain_begun(time_point until, time_point now) noexcept {
        if (is_closed()) return;
        rest_until_ = std::min({rest_until_, until, base::after(now, longest_rest)});
        if (!is_draining())
            for (place& l : listeners_)
                if (l.state == listening || l.state == paused) l.rest = backlog_ + 1;  // of which systems hold one more
        condition_ = condition::draining;
        task_ = gate_task::take_rest;
        if (rest_until_ <= now || !takes_rest()) give_rest_up();
    }
    /// Whether who waits at the listening sockets is still accepted, though the gate drains.
    bool takes_rest() const noexcept {
        return std::any_of(listeners_.begin(), listeners_.end(), [](const place& l) { return l.rest != 0; });
    }
    void closed() noexcept {
        condition_ = condition::closed;
        give_rest_up();
    }
    /// A drain had no more time for a connection.
    void drain_cut() noexcept { overdue_ = true; }

    /// @param all_gone whether no connection is left, and nobody was admitted who becomes one
    bool has_drained(bool all_gone) const noexcept { return all_gone && !drainers_.empty() && !takes_rest(); }
    /// Who waited for that longest, and is the driver's then. Only if `has_drained`.
    drained next_drained() noexcept {
        return {drainers_.pop_front(), overdue_ ? make_error_code(errc::drain_timed_out) : std::error_code(),
                !std::exchange(told_drained_, true)};
    }

    // --- time and tasks

    time_point next_due() const noexcept {
        time_point due = takes_rest() ? rest_until_ : never;
        for (const place& l : listeners_)
            if (is_accepting() && (l.state == paused || l.state == lost)) due = std::min(due, l.resume_at);
        return due;
    }
    void time_passed(time_point now) noexcept {
        if (rest_until_ <= now && takes_rest()) give_rest_up();
        for (place& l : listeners_) {
            if ((l.state != paused && l.state != lost) || l.resume_at > now) continue;
            l.state = l.state == lost ? reopening : listening;
            go_on();
        }
    }
    bool has_task() const noexcept { return task_ != gate_task::none; }
    gate_task next_task() noexcept { return std::exchange(task_, gate_task::none); }

private:
    enum class condition : std::uint8_t { accepting, draining, closed };
    enum listener_state : std::uint8_t {
        listening,
        paused,     ///< until `resume_at`
        lost,       ///< and is to be opened again at `resume_at`
        reopening,  ///< the driver is about to
    };
    struct place {
        accept_backoff backoff;
        listener_state state = listening;
        time_point resume_at{};
        std::size_t rest = 0;  ///< so many may still be accepted while the gate drains
    };
    static constexpr duration shortest_pause = std::chrono::milliseconds(1);
    static constexpr duration longest_rest = std::chrono::seconds(1);  // some turns of the loop, whatever else it does

    void limit(const acceptor_options& options) noexcept {
        max_ready_ = options.max_ready;
        per_turn_ = options.accepts_per_turn;
        backlog_ = static_cast<std::size_t>(options.backlog);
    }
    void go_on() noexcept {
        if (is_accepting()) task_ = gate_task::resume;
    }
    void room_made() noexcept {
        if (std::exchange(held_back_, false)) go_on();
    }
    void rest_taken() noexcept {
        if (!takes_rest()) task_ = gate_task::stop;
    }
    void give_rest_up() noexcept {
        for (place& l : listeners_) l.rest = 0;
        task_ = gate_task::stop;
    }
    /// What callers are told when no connection is left for them, if none will come.
    std::error_code nothing_more(bool more_may_come) const noexcept {
        if (is_closed()) return errc::acceptor_closed;
        if (is_draining() && !more_may_come && !takes_rest()) return errc::acceptor_draining;
        return unlistened_ ? make_error_code(errc::listener_lost) : std::error_code();
    }

    std::size_t max_ready_ = 0;
    std::size_t per_turn_ = 0;
    std::size_t backlog_ = 0;
    time_point rest_until_ = never;
    std::vector<place> listeners_;
    base::linked_list<Waiter> waiters_;
    base::linked_list<Drainer> drainers_;
    base::linked_list<accepted_peer, line_tag> ready_;
    condition condition_ = condition::accepting;
    gate_task task_ = gate_task::none;
    bool held_back_ = false;   // accepting waits for somebody to take a connection
    bool unlistened_ = false;  // no listening socket is left, and not all callers have been told
    bool overdue_ = false;     // a drain has cut connections
    bool told_drained_ = false;
};

}  // namespace hotpool::inbound
