// The ways out of this machine: which addresses may be connected to, and from which local one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/access/access_controller.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/endpoint_pool.hpp"

namespace hotpool::detail {

/// Asks the access controller and tells it what became of what it allowed; lets local addresses take turns. No I/O.
/// @threads any thread for what only asks the controller; `local_address` under its user's lock
class egress {
public:
    egress(std::vector<ip_address> local_addresses, std::shared_ptr<access_controller> access) noexcept
        : local_addresses_(std::move(local_addresses)), access_(std::move(access)) {}

    /// Whether it allows everything.
    bool is_open() const noexcept { return access_ == nullptr && local_addresses_.empty(); }
    /// Which addresses an opening may be planned to; empty: all. Valid as long as this.
    endpoint_filter filter() const {
        if (is_open()) return nullptr;
        return [this](const ip_address& to, time_point now) {
            return has_local_address(to.family()) && (access_ == nullptr || access_->allows(to, now));
        };
    }

    /// Whether a connection may be made now that has been planned before.
    bool may_open(const ip_address& to, time_point now) {
        return access_ == nullptr || access_->use_requested(to, now) != admission::refused;
    }
    /// The local address to connect from; none: the system chooses.
    std::optional<ip_address> local_address(ip_family family) noexcept {
        for (std::size_t i = 0; i < local_addresses_.size(); ++i) {
            const ip_address& next = local_addresses_[next_local_++ % local_addresses_.size()];
            if (next.family() == family) return next;
        }
        return std::nullopt;
    }
    /// An opening that was allowed has failed.
    void opening_failed(const ip_address& to, std::error_code error, time_point now) {
        if (access_ == nullptr || error == errc::access_denied) return;
        if (error == errc::cancelled || error == errc::descriptors_exhausted || error == errc::socket_setup_failed)
            access_->use_abandoned(to, now);
        else
            access_->use_failed(to, now);
    }

    /// A lease comes back. @param status of its last response; 0: there was none
    /// @return whether its connection, and others to that address, may go on to be used
    bool may_stay(const ip_address& to, std::uint16_t status, time_point now) {
        return access_ == nullptr || access_->came_back(to, status, now);
    }
    bool judges_returns() const noexcept { return access_ != nullptr; }

private:
    bool has_local_address(ip_family family) const noexcept {
        return local_addresses_.empty() || std::any_of(local_addresses_.begin(), local_addresses_.end(),
                                                       [&](const ip_address& a) { return a.family() == family; });
    }

    const std::vector<ip_address> local_addresses_;
    const std::shared_ptr<access_controller> access_;
    std::size_t next_local_ = 0;
};

}  // namespace hotpool::detail
