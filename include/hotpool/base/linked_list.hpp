// A doubly linked list through members of its elements.
#pragma once

#include <cstddef>

namespace hotpool::base {

/// The links of an element; it is in at most one list per tag at a time.
template <class T, class Tag = void>
struct list_hook {
    T* previous = nullptr;
    T* next = nullptr;
};

/// Elements derive from `list_hook` with the same tag and outlive their time in the list. Nothing is allocated.
/// @threads distinct objects only
template <class T, class Tag = void>
class linked_list {
public:
    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    T* front() const noexcept { return first_; }
    T* back() const noexcept { return last_; }
    static T* next(const T& element) noexcept { return hook(element).next; }
    static T* previous(const T& element) noexcept { return hook(element).previous; }

    void push_front(T& element) noexcept {
        hook(element) = {nullptr, first_};
        (first_ ? hook(*first_).previous : last_) = &element;
        first_ = &element;
        ++size_;
    }
    void push_back(T& element) noexcept {
        hook(element) = {last_, nullptr};
        (last_ ? hook(*last_).next : first_) = &element;
        last_ = &element;
        ++size_;
    }
    void remove(T& element) noexcept {
        const list_hook<T, Tag> at = hook(element);
        (at.previous ? hook(*at.previous).next : first_) = at.next;
        (at.next ? hook(*at.next).previous : last_) = at.previous;
        hook(element) = {};
        --size_;
    }
    T* pop_front() noexcept {
        T* element = first_;
        if (element != nullptr) remove(*element);
        return element;
    }

private:
    static list_hook<T, Tag>& hook(T& element) noexcept { return element; }
    static const list_hook<T, Tag>& hook(const T& element) noexcept { return element; }

    T* first_ = nullptr;
    T* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace hotpool::base
