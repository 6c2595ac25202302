// A reference to an object that counts its references itself.
#pragma once

#include <utility>

namespace hotpool::detail {

/// Holds a reference to an object with `add_ref` and `release`, such as a connection.
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

}  // namespace hotpool::detail
