// What a failed accept says, and what to do about it.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// Whose fault a failed accept is.
enum class accept_fault : std::uint8_t {
    nothing,     ///< none was waiting, or a signal came: no error
    connection,  ///< that connection's: it was over before it was accepted, and is gone now
    shortage,    ///< descriptors or memory are out: the same connection is still waiting
    listener,    ///< the socket does not listen, or is none
    unknown,
};

/// @param error of the system, as `accept` set `errno`
/// @source accept(2): Linux passes errors of the network on through it, which concern the new connection only
constexpr accept_fault fault_of(int error) noexcept {
    switch (error) {
        case 0:
        case EAGAIN:
#if EWOULDBLOCK != EAGAIN
        case EWOULDBLOCK:
#endif
        case EINTR: return accept_fault::nothing;
        case ECONNABORTED:
        case ECONNRESET:
        case EPROTO:
        case ENOPROTOOPT:
        case EPERM:  // a firewall's
        case ETIMEDOUT:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTUNREACH:
#ifdef EHOSTDOWN
        case EHOSTDOWN:
#endif
#ifdef ENONET
        case ENONET:
#endif
            return accept_fault::connection;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return accept_fault::shortage;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP: return accept_fault::listener;
        default: return accept_fault::unknown;
    }
}

/// The pauses of an accept loop. Both more than 0, the first at most the limit.
struct accept_backoff_options {
    /// When descriptors or memory are out, or the error is unknown; doubled with each failure in a row. Long enough that
    /// a loop at its limit costs nothing, short enough that nobody notices one.
    duration first = std::chrono::milliseconds(50);
    duration limit = std::chrono::seconds(1);
    /// Errors in a row after which the listener is given up, those left out that say nothing of it: shortages. 1 or
    /// more. A hundred connections that all ended before they were accepted are the listener's fault.
    std::uint32_t max_errors_in_a_row = 100;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const accept_backoff_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::accept_backoff_options::") + field + " " + rule);
    };
    if (options.first <= duration::zero()) refuse("first", "must be more than 0");
    if (options.limit < options.first) refuse("limit", "must be at least first");
    if (options.max_errors_in_a_row == 0) refuse("max_errors_in_a_row", "must be 1 or more");
}

enum class accept_verdict : std::uint8_t {
    go_on,  ///< accept the next one
    wait,   ///< for the next readiness, as after any accept that found nothing
    pause,  ///< and then try again
    dead,   ///< close the listener, report it, open another one after the pause
};

struct accept_answer {
    accept_verdict verdict = accept_verdict::go_on;
    duration pause{};  ///< of `pause` and `dead`
};

/// One listening socket's failures in a row.
/// @threads distinct objects only
class accept_backoff {
public:
    /// @errors throws `std::invalid_argument`
    explicit accept_backoff(const accept_backoff_options& options = {}) : options_((validate(options), options)) {}

    /// A connection was accepted.
    void accepted() noexcept { *this = accept_backoff(options_, known_good{}); }

    /// @param error of the system's category or Asio's
    accept_answer accept_failed(std::error_code error) noexcept {
        const accept_fault fault = fault_of(error.value());
        if (fault == accept_fault::nothing) return {accept_verdict::wait};
        if (fault != accept_fault::shortage) ++errors_;
        if (fault == accept_fault::listener || errors_ >= options_.max_errors_in_a_row) {
            errors_ = 0;
            return {accept_verdict::dead, next_pause()};
        }
        if (fault == accept_fault::connection) return {accept_verdict::go_on};
        return {accept_verdict::pause, next_pause()};
    }

    /// Whether accepting has been put off since the last connection that was accepted.
    bool is_pausing() const noexcept { return pause_ != duration::zero(); }

private:
    struct known_good {};
    accept_backoff(const accept_backoff_options& options, known_good) noexcept : options_(options) {}

    duration next_pause() noexcept {
        if (pause_ == duration::zero())
            pause_ = options_.first;
        else
            pause_ = pause_ > options_.limit / 2 ? options_.limit : pause_ * 2;
        return pause_;
    }

    accept_backoff_options options_;
    duration pause_{};
    std::uint32_t errors_ = 0;
};

}  // namespace hotpool::inbound
