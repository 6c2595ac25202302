// What a pool leaves with the execution context; each of them says so when it is dropped instead of called.
#pragma once

#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/connection/connection.hpp"

namespace hotpool::detail {

/// Runs at the end of a turn of the loop.
template <class Core>
class turn_handler {
public:
    using allocator_type = base::recycling_allocator<void>;

    explicit turn_handler(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}
    turn_handler(turn_handler&&) noexcept = default;
    ~turn_handler() {
        if (core_ != nullptr) core_->abandon_turn();
    }
    allocator_type get_allocator() const noexcept { return {}; }

    void operator()() { std::shared_ptr<Core>(std::move(core_))->run_turn(); }

private:
    std::shared_ptr<Core> core_;
};

/// Holds a connection until it is open.
template <class Core>
class open_handler {
public:
    using connection_type = typename Core::connection_type;

    open_handler(std::shared_ptr<Core> core, counted_ref<connection_type> c) noexcept
        : core_(std::move(core)), connection_(std::move(c)) {}
    open_handler(open_handler&&) noexcept = default;
    ~open_handler() {
        if (core_ != nullptr) core_->abandon_opening(*connection_);
    }

    void connected() { core_->handshake_begins(*connection_); }
    void operator()(std::error_code error, typename connection_type::stream_type stream) {
        std::shared_ptr<Core>(std::move(core_))->opened(*connection_, error, std::move(stream));
    }

private:
    std::shared_ptr<Core> core_;
    counted_ref<connection_type> connection_;
};

}  // namespace hotpool::detail
