// A growable run of bytes on recycled memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "hotpool/base/recycler.hpp"

namespace hotpool::base {

/// Bytes in one contiguous block: `size` of them in use, room behind them for more. Bytes are not initialised.
/// @threads distinct objects only
class byte_buffer {
public:
    byte_buffer() = default;
    explicit byte_buffer(std::size_t capacity) { reserve(capacity); }
    byte_buffer(byte_buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    byte_buffer& operator=(byte_buffer&& other) noexcept {
        byte_buffer(std::move(other)).swap(*this);
        return *this;
    }
    ~byte_buffer() {
        if (data_ != nullptr) [[unlikely]]  // most that end have been moved from
            release();
    }

    void swap(byte_buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    char* data() noexcept { return data_; }
    const char* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    std::string_view view() const noexcept { return {data_, size_}; }
    /// The bytes from `at` on, which is at most `size`.
    std::string_view view_from(std::size_t at) const noexcept { return {data_ + at, size_ - at}; }

    /// Makes the block at least `capacity` bytes large; the bytes in use keep their values, not their place.
    /// @errors throws `std::bad_alloc`, unchanged then
    void reserve(std::size_t capacity) {
        if (capacity > capacity_) move_to(recycler::block_bytes(capacity));
    }

    /// Makes room for `bytes` more behind those in use and returns its begin; `commit` then counts them in.
    char* prepare(std::size_t bytes) {
        if (room() < bytes) [[unlikely]]
            grow(bytes);
        return data_ + size_;
    }
    std::size_t room() const noexcept { return capacity_ - size_; }
    void commit(std::size_t bytes) noexcept { size_ += bytes; }

    /// All parts, one behind the other.
    template <std::convertible_to<std::string_view>... Parts>
    void append(const Parts&... parts) {
        char* to = prepare((std::string_view(parts).size() + ...));
        ((to = copy(to, parts)), ...);
        size_ = static_cast<std::size_t>(to - data_);
    }

    /// Drops the first `bytes`; those behind them move to the front.
    void consume(std::size_t bytes) noexcept {
        size_ -= bytes;
        if (bytes != 0 && size_ != 0) std::memmove(data_, data_ + bytes, size_);
    }
    /// Keeps the first `size` bytes only.
    void truncate(std::size_t size) noexcept { size_ = size; }
    void clear() noexcept { size_ = 0; }

    /// Gives the memory back.
    void release() noexcept {
        if (data_ == nullptr) return;
        recycler::deallocate(data_, capacity_);
        data_ = nullptr;
        size_ = capacity_ = 0;
    }

private:
    void grow(std::size_t bytes) { reserve(size_ + bytes < 2 * capacity_ ? 2 * capacity_ : size_ + bytes); }
    void move_to(std::size_t block) {
        char* data = static_cast<char*>(recycler::allocate(block));
        if (data_ != nullptr) {
            std::memcpy(data, data_, size_);
            recycler::deallocate(data_, capacity_);
        }
        data_ = data;
        capacity_ = block;
    }
    static char* copy(char* to, std::string_view part) noexcept {
        if (!part.empty()) std::memcpy(to, part.data(), part.size());
        return to + part.size();
    }

    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace hotpool::base
