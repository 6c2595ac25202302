// The earliest of many deadlines, without touching the others: a timing wheel.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hotpool/base/time.hpp"

namespace hotpool::base {

/// What an element of a `deadline_wheel` carries: when it is due, and its place in a bucket.
struct wheel_hook {
    time_point key = never;
    wheel_hook* next = nullptr;
    wheel_hook** link = nullptr;  ///< what points to this element; null outside
    bool in_wheel() const noexcept { return link != nullptr; }
};

/// Elements that derive from `wheel_hook`, found when they are due. Time counts in ticks of about 1 ms. An element
/// lies in a bucket that begins no later than its key: the more ticks away, the wider. Level by level the buckets
/// are 16 times as wide, and which level it is says the highest digit in which the key's tick differs from `base_`.
/// When time reaches a bucket, its elements are spread over narrower ones. Keys are exact all the same.
/// @threads distinct objects only
/// @cost constant for each call and each element, however many others there are; an element moves at most `levels`
/// times until it is due. A crowd in one bucket moves at once, at about 25 ns for each. Nothing is allocated: 1 KB of
/// buckets in the wheel.
template <class T>
class deadline_wheel {
public:
    deadline_wheel() = default;
    deadline_wheel(const deadline_wheel&) = delete;
    deadline_wheel& operator=(const deadline_wheel&) = delete;

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    /// No key is earlier. The earliest itself, but for elements removed and for crowds that are still far away.
    time_point next() const noexcept { return next_; }

    /// What time it is, about: elements inserted first are then placed by how far away they are.
    void now_is(time_point now) noexcept {
        if (empty()) base_ = std::max(base_, tick_of(now));
    }
    void insert(T& element, time_point key) noexcept {
        next_ = std::min(next_, key);
        ++size_;
        element.key = key;
        place(element);
    }
    void remove(T& element) noexcept {
        if (--size_ == 0) next_ = never;
        unlink(element);
    }
    void rekey(T& element, time_point key) noexcept {
        remove(element);
        insert(element, key);
    }
    /// Takes out an element whose key is not after `now`, the earliest but for a tick; null when there is none, and
    /// `next` is after `now` then.
    T* take_due(time_point now) noexcept {
        while (due_ == nullptr) {
            if (next_ > now || empty()) return nullptr;
            advance(now);
        }
        T& element = static_cast<T&>(*due_);
        remove(element);
        return &element;
    }

    /// True when every element is linked, counted once, and found no later than its key.
    bool check() const noexcept {
        std::size_t seen = 0;
        bool sound = check_list(due_, time_point::min(), seen) && check_list(current_, time_point::min(), seen);
        for (std::size_t b = 0; b < buckets_.size(); ++b) {
            const bool marked = (marks_[b / 64] >> b % 64 & 1) != 0;
            if (buckets_[b] == nullptr) continue;
            sound = sound && marked && start_of(b) > base_ && check_list(buckets_[b], time_of(start_of(b)), seen);
        }
        return sound && seen == size_;
    }

private:
    using tick = std::uint64_t;
    static constexpr std::size_t digit_bits = 4;
    static constexpr std::size_t tick_bits = 20;  // nanoseconds: 1.05 ms
    static constexpr std::size_t width = std::size_t{1} << digit_bits;
    static constexpr std::size_t levels = 8;
    static constexpr tick lap = (tick{1} << digit_bits * levels) - 1;  // 52 days; what is beyond waits at its end
    static constexpr int looked_at = 8;  // of a bucket's elements, before its beginning serves as the answer

    static tick tick_of(time_point time) noexcept {
        const auto count = time.time_since_epoch().count();
        return count < 0 ? 0 : static_cast<tick>(count) >> tick_bits;
    }
    static time_point time_of(tick t) noexcept {
        return time_point{duration{static_cast<duration::rep>(t << tick_bits)}};
    }

