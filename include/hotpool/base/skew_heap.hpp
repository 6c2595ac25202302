// The first of many elements by an order, through members of the elements.
#pragma once

#include <utility>

namespace hotpool::base {

/// What an element of a `skew_heap` carries.
template <class T>
struct heap_hook {
    T* parent = nullptr;
    T* left = nullptr;
    T* right = nullptr;
};

/// Elements derive from `heap_hook` and outlive their time in the heap; while one is in it, what it is ordered by stays.
/// @tparam Before a function object: whether one element comes before another
/// @threads distinct objects only
/// @cost a logarithm of the number of elements for each change, over many of them; `first` is constant. Nothing is
/// allocated
/// @source Sleator and Tarjan, Self-adjusting heaps, 1986
template <class T, class Before>
class skew_heap {
public:
    /// The element that comes before all others; null if there is none.
    T* first() const noexcept { return root_; }

    void insert(T& element) noexcept {
        hook(element) = {};
        put(meld(root_, &element), nullptr, root_);
    }
    void remove(T& element) noexcept {
        const heap_hook<T> at = hook(element);
        T*& place = at.parent == nullptr                ? root_
                    : hook(*at.parent).left == &element ? hook(*at.parent).left
                                                        : hook(*at.parent).right;
        put(meld(at.left, at.right), at.parent, place);
        hook(element) = {};
    }

private:
    static heap_hook<T>& hook(T& element) noexcept { return element; }

    static void put(T* element, T* parent, T*& place) noexcept {
        place = element;
        if (element != nullptr) hook(*element).parent = parent;
    }
    /// One heap of two: along their right edges, and left and right change places on the way.
    static T* meld(T* a, T* b) noexcept {
        T* root = nullptr;
        T* parent = nullptr;
        T** place = &root;
        while (a != nullptr && b != nullptr) {
            if (Before()(*b, *a)) std::swap(a, b);
            put(a, parent, *place);
            parent = a;
            a = std::exchange(hook(*parent).right, hook(*parent).left);
            place = &hook(*parent).left;
        }
        put(a != nullptr ? a : b, parent, *place);
        return root;
    }

    T* root_ = nullptr;
};

}  // namespace hotpool::base
