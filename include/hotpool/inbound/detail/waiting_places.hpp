// Who waits at a connection to read, and who to write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "hotpool/io/completion.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

using hotpool::detail::delivery;

/// An operation at a connection. Whoever takes it out of its place completes it; the others come too late.
template <class Stream>
class peer_waiter {
public:
    /// Goes on as far as it can, under the connection's lock; `outcome` says where that was.
    virtual void attempt(Stream& stream) noexcept = 0;
    /// Frees itself, then calls the handler; under no lock.
    virtual void complete(delivery how) = 0;

    io_result outcome{};

protected:
    ~peer_waiter() = default;
};

/// Operations that were taken out of their places. Those that `complete` has not come to, since somebody has thrown, are
/// called later instead of never.
template <class Stream>
class taken_waiters {
public:
    taken_waiters() = default;
    taken_waiters(taken_waiters&& other) noexcept
        : waiters_(other.waiters_), next_(other.next_), count_(std::exchange(other.count_, 0)) {}
    taken_waiters& operator=(taken_waiters&& other) noexcept {
        std::swap(waiters_, other.waiters_);
        std::swap(next_, other.next_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~taken_waiters() {
        while (next_ < count_) {
            try {
                complete(delivery::posted);
            } catch (...) {  // of memory, on an executor that takes none that it is offered
            }
        }
    }
    void add(peer_waiter<Stream>* w) noexcept {
        if (w != nullptr) waiters_[count_++] = w;
    }
    /// Under no lock.
    void complete(delivery how) {
        while (next_ < count_) waiters_[next_++]->complete(how);
    }

private:
    std::array<peer_waiter<Stream>*, 2> waiters_{};
    std::size_t next_ = 0;
    std::size_t count_ = 0;
};

/// One place for each direction, and which readiness is waited for.
/// @threads distinct objects only: under the connection's lock
template <class Stream>
class waiting_places {
public:
    using waiter_type = peer_waiter<Stream>;
    using taken_type = taken_waiters<Stream>;

    bool is_taken(io_want direction) const noexcept { return places_[index_of(direction)].op != nullptr; }
    /// What it wants to happen before it is tried again its outcome says; none: it only waits to be taken.
    void put(waiter_type& op, io_want direction, std::uint64_t serial) noexcept {
        places_[index_of(direction)] = {&op, serial};
    }
    /// The operation with this serial, which fails with `error`; null if it is not there any more.
    /// @param direction set to that of its place
    waiter_type* take(std::uint64_t serial, std::error_code error, io_want& direction) noexcept {
        for (const io_want each : {io_want::read, io_want::write}) {
            if (places_[index_of(each)].serial != serial || !is_taken(each)) continue;
            direction = each;
            return take_from(each, error);
        }
        return nullptr;
    }
    /// All of them, to fail with `error`.
    taken_type take_all(std::error_code error) noexcept {
        taken_type taken;
        for (const io_want each : {io_want::read, io_want::write}) taken.add(take_from(each, error));
        return taken;
    }

    /// Tries again who waits for `ready`; those that are through, or cannot wait any more, are taken.
    /// @param attempt `void(waiter_type&, io_want direction)`, noexcept
    /// @param arm `bool(io_want)`, noexcept: waits for readiness, false if there is no memory for that
    template <class Attempt, class Arm>
    taken_type became_ready(io_want ready, Attempt attempt, Arm arm) noexcept {
        taken_type taken;
        for (const io_want direction : {io_want::read, io_want::write}) {
            place& p = places_[index_of(direction)];
            // TLS may read in order to write: who waits for the other direction may have been helped on, too.
            const io_want wanted = p.op == nullptr ? io_want::none : p.op->outcome.want;
            if (wanted == io_want::none || (wanted != ready && wanted == direction)) continue;
            attempt(*p.op, direction);
            if (const io_want wants = p.op->outcome.want; wants == io_want::none)
                taken.add(std::exchange(p.op, nullptr));
            else if (!arm(wants))
                taken.add(take_from(direction, std::make_error_code(std::errc::not_enough_memory)));
        }
        return taken;
    }

private:
    struct place {
        waiter_type* op = nullptr;
        std::uint64_t serial = 0;
    };

    static constexpr std::size_t index_of(io_want direction) noexcept { return direction == io_want::write ? 1 : 0; }
    waiter_type* take_from(io_want direction, std::error_code error) noexcept {
        waiter_type* const op = std::exchange(places_[index_of(direction)].op, nullptr);
        if (op != nullptr) op->outcome = {.error = error};
        return op;
    }

    std::array<place, 2> places_{};
};

}  // namespace hotpool::inbound::detail
