// The earliest of many deadlines, without looking at the others.
#pragma once

#include <cstddef>
#include <vector>

#include "hotpool/base/time.hpp"

namespace hotpool::base {

/// What an element of a `deadline_heap` carries: when it is to be looked at, and where it stands in the heap.
struct heap_hook {
    static constexpr std::size_t outside = static_cast<std::size_t>(-1);
    time_point key = never;
    std::size_t position = outside;
    bool in_heap() const noexcept { return position != outside; }
};

/// A binary heap of elements that derive from `heap_hook`, earliest key first.
/// @threads distinct objects only
/// @cost `top` is constant; insert, remove and rekey are logarithmic; insert allocates only beyond `reserve_for`
template <class T>
class deadline_heap {
public:
    bool empty() const noexcept { return elements_.empty(); }
    std::size_t size() const noexcept { return elements_.size(); }
    T* top() const noexcept { return elements_.empty() ? nullptr : elements_.front(); }
    time_point top_key() const noexcept { return elements_.empty() ? never : elements_.front()->key; }
    /// Makes `insert` up to `count` elements free of allocation.
    void reserve_for(std::size_t count) {
        if (count > elements_.capacity()) elements_.reserve(count + count / 2);
    }

    void insert(T& element, time_point key) {
        elements_.push_back(&element);
        element.key = key;
        element.position = elements_.size() - 1;
        rise(element.position);
    }
    void remove(T& element) noexcept {
        const std::size_t hole = element.position;
        element.position = heap_hook::outside;
        T* last = elements_.back();
        elements_.pop_back();
        if (last == &element) return;
        place(*last, hole);
        rise(sink(hole));
    }
    void rekey(T& element, time_point key) noexcept {
        element.key = key;
        rise(sink(element.position));
    }

    /// True when every element knows its place and none is earlier than its parent.
    bool check() const noexcept {
        for (std::size_t i = 0; i < elements_.size(); ++i)
            if (elements_[i]->position != i || elements_[i]->key < elements_[(i == 0 ? 0 : i - 1) / 2]->key)
                return false;
        return true;
    }

private:
    void place(T& element, std::size_t position) noexcept {
        elements_[position] = &element;
        element.position = position;
    }
    std::size_t rise(std::size_t position) noexcept {
        T& element = *elements_[position];
        while (position != 0) {
            const std::size_t parent = (position - 1) / 2;
            if (!(element.key < elements_[parent]->key)) break;
            place(*elements_[parent], position);
            position = parent;
        }
        place(element, position);
        return position;
    }
    std::size_t sink(std::size_t position) noexcept {
        T& element = *elements_[position];
        for (;;) {
            std::size_t child = 2 * position + 1;
            if (child >= elements_.size()) break;
            if (child + 1 < elements_.size() && elements_[child + 1]->key < elements_[child]->key) ++child;
            if (!(elements_[child]->key < element.key)) break;
            place(*elements_[child], position);
            position = child;
        }
        place(element, position);
        return position;
    }

    std::vector<T*> elements_;
};

}  // namespace hotpool::base