    void place(wheel_hook& element) noexcept {
        const tick at = std::min(tick_of(element.key), base_ | lap);
        if (at <= base_) return push(current_, element);
        const std::size_t level = (static_cast<std::size_t>(std::bit_width(at ^ base_)) - 1) / digit_bits;
        const std::size_t bucket = level * width + static_cast<std::size_t>(at >> level * digit_bits & (width - 1));
        marks_[bucket / 64] |= std::uint64_t{1} << bucket % 64;
        push(buckets_[bucket], element);
    }
    static void push(wheel_hook*& list, wheel_hook& element) noexcept {
        element.next = list;
        element.link = &list;
        if (list != nullptr) list->link = &element.next;
        list = &element;
    }
    static void unlink(wheel_hook& element) noexcept {
        *element.link = element.next;
        if (element.next != nullptr) element.next->link = element.link;
        element.link = nullptr;
    }

    /// The first bucket with elements, which is also the earliest; `buckets_.size()` when there is none.
    std::size_t first_bucket() noexcept {
        for (std::size_t word = 0; word < marks_.size(); ++word)
            for (; marks_[word] != 0; marks_[word] &= marks_[word] - 1) {  // the mark of a bucket emptied meanwhile
                const std::size_t bucket = word * 64 + static_cast<std::size_t>(std::countr_zero(marks_[word]));
                if (buckets_[bucket] != nullptr) return bucket;
            }
        return buckets_.size();
    }
    tick start_of(std::size_t bucket) const noexcept {
        const std::size_t shift = bucket / width * digit_bits;
        return ((base_ >> shift & ~tick{width - 1}) | bucket % width) << shift;
    }

    /// Moves `base_` on to `now` and what is due to `due_`, tick by tick; if nothing is, finds when to look again. What
    /// waited for the end of a lap is still in `current_` then, and placed by the next call.
    void advance(time_point now) noexcept {
        const tick target = std::max(base_, tick_of(now));
        wheel_hook** end = spread(current_, now, &due_);
        std::size_t bucket;
        while ((bucket = first_bucket()) != buckets_.size() && start_of(bucket) <= target) {
            base_ = start_of(bucket);
            end = spread(buckets_[bucket], now, end);
        }
        base_ = target;
        if (due_ == nullptr) next_ = earliest();
    }
    /// Puts each element where it now belongs; what is due behind `end`. Returns the new end.
    wheel_hook** spread(wheel_hook*& list, time_point now, wheel_hook** end) noexcept {
        wheel_hook* rest = std::exchange(list, nullptr);
        while (rest != nullptr) {
            wheel_hook& element = *std::exchange(rest, rest->next);
            if (element.key <= now && tick_of(element.key) <= base_) {
                push(*end, element);
                end = &element.next;
            } else {
                place(element);
            }
        }
        return end;
    }
    time_point earliest() noexcept {
        time_point found = never;
        for (const wheel_hook* e = current_; e != nullptr; e = e->next) found = std::min(found, e->key);
        const std::size_t bucket = first_bucket();
        if (bucket == buckets_.size()) return found;
        int left = looked_at;
        for (const wheel_hook* e = buckets_[bucket]; e != nullptr; e = e->next) {
            if (left-- == 0) return std::min(found, time_of(start_of(bucket)));
            found = std::min(found, e->key);
        }
        return found;
    }
    bool check_list(wheel_hook* const& list, time_point start, std::size_t& seen) const noexcept {
        wheel_hook* const* link = &list;
        for (const wheel_hook* e = list; e != nullptr; link = &e->next, e = e->next, ++seen)
            if (e->link != link || e->key < next_ || e->key < start) return false;
        return true;
    }

    tick base_ = 0;
    time_point next_ = never;  // also while it is empty
    std::size_t size_ = 0;
    wheel_hook* due_ = nullptr;                               // on their way out of `take_due`
    wheel_hook* current_ = nullptr;                           // of the tick `base_`, and before
    std::array<std::uint64_t, levels * width / 64> marks_{};  // buckets that may have elements
    std::array<wheel_hook*, levels * width> buckets_{};
};

}  // namespace hotpool::base
