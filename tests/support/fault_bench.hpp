// Origins behind fault proxies on 127.0.0.1, 127.0.0.2 and so on, all on one port, running on a thread of their own.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hotpool/base/origin.hpp"
#include "support/fault_origin.hpp"
#include "support/fault_proxy.hpp"
#include "support/http_test.hpp"

namespace hotpool::test {

/// Says at its end whether descriptors were left open since its beginning; the first thing of a test.
class descriptors_kept {
public:
    descriptors_kept() = default;
    descriptors_kept(const descriptors_kept&) = delete;
    ~descriptors_kept() { CHECK(open_descriptors() == before_); }

private:
    const std::size_t before_ = open_descriptors();
};

/// One port on several addresses, kept for this process: where nobody listens, connections are refused, and none
/// other can take the place.
class reserved_port {
public:
    reserved_port(asio::io_context& io, std::size_t addresses) {
        for (int tries = 0; tries < 100; ++tries)
            if (take(io, addresses)) return;
        throw std::runtime_error("no port is free on all addresses");
    }
    tcp_endpoint at(std::size_t address) const { return guards_[address].local_endpoint(); }

    /// 127.0.0.1 and those that follow it.
    static asio::ip::address_v4 address(std::size_t number) {
        return asio::ip::address_v4(asio::ip::address_v4::loopback().to_uint() + static_cast<unsigned>(number));
    }

private:
    bool take(asio::io_context& io, std::size_t addresses) {
        guards_.clear();
        unsigned short port = 0;
        for (std::size_t i = 0; i < addresses; ++i) {
            tcp_socket& guard = guards_.emplace_back(io, asio::ip::tcp::v4());
            guard.set_option(asio::socket_base::reuse_address(true));
            std::error_code taken;
            guard.bind({address(i), port}, taken);
            if (taken) return false;
            port = guard.local_endpoint().port();
        }
        return true;
    }
    std::vector<tcp_socket> guards_;
};

/// @tparam Side `over_tcp` or `over_tls`
template <class Side>
class fault_bench {
public:
    /// @param ids requests have the numbers below this
    fault_bench(std::size_t addresses, std::size_t ids, fault_settings settings)
        : port_(io_, addresses), log(ids), work_(asio::make_work_guard(io_)) {
        settings.tls = Side::is_tls;
        std::optional<identity> own;
        if constexpr (Side::is_tls) own = test_root().issue({.names = names(addresses)});
        const tcp_endpoint anywhere(reserved_port::address(0), 0);
        for (std::size_t i = 0; i < addresses; ++i) {
            origins_.push_back(std::make_unique<fault_origin>(io_, anywhere, own, log, settings, tally));
            // One of several addresses is slow, and no worse for that.
            settings.slow = std::chrono::milliseconds(settings.per_thousand_chunks != 0 && i == 1 ? 2 : 0);
            proxies_.push_back(
                std::make_unique<fault_proxy>(io_, port_.at(i), origins_.back()->endpoint(), settings, tally));
            settings.seed += 0x1000'0000'0001u;
        }
        thread_ = std::thread([this] { io_.run(); });
    }
    ~fault_bench() {
        io_.stop();
        thread_.join();
    }

    std::size_t addresses() const noexcept { return proxies_.size(); }
    fault_proxy& proxy(std::size_t address = 0) noexcept { return *proxies_[address]; }
    fault_origin& served(std::size_t address = 0) noexcept { return *origins_[address]; }
    origin target(std::size_t address = 0) const {
        const tcp_endpoint at = port_.at(address);
        return {.host = at.address().to_string(), .port = std::to_string(at.port())};
    }
    /// Waits until no connection is carried or served: what was on its way has arrived by then. False when that takes
    /// too long.
    bool quiet() {
        const auto limit = std::chrono::steady_clock::now() + plenty;
        // What a look has not seen, being still to be accepted, the next one sees.
        for (int quiet_looks = 0; quiet_looks < 3;) {
            if (std::chrono::steady_clock::now() > limit) return false;
            quiet_looks = take_turn() == 0 ? quiet_looks + 1 : 0;
        }
        return true;
    }

    /// What is on its way arrives.
    void settle() {
        for (int turns = 0; turns < 5; ++turns) take_turn();
    }

private:
    /// Connections left when all that could happen has happened once more.
    int take_turn() {
        std::promise<int> left;
        asio::steady_timer timer(io_, std::chrono::milliseconds(1));
        timer.async_wait([&](std::error_code) {
            int live = 0;
            for (const auto& proxy : proxies_) live += proxy->live();
            for (const auto& served : origins_) live += served->live();
            left.set_value(live);
        });
        return left.get_future().get();
    }

    static std::vector<std::string> names(std::size_t addresses) {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < addresses; ++i) all.push_back(reserved_port::address(i).to_string());
        return all;
    }

    asio::io_context io_{1};
    reserved_port port_;

public:
    request_log log;
    fault_tally tally;

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::vector<std::unique_ptr<fault_origin>> origins_;
    std::vector<std::unique_ptr<fault_proxy>> proxies_;
    std::thread thread_;
};

}  // namespace hotpool::test
