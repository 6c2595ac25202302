// Where a streamed request body comes from.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"

namespace hotpool::http {

/// Something to pull a body from: called with room, it fills the front of it and says how many bytes it
/// wrote; 0 is the end. It may say through its second parameter that it failed.
template <class Pull>
concept body_pull = std::is_invocable_r_v<std::size_t, Pull&, std::span<char>> ||
    std::is_invocable_r_v<std::size_t, Pull&, std::span<char>, std::error_code&>;

/// Something that goes back to the body's first byte and says whether it could.
template <class Rewind>
concept body_rewind = std::is_invocable_r_v<bool, Rewind&>;

/// Any pull callable, with or without a way back for retries.
/// @threads distinct objects only; copies share one callable
/// @cost one allocation when made, one indirect call per pull
class body_source {
public:
    body_source() = default;

    template <body_pull Pull>
    body_source(Pull next) : callable_(make(std::move(next), no_way_back{})) {}

    template <body_pull Pull, body_rewind Rewind>
    body_source(Pull next, Rewind back) : callable_(make(std::move(next), std::move(back))) {}

    explicit operator bool() const noexcept { return callable_ != nullptr; }

    /// @param room not empty
    /// @param error what the callable reports, or `errc::body_source_failed` if it throws or exceeds its room
    /// @return how many bytes were written to the front of `room`; 0 at the end and on an error
    std::size_t pull(std::span<char> room, std::error_code& error) const noexcept {
        error.clear();
        std::size_t size = 0;
        try {
            size = callable_->pull(room, error);
        } catch (...) {
            error = errc::body_source_failed;
        }
        if (size > room.size()) error = errc::body_source_failed;
        return error ? 0 : size;
    }

    bool can_rewind() const noexcept { return callable_->can_rewind(); }
    /// @return `errc{}`, or `errc::body_not_replayable` if there is no way back or it failed
    errc rewind() const noexcept {
        try {
            return callable_->rewind() ? errc{} : errc::body_not_replayable;
        } catch (...) {
            return errc::body_not_replayable;
        }
    }

private:
    struct no_way_back {
        bool operator()() const noexcept { return false; }
    };

    struct callable {
        virtual ~callable() = default;
        virtual std::size_t pull(std::span<char> room, std::error_code& error) = 0;
        virtual bool can_rewind() const noexcept = 0;
        virtual bool rewind() = 0;
    };

    template <class Pull, class Rewind>
    struct implementation final : callable {
        implementation(Pull next, Rewind back) : next_(std::move(next)), back_(std::move(back)) {}
        std::size_t pull(std::span<char> room, std::error_code& error) override {
            constexpr bool reports = std::is_invocable_v<Pull&, std::span<char>, std::error_code&>;
            if constexpr (reports) return next_(room, error);
            if constexpr (!reports) return next_(room);
        }
        bool can_rewind() const noexcept override { return !std::is_same_v<Rewind, no_way_back>; }
        bool rewind() override { return back_(); }

        Pull next_;
        Rewind back_;
    };

    template <class Pull, class Rewind>
    static std::shared_ptr<callable> make(Pull next, Rewind back) {
        return std::make_shared<implementation<Pull, Rewind>>(std::move(next), std::move(back));
    }

    std::shared_ptr<callable> callable_;
};

}  // namespace hotpool::http
