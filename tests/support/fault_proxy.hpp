// A TCP proxy that does to the connections it carries what a bad network would.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/fault_plan.hpp"

namespace hotpool::test {

using tcp_endpoint = asio::ip::tcp::endpoint;
using tcp_socket = asio::ip::tcp::socket;

/// How a proxy misbehaves.
struct fault_settings {
    std::uint64_t seed = 1;
    unsigned per_thousand_chunks = 0;  ///< of so many chunks meet a fault
    /// After every 10 to 50 connections nobody listens for 10 to 50 ms, or the next 2 to 10 are accepted and ended at
    /// once.
    bool outages = false;
    bool tls = false;                   ///< what passes is ciphertext
    std::chrono::microseconds slow{0};  ///< every chunk comes so late
    int buffer_bytes = 0;               ///< of each socket on the way up; 0: what the system gives
};

/// Carries connections from `entry` to `target`.
/// @threads runs on one thread, that of its context; `arm`, `refuse` and `live` may be called from any other one
class fault_proxy {
public:
    fault_proxy(asio::io_context& io, const tcp_endpoint& entry, const tcp_endpoint& target,
                const fault_settings& settings, fault_tally& tally)
        : io_(io),
          entry_(entry),
          target_(target),
          settings_(settings),
          tally_(tally),
          acceptor_(io),
          dice_(settings.seed) {
        listen();
    }
    fault_proxy(const fault_proxy&) = delete;
    fault_proxy& operator=(const fault_proxy&) = delete;

    /// The next chunk of that way, of whichever connection, meets this fault.
    void arm(way w, const fault_order& order) {
        const std::lock_guard lock(mutex_);
        armed_.emplace(w, order);
    }
    /// The next connection meets `fault::hang_up` or `fault::mute`.
    void arm_opening(fault what) {
        const std::lock_guard lock(mutex_);
        armed_opening_ = what;
    }
    bool is_armed() const {
        const std::lock_guard lock(mutex_);
        return armed_.has_value() || armed_opening_.has_value();
    }
    /// Stops or begins again to listen; has happened on return. Not to be called on the proxy's own thread.
    void refuse(bool now) {
        std::promise<void> done;
        asio::post(io_, [&] {
            now ? stop_listening() : listen();
            done.set_value();
        });
        done.get_future().wait();
    }
    /// Connections being carried.
    int live() const noexcept { return *live_; }

private:
    struct link {
        link(tcp_socket from, asio::io_context& io, const fault_plan& its_plan, std::shared_ptr<std::atomic<int>> count)
            : client(std::move(from)), origin(io), plan(its_plan), live(std::move(count)) {
            ++*live;
        }
        ~link() { --*live; }
        link(const link&) = delete;
        link& operator=(const link&) = delete;

        void cut() {
            std::error_code ignored;
            client.close(ignored);
            origin.close(ignored);
        }
        void reset() {
            std::error_code ignored;
            client.set_option(asio::socket_base::linger(true, 0), ignored);
            cut();
        }
        void end_towards_client() {
            std::error_code ignored;
            client.shutdown(tcp_socket::shutdown_send, ignored);
            half_closed = true;
        }

        tcp_socket client;
        tcp_socket origin;
        fault_plan plan;
        std::shared_ptr<std::atomic<int>> live;
        bool silent = false;
        bool half_closed = false;
    };
    using link_ptr = std::shared_ptr<link>;

