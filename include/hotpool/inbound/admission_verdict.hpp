// The answer to a connection or a request, and what an admitted connection is given.
#pragma once

#include <cstdint>
#include <utility>

#include "hotpool/base/time.hpp"
#include "hotpool/inbound/group_table.hpp"
#include "hotpool/inbound/refuse_reason.hpp"
#include "hotpool/inbound/request_quota.hpp"

namespace hotpool::inbound {

template <request_quota Quota>
class basic_admission;

/// The place of one connection in the counts of the admission that gave it; empty unless admitted. It is given back
/// once: moved from, or given back, it is empty, and it cannot be copied.
/// @lifetime the admission must outlive it
/// @threads distinct objects only
class admission_ticket {
public:
    admission_ticket() noexcept = default;
    admission_ticket(admission_ticket&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          entry_(std::exchange(other.entry_, nullptr)),
          half_open_(std::exchange(other.half_open_, false)) {}
    /// One that is held must have been given back before: its place would stay taken.
    admission_ticket& operator=(admission_ticket&& other) noexcept {
        owner_ = std::exchange(other.owner_, nullptr);
        entry_ = std::exchange(other.entry_, nullptr);
        half_open_ = std::exchange(other.half_open_, false);
        return *this;
    }

    bool empty() const noexcept { return entry_ == nullptr; }
    /// Whether its handshake is under way.
    bool half_open() const noexcept { return half_open_; }
    /// The group that it counts for. Only if not `empty`.
    peer_group group() const noexcept { return entry_->key.group(); }
    /// Where that group's books are kept. Only if not `empty`.
    known_group& known() const noexcept { return *entry_; }

private:
    template <request_quota Quota>
    friend class basic_admission;

    admission_ticket(const void* owner, known_group& entry) noexcept
        : owner_(owner), entry_(&entry), half_open_(true) {}

    const void* owner_ = nullptr;
    known_group* entry_ = nullptr;
    bool half_open_ = false;
};

/// Whether a request spends its group's quota.
enum class metering : std::uint8_t { on, off };

/// What became of a ticket that was shown.
enum class ticket_use : std::uint8_t {
    taken,
    empty,    ///< there is nothing to it: it was given back before, or never filled
    foreign,  ///< another admission gave it; it is left as it is
};

/// Admitted, or refused for a reason.
struct admission_verdict {
    refuse_reason refused = refuse_reason::none;
    /// When to come back, if refused; zero if that is not known or of no use.
    duration retry_after{};
    /// For a connection that is admitted.
    admission_ticket ticket{};

    bool admitted() const noexcept { return refused == refuse_reason::none; }
};

}  // namespace hotpool::inbound
