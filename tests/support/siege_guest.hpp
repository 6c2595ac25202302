// The good clients of a siege: they ask at a steady pace, and look at every answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/inbound_http.hpp"
#include "support/storm_report.hpp"

namespace hotpool::test {

/// What good clients have met in a round.
struct siege_figures {
    std::size_t answers = 0;
    duration p50{}, p99{};

    static siege_figures of(std::vector<duration> times) {
        if (times.empty()) return {};
        std::sort(times.begin(), times.end());
        return {times.size(), times[times.size() / 2], times[times.size() * 99 / 100]};
    }
};

/// What good clients have in common.
struct siege_guests_rules {
    std::atomic<std::uint16_t> port{0};
    /// Servers change: a connection may end with its reply, and a newcomer may have to try again.
    std::atomic<bool> servers_change{false};
    std::atomic<std::uint64_t> next_id{1};
    violations broken;
};

/// One keep-alive client on a thread of its own, at rest until it is told to go on.
/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class siege_guest {
public:
    static constexpr duration pace = std::chrono::milliseconds(5);

    /// @param from its address
    /// @param stay after how many requests it leaves, to come again; 0: never
    siege_guest(siege_guests_rules& rules, const char* from, int stay) : rules_(rules), from_(from), stay_(stay) {
        thread_ = std::thread([this] { run(); });
    }
    ~siege_guest() {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    void go_on() { set_resting(false); }
    /// It has no request under way on return.
    void rest() {
        set_resting(true);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return is_resting_; });
    }
    /// How long its requests have taken, each from when it was due, unless the client was late by itself.
    std::vector<duration> take_times() {
        const std::lock_guard lock(mutex_);
        return std::exchange(times_, {});
    }
    std::uint64_t arrivals() const noexcept { return arrivals_; }
    /// Those that ended its connection in order.
    std::uint64_t goodbyes() const noexcept { return goodbyes_; }

private:
    void set_resting(bool on) {
        {
            const std::lock_guard lock(mutex_);
            resting_ = on;
            if (!on) is_resting_ = false;
        }
        changed_.notify_all();
    }
    /// False at the end.
    bool may_go_on() {
        std::unique_lock lock(mutex_);
        if (resting_ && !over_) {
            is_resting_ = true;
            changed_.notify_all();
            changed_.wait(lock, [&] { return !resting_ || over_; });
            due_ = clock_type::now();
        }
        return !over_;
    }
    void run() {
        while (may_go_on()) {
            due_ += pace;
            time_point begins = due_;
            if (clock_type::now() < due_) {
                std::this_thread::sleep_until(due_);
                begins = clock_type::now();
            }
            try {
                ask(begins);
            } catch (const std::exception& failure) {
                lose(failure.what());
            }
            // Who was held up does not make up for all of it: that would be a flood of his own.
            due_ = std::max(due_, clock_type::now() - 5 * pace);
        }
        leave();
    }
    void lose(const std::string& how) {
        rules_.broken.note(std::string("a good client at ") + from_ + ": " + how);
        peer_.reset();
    }

    void ask(time_point begins) {
        const std::uint64_t id = rules_.next_id++;
        const std::string name = std::to_string(id);
        static constexpr const char* paths[] = {"/now/", "/later/", "/elsewhere/", "/now/"};
        static constexpr std::size_t sizes[] = {0, 2'000, 0, 20'000};
        const std::string body(sizes[id % 4], static_cast<char>('a' + id % 26));
        const std::string target = paths[id % 4] + name;
        const std::string request = body.empty() ? get(target) : post(target, body);
        std::optional<seen_reply> seen;
        for (;;) {
            const bool fresh = !peer_;
            if (fresh) {
                if (!arrive()) return;
                begins = std::max(begins, clock_type::now());
            }
            seen = peer_->ask(request);
            // A newcomer may be told that this server leaves, and go to the next one.
            if (!fresh || !rules_.servers_change || (seen && seen->status == 200)) break;
            peer_.reset();
        }
        if (!seen) return lose("no answer to " + target + " (" + std::to_string(requests_) + " before)");
        if (seen->status != 200 || seen->body != name + ':' + body)
            return lose("a wrong answer to " + target + ": " + std::to_string(seen->status));
        {
            const std::lock_guard lock(mutex_);
            times_.push_back(clock_type::now() - begins);
        }
        ++requests_;
        if (seen->closes()) {
            if (!rules_.servers_change) lose("told to leave");
            return leave();
        }
        if (stay_ != 0 && requests_ >= stay_) leave();
    }
    bool arrive() {
        const time_point deadline = clock_type::now() + plenty;
        do {
            client_socket socket(rules_.port, "127.0.0.1", from_);
            const bool came = socket.is_connected() && (!Kind::handshakes || socket.shake_hands());
            if (came) {
                peer_ = std::make_unique<http_peer>(std::move(socket));
                requests_ = 0;
                ++arrivals_;
                return true;
            }
            if (!rules_.servers_change) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        } while (clock_type::now() < deadline);
        lose("not let in");
        return false;
    }
    void leave() {
        if (!peer_) return;
        peer_->socket().end_sending();
        peer_->socket().wait_for_end();
        peer_.reset();
        ++goodbyes_;
    }

    siege_guests_rules& rules_;
    const char* const from_;
    const int stay_;
    std::unique_ptr<http_peer> peer_;
    int requests_ = 0;  // on this connection
    time_point due_{};
    std::atomic<std::uint64_t> arrivals_{0};
    std::atomic<std::uint64_t> goodbyes_{0};

    std::mutex mutex_;
    std::condition_variable changed_;
    bool resting_ = true;
    bool is_resting_ = false;
    bool over_ = false;
    std::vector<duration> times_;
    std::thread thread_;
};

}  // namespace hotpool::test
