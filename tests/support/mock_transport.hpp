// A network in memory: a test opens, fails, feeds and closes its connections by hand, one step at a time.
//
//     mock_network net;
//     mock_pool pool(io.get_executor(), mock_origin, options, {&net});
//     pool.async_get(...);
//     net.openings.at(0).succeed();
//     net.links.at(0)->feed("hello");
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/connection_pool.hpp"

namespace hotpool::test {

/// The wire of one connection; both ends are in the same thread.
struct mock_link {
    using callback = std::function<void(std::error_code)>;

    explicit mock_link(net::any_io_executor e) : executor(std::move(e)) {}

    net::any_io_executor executor;
    std::string incoming;
    std::string written;
    std::error_code end{};  ///< what a read says behind the incoming bytes
    bool closed = false;
    bool takes_writes = true;  ///< false: a write would block
    int waits = 0;             ///< readiness waits begun
    int releases = 0;          ///< times its buffers were given back
    callback reader, writer;

    bool readable() const { return closed || !incoming.empty() || end; }
    bool writable() const { return closed || takes_writes || end; }

    void feed(std::string_view bytes) {
        incoming += bytes;
        settle();
    }
    void finish(std::error_code why = errc::connection_closed) {
        end = why;
        settle();
    }
    void accept_writes() {
        takes_writes = true;
        settle();
    }
    void settle() {
        if (reader && readable()) fire(reader, {});
        if (writer && writable()) fire(writer, {});
    }
    void abort_waits() {
        if (reader) fire(reader, net::error::operation_aborted);
        if (writer) fire(writer, net::error::operation_aborted);
    }

private:
    void fire(callback& waiting, std::error_code error) {
        net::post(executor, [done = std::exchange(waiting, nullptr), error] { done(error); });
    }
};

template <class Executor>
class mock_stream {
public:
    using executor_type = Executor;
    static constexpr bool holds_buffers = true;

    explicit mock_stream(const Executor& executor) : executor_(executor) {}
    mock_stream(const Executor& executor, std::shared_ptr<mock_link> link)
        : executor_(executor), link_(std::move(link)) {}
    mock_stream(mock_stream&&) = default;
    mock_stream& operator=(mock_stream&& other) {
        close();
        executor_ = other.executor_;
        link_ = std::move(other.link_);
        return *this;
    }
    ~mock_stream() { close(); }

    Executor get_executor() noexcept { return executor_; }
    io_result try_read(net::mutable_buffer room) noexcept {
        if (!link_ || link_->closed) return {.error = errc::connection_reset};
        const std::size_t bytes = std::min(room.size(), link_->incoming.size());
        if (bytes == 0 && link_->end) return {.error = link_->end};
        if (bytes == 0) return {.want = io_want::read};
        std::memcpy(room.data(), link_->incoming.data(), bytes);
        link_->incoming.erase(0, bytes);
        return {.bytes = bytes};
    }
    io_result try_write(net::const_buffer head, net::const_buffer body = {}) noexcept {
        if (!link_ || link_->closed) return {.error = errc::connection_reset};
        if (link_->end) return {.error = errc::connection_reset};
        if (!link_->takes_writes) return {.want = io_want::write};
        link_->written.append(static_cast<const char*>(head.data()), head.size());
        link_->written.append(static_cast<const char*>(body.data()), body.size());
        return {.bytes = head.size() + body.size()};
    }
    template <class Handler>
    void async_wait(io_want want, Handler&& handler) {
        auto kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
        ++link_->waits;
        (want == io_want::write ? link_->writer : link_->reader) = [kept](std::error_code error) { (*kept)(error); };
        link_->settle();
    }
    void cancel() noexcept { link_->abort_waits(); }
    bool has_buffered() const noexcept { return false; }
    void release_buffers() noexcept { ++link_->releases; }
    void close() noexcept {
        if (!link_ || link_->closed) return;
        link_->closed = true;
        link_->abort_waits();
    }
    void abort() noexcept { close(); }

private:
    Executor executor_;
    std::shared_ptr<mock_link> link_;
};

/// An opening under way.
struct mock_opening {
    std::function<void(std::error_code)> complete;  ///< empty when it has ended
    std::function<void()> posted_cancel;

    bool pending() const { return static_cast<bool>(complete); }
    void succeed() { end({}); }
    void fail(std::error_code why = errc::connect_refused) { end(why); }
    void end(std::error_code why) {
        if (complete) std::exchange(complete, nullptr)(why);
    }
};

/// Everything that was opened or is being opened.
struct mock_network {
    std::deque<mock_opening> openings{};
    std::vector<std::shared_ptr<mock_link>> links{};
    bool opens_at_once = false;

    std::size_t pending() const {
        return static_cast<std::size_t>(
            std::count_if(openings.begin(), openings.end(), [](const mock_opening& o) { return o.pending(); }));
    }
    std::size_t open_links() const {
        return static_cast<std::size_t>(std::count_if(links.begin(), links.end(), [](auto& l) { return !l->closed; }));
    }
};

class mock_transport {
public:
    struct options {
        mock_network* network = nullptr;
    };
    template <class Executor>
    using stream = mock_stream<Executor>;

    static constexpr std::string_view scheme = "mock";
    static constexpr std::string_view default_port = "80";

    mock_transport(origin, options o) : network_(o.network) {}

    template <class Executor, class Handler>
    opening async_open(const Executor& executor, std::chrono::nanoseconds, Handler handler) const {
        auto kept = std::make_shared<Handler>(std::move(handler));
        mock_opening& begun = network_->openings.emplace_back();
        begun.complete = [network = network_, executor, kept](std::error_code error) {
            std::shared_ptr<mock_link> link;
            if (!error) link = network->links.emplace_back(std::make_shared<mock_link>(executor));
            net::post(executor, [kept, error, link, executor] {
                std::move (*kept)(error, link ? stream<Executor>(executor, link) : stream<Executor>(executor));
            });
        };
        const auto running = std::make_shared<cancel_opening>();
        running->target = &begun;
        begun.posted_cancel = [running] {};  // lives as long as the network
        if (network_->opens_at_once) begun.succeed();
        return opening(running);
    }

private:
    struct cancel_opening final : opening::operation {
        void cancel() override { target->fail(errc::cancelled); }
        mock_opening* target = nullptr;
    };
    mock_network* network_;
};

using mock_pool = connection_pool<mock_transport>;
inline const origin mock_origin{.host = "mock", .port = "80"};

}  // namespace hotpool::test
