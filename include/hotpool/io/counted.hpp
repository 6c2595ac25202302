// Objects that count their references themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace hotpool::detail {

/// The base of an object that lives while somebody holds it. Its last holder disposes of what belongs to the execution
/// context, such as a socket; its memory stays for those that only watch it. So what may outlive the context, such as a
/// handler in a cancellation slot, holds a `watching_ref`.
/// @tparam Derived has `dispose()`, called once and without exceptions, and is made by `new`
/// @threads any thread
template <class Derived>
class counted {
public:
    counted() = default;
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;

    void add_ref() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        static_cast<Derived*>(this)->dispose();
        release_watcher();
    }
    void add_watcher() noexcept { watchers_.fetch_add(1, std::memory_order_relaxed); }
    void release_watcher() noexcept {
        if (watchers_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete static_cast<Derived*>(this);
    }

protected:
    ~counted() = default;

private:
    std::atomic<std::uint32_t> holders_{1};
    std::atomic<std::uint32_t> watchers_{1};  // all holders together are one
};

/// Holds a counted object.
template <class Counted>
class counted_ref {
public:
    explicit counted_ref(Counted& o) noexcept : object_(&o) { o.add_ref(); }
    /// Takes over the reference that a new object has.
    explicit counted_ref(Counted* created) noexcept : object_(created) {}
    counted_ref(counted_ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    counted_ref(const counted_ref& other) noexcept : object_(other.object_) {
        if (object_ != nullptr) object_->add_ref();
    }
    counted_ref& operator=(counted_ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~counted_ref() {
        if (object_ != nullptr) object_->release();
    }
    Counted& operator*() const noexcept { return *object_; }
    Counted* operator->() const noexcept { return object_; }

private:
    Counted* object_;
};

/// Keeps the memory of a counted object, not what belongs to its execution context. Only what the object allows at any
/// time may be called through it.
template <class Counted>
class watching_ref {
public:
    explicit watching_ref(Counted& o) noexcept : object_(&o) { o.add_watcher(); }
    watching_ref(watching_ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    watching_ref(const watching_ref& other) noexcept : object_(other.object_) {
        if (object_ != nullptr) object_->add_watcher();
    }
    watching_ref& operator=(watching_ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~watching_ref() {
        if (object_ != nullptr) object_->release_watcher();
    }
    Counted* operator->() const noexcept { return object_; }

private:
    Counted* object_;
};

}  // namespace hotpool::detail
