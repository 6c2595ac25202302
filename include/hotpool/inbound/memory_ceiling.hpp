// How much memory requests and replies may take together, and who is to go when that is too much. No I/O, clock or lock.
#pragma once

#include <cassert>
#include <chrono>
#include <cstddef>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// Somebody who keeps a request or a reply in memory, as he has told last.
class memory_holder : public base::list_hook<memory_holder> {
public:
    std::size_t bytes() const noexcept { return bytes_; }
    bool is_in_use() const noexcept { return in_use_; }

private:
    friend class memory_ceiling;
    std::size_t bytes_ = 0;
    time_point since_{};
    bool in_use_ = false;
    bool leaves_ = false;
};

/// Each holder tells how much it keeps; then `next_to_leave` says who is to end until there is room again: the one that
/// has kept most for longest, its bytes times the time since it began to keep any. What is in use is counted, and nobody's
/// to take.
/// @threads distinct objects only
/// @cost constant, but for `next_to_leave`: a look at each holder, where the ceiling is reached
class memory_ceiling {
public:
    /// @param bytes for all of them; 0: no ceiling
    explicit memory_ceiling(std::size_t bytes) noexcept : ceiling_(bytes) {}
    memory_ceiling(const memory_ceiling&) = delete;
    memory_ceiling& operator=(const memory_ceiling&) = delete;
    ~memory_ceiling() { assert(holders_.empty()); }

    /// @param bytes what `h` keeps from now on; 0: it is no holder any more
    /// @param in_use whether ending it would give nothing back
    void keeps(memory_holder& h, std::size_t bytes, bool in_use, time_point now) noexcept {
        forget(h);
        if (h.bytes_ == 0 && bytes != 0) {
            holders_.push_back(h);
            h.since_ = now;
        } else if (h.bytes_ != 0 && bytes == 0) {
            holders_.remove(h);
            h.leaves_ = false;
        }
        h.bytes_ = bytes;
        h.in_use_ = in_use;
        count(h);
    }
    /// Who is to end, and will tell that it keeps nothing; null: there is room, or nobody could make any.
    memory_holder* next_to_leave(time_point now) noexcept {
        if (ceiling_ == 0 || kept_ - leaving_ <= ceiling_) return nullptr;
        memory_holder* worst = nullptr;
        double most = -1;
        for (memory_holder* h = holders_.front(); h != nullptr; h = holders_.next(*h)) {
            if (h->in_use_ || h->leaves_) continue;
            const std::chrono::duration<double> time = base::elapsed(h->since_, now);
            const double cost = static_cast<double>(h->bytes_) * (0.001 + time.count());
            if (cost <= most) continue;
            worst = h;
            most = cost;
        }
        if (worst == nullptr) return nullptr;
        set_leaving(*worst, true);
        return worst;
    }
    /// It was to end, and has found something to do instead.
    void stays(memory_holder& h) noexcept { set_leaving(h, false); }

    /// What is kept, and what of it is on its way out.
    std::size_t kept() const noexcept { return kept_; }
    std::size_t leaving() const noexcept { return leaving_; }

private:
    void set_leaving(memory_holder& h, bool leaves) noexcept {
        forget(h);
        h.leaves_ = leaves;
        count(h);
    }
    void count(const memory_holder& h) noexcept {
        kept_ += h.bytes_;
        if (h.leaves_) leaving_ += h.bytes_;
    }
    void forget(const memory_holder& h) noexcept {
        kept_ -= h.bytes_;
        if (h.leaves_) leaving_ -= h.bytes_;
    }

    const std::size_t ceiling_;
    std::size_t kept_ = 0;
    std::size_t leaving_ = 0;
    base::linked_list<memory_holder> holders_;
};

}  // namespace hotpool::inbound
