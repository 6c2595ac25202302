// Those who were refused and are still to read why. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// Somebody who was refused; a driver's refused connection derives from it. Everything was said to him, and what he
/// sends is dropped until he has closed too: closing before that would take from him what he has not read yet.
class refused_peer : public base::list_hook<refused_peer> {
private:
    friend class refusal_line;
    time_point leaves_at_{};
    bool lingers_ = false;
};

/// Says for how long they linger, and how many of them. Where one is too many, the oldest goes, who has had most of his
/// time; so a flood of them cannot hold descriptors, and does not take the others' time to read.
/// @threads distinct objects only
/// @cost constant for each; nothing is allocated
class refusal_line {
public:
    /// @param most at a time; 0: nobody lingers
    explicit refusal_line(std::size_t most) noexcept : most_(most) {}
    /// From now on.
    void limit(std::size_t most) noexcept { most_ = most; }

    /// @return whether he lingers; otherwise he is to go at once
    bool refused(refused_peer& r, time_point leaves_at) noexcept {
        if (stopped_ || most_ == 0) return false;
        while (here_.size() >= most_) {
            let_go(*here_.front());
            ++cut_;
        }
        // Who comes later does not leave before.
        r.leaves_at_ = here_.empty() ? leaves_at : std::max(leaves_at, here_.back()->leaves_at_);
        r.lingers_ = true;
        here_.push_back(r);
        return true;
    }
    /// He is gone by himself, or has sent too much.
    /// @return false if he is to be handed out, or was, by `next_to_go`
    bool left(refused_peer& r) noexcept {
        if (!std::exchange(r.lingers_, false)) return false;
        here_.remove(r);
        return true;
    }

    /// Nobody lingers from now on.
    void stop() noexcept {
        stopped_ = true;
        while (refused_peer* const r = here_.front()) let_go(*r);
    }
    void time_passed(time_point now) noexcept {
        for (refused_peer* r; (r = here_.front()) != nullptr && r->leaves_at_ <= now;) let_go(*r);
    }
    time_point next_due() const noexcept { return here_.empty() ? never : here_.front()->leaves_at_; }

    bool has_to_go() const noexcept { return !to_go_.empty(); }
    /// Who is to be closed, and is the driver's then; null if nobody is.
    refused_peer* next_to_go() noexcept { return to_go_.pop_front(); }

    bool empty() const noexcept { return here_.empty() && to_go_.empty(); }
    std::size_t size() const noexcept { return here_.size(); }
    /// Those who had to go before their time, for others.
    std::uint64_t cut() const noexcept { return cut_; }

private:
    void let_go(refused_peer& r) noexcept {
        here_.remove(r);
        r.lingers_ = false;
        to_go_.push_back(r);
    }

    std::size_t most_;
    base::linked_list<refused_peer> here_;   // the oldest first
    base::linked_list<refused_peer> to_go_;  // to be handed out
    std::uint64_t cut_ = 0;
    bool stopped_ = false;
};

}  // namespace hotpool::inbound
