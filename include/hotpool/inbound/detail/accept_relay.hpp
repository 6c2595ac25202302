// Takes the connections of an acceptor one after the other, for as long as it has any.
#pragma once

#include <atomic>
#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"

namespace hotpool::inbound::detail {

/// A caller of an acceptor that calls again each time. It is made once: a connection costs no allocation, so that none
/// can fail and end the service.
/// @tparam Take called with each connection, in the acceptor's turn: must be quick, and not throw
/// @threads any thread
template <class Core, class Take>
class accept_relay final : public Core::waiter_type, public std::enable_shared_from_this<accept_relay<Core, Take>> {
public:
    accept_relay(std::shared_ptr<Core> core, Take take) : core_(std::move(core)), take_(std::move(take)) {
        this->link_to_me = std::make_shared<typename Core::waiter_type::link_type>();
    }

    void start() {
        self_ = this->shared_from_this();
        core_->accept(*this);
    }
    /// Takes none from now on but one that is being taken.
    void stop() noexcept {
        stopped_.store(true);
        if (core_->forget(*this->link_to_me) != nullptr) self_.reset();
    }

    void answered() override {
        const auto keep = this->shared_from_this();
        const std::error_code why = std::exchange(this->error, {});
        if (!why) take_(std::move(this->granted));
        const bool goes_on = !why || why == errc::listener_lost;
        if (!goes_on || stopped_.load()) return self_.reset();
        core_->accept(*this);
        // Another thread may have it again by now; if not, and it was stopped meanwhile, nobody else takes it out.
        if (stopped_.load()) stop();
    }

    void abandoned() noexcept override { self_.reset(); }

private:
    const std::shared_ptr<Core> core_;
    Take take_;
    std::atomic<bool> stopped_{false};
    std::shared_ptr<accept_relay> self_;  // while the core has it
};

}  // namespace hotpool::inbound::detail