    static auto into(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

    void listen() {
        acceptor_.open(entry_.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address(true));
        if (settings_.buffer_bytes != 0)
            acceptor_.set_option(asio::socket_base::receive_buffer_size(settings_.buffer_bytes));
        acceptor_.bind(entry_);
        acceptor_.listen();
        asio::co_spawn(io_, accept_all(), asio::detached);
    }
    void stop_listening() {
        std::error_code ignored;
        acceptor_.close(ignored);
        tally_.note(fault::refuse);
    }

    /// Until nobody listens. Outages are counted in connections: on a slow machine each of them meets no more than on
    /// a fast one.
    asio::awaitable<void> accept_all() {
        std::uint64_t outage = next_outage();
        for (;;) {
            std::error_code error;
            tcp_socket client = co_await acceptor_.async_accept(into(error));
            if (error == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
            if (error) continue;
            fault_plan plan(settings_.seed + 0x10001u * ++accepted_, settings_.per_thousand_chunks);
            const fault opening = opening_for(plan);
            asio::co_spawn(io_, carry(std::make_shared<link>(std::move(client), io_, plan, live_), opening),
                           asio::detached);
            if (!settings_.outages || accepted_ < outage) continue;
            if (dice_.next() % 2 == 0) {
                hang_ups_ = 2 + dice_.next() % 9;
                outage = next_outage();
                continue;
            }
            stop_listening();
            co_await pause(std::chrono::milliseconds(10 + dice_.next() % 40));
            co_return listen();
        }
    }

    std::uint64_t next_outage() noexcept { return accepted_ + hang_ups_ + 10 + dice_.next() % 40; }
    /// What the newest connection meets: what was armed, or what is left of an outage, or what its plan says.
    fault opening_for(fault_plan& plan) {
        const std::lock_guard lock(mutex_);
        if (armed_opening_) return *std::exchange(armed_opening_, std::nullopt);
        if (hang_ups_ == 0) return plan.next_opening();
        --hang_ups_;
        return fault::hang_up;
    }

    asio::awaitable<void> carry(link_ptr l, fault opening) {
        std::error_code error;
        tally_.note(opening);
        if (opening == fault::hang_up) co_return l->cut();
        if (opening == fault::mute) co_return co_await listen_only(l);
        if (settings_.buffer_bytes != 0) {
            l->origin.open(target_.protocol());
            l->origin.set_option(asio::socket_base::send_buffer_size(settings_.buffer_bytes));
        }
        co_await l->origin.async_connect(target_, into(error));
        if (error) co_return l->reset();
        // What drips must leave in drops.
        l->client.set_option(asio::ip::tcp::no_delay(true), error);
        l->origin.set_option(asio::ip::tcp::no_delay(true), error);
        asio::co_spawn(io_, pump(l, way::up), asio::detached);
        asio::co_spawn(io_, pump(l, way::down), asio::detached);
    }

    /// Until the client has had enough.
    asio::awaitable<void> listen_only(link_ptr l) {
        std::array<char, 1024> room;
        std::error_code error;
        while (!error) co_await l->client.async_read_some(asio::buffer(room), into(error));
        l->cut();
    }

    asio::awaitable<void> pump(link_ptr l, way w) {
        tcp_socket& from = w == way::up ? l->client : l->origin;
        tcp_socket& to = w == way::up ? l->origin : l->client;
        std::array<char, 16 * 1024> room;
        for (;;) {
            std::error_code error;
            const std::size_t bytes = co_await from.async_read_some(asio::buffer(room), into(error));
            if (error) {
                // An orderly end is passed on; with the second one the link is over.
                if (error != asio::error::eof || l->silent) l->cut();
                if (to.is_open()) to.shutdown(tcp_socket::shutdown_send, error);
                co_return;
            }
            if (settings_.slow.count() != 0) co_await pause(settings_.slow);
            const fault_order order = order_for(*l, w, {room.data(), bytes});
            tally_.note(order.what);
            if (order.what == fault::corrupt) {
                char& victim = room[std::min(order.at, bytes - 1)];
                victim = static_cast<char>(victim ^ 0x80);
            }
            co_await obey(l, order, w, to, {room.data(), bytes});
        }
    }

    fault_order order_for(link& l, way w, std::string_view chunk) {
        const std::lock_guard lock(mutex_);
        if (armed_ && armed_->first == w) {
            const fault_order order = armed_->second;
            armed_.reset();
            return order;
        }
        return l.plan.next(w, chunk, settings_.tls);
    }

    asio::awaitable<void> obey(const link_ptr& l, fault_order order, way w, tcp_socket& to, std::string_view chunk) {
        switch (order.what) {
            case fault::delay: co_await pause(order.wait); co_return co_await pass(*l, w, to, chunk);
            case fault::drip_feed:
                for (std::size_t i = 0; i < chunk.size() && to.is_open(); ++i) {
                    co_await pass(*l, w, to, chunk.substr(i, 1));
                    co_await asio::post(io_, asio::use_awaitable);
                }
                co_return;
            case fault::truncate:
                co_await pass(*l, w, to, chunk.substr(0, order.at));
                l->end_towards_client();
                co_return l->cut();
            case fault::half_close:
                if (order.after) co_await pass(*l, w, to, chunk);
                co_return l->end_towards_client();
            case fault::reset:
                if (order.after) co_await pass(*l, w, to, chunk);
                co_return l->reset();
            case fault::silence:
                if (order.after) co_await pass(*l, w, to, chunk);
                l->silent = true;
                co_return;
            case fault::stale_close:
                co_await pass(*l, w, to, chunk);
                co_await pause(order.wait);
                l->end_towards_client();
                co_return l->cut();
            default: co_return co_await pass(*l, w, to, chunk);
        }
    }

    asio::awaitable<void> pass(link& l, way w, tcp_socket& to, std::string_view bytes) {
        if (l.silent || (w == way::down && l.half_closed)) co_return;
        std::error_code error;
        co_await asio::async_write(to, asio::buffer(bytes.data(), bytes.size()), into(error));
        if (error) l.cut();
    }

    asio::awaitable<void> pause(std::chrono::microseconds time) {
        asio::steady_timer timer(io_, time);
        std::error_code ignored;
        co_await timer.async_wait(into(ignored));
    }

    asio::io_context& io_;
    const tcp_endpoint entry_;
    const tcp_endpoint target_;
    const fault_settings settings_;
    fault_tally& tally_;
    asio::ip::tcp::acceptor acceptor_;
    base::random_source dice_;
    std::uint64_t accepted_ = 0;
    std::uint64_t hang_ups_ = 0;  // the next so many connections are ended at once: an outage
    // Links are destroyed with the context, after the proxy.
    const std::shared_ptr<std::atomic<int>> live_ = std::make_shared<std::atomic<int>>(0);
    mutable std::mutex mutex_;
    std::optional<std::pair<way, fault_order>> armed_;
    std::optional<fault> armed_opening_;
};

}  // namespace hotpool::test
