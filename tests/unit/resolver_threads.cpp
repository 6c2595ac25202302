// The resolver's threads: they come when they are needed, hang as long as they like, and nobody waits for them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/resolver.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;
using hotpool::detail::look_up_answer;
using hotpool::detail::resolver;

namespace {

constexpr auto long_enough = 20s;

/// A name service: names that begin with "silent" say nothing until `speak`.
class fake_names {
public:
    resolver::function function() {
        return [this](const std::string& host) { return look_up(host); };
    }
    void speak() {
        const std::lock_guard lock(mutex_);
        spoken_ = true;
        changed_.notify_all();
    }
    int asked_for(const std::string& host) {
        const std::lock_guard lock(mutex_);
        return asked_[host];
    }
    bool hang(int n) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, long_enough, [&] { return hanging_ == n; });
    }

private:
    look_up_answer look_up(const std::string& host) {
        std::unique_lock lock(mutex_);
        ++asked_[host];
        if (host.starts_with("throws")) throw std::runtime_error("no");
        if (host.starts_with("hungry")) throw std::bad_alloc();
        if (host.starts_with("lost")) return {.error = errc::resolve_failed, .definite = true};
        if (host.starts_with("silent")) {
            ++hanging_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return spoken_; });
            --hanging_;
            changed_.notify_all();
        }
        return {.addresses = {*ip_address::parse("192.0.2.1")}};
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, int> asked_;
    int hanging_ = 0;
    bool spoken_ = false;
};

class name_asker final : public hotpool::detail::look_up_asker {
public:
    void answered(const look_up_answer& answer) noexcept override {
        const std::lock_guard lock(mutex_);
        answer_ = answer;
        ++answers_;
        changed_.notify_all();
    }
    std::optional<look_up_answer> wait() {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, long_enough, [this] { return answers_ != 0; });
        return answer_;
    }
    int answers() {
        const std::lock_guard lock(mutex_);
        return answers_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<look_up_answer> answer_;
    int answers_ = 0;
};

struct resolver_bench {
    explicit resolver_bench(const hotpool::detail::look_up_limits& limits = {}, duration idle_life = 10s)
        : service(names->function(), limits, idle_life) {}
    ~resolver_bench() {
        names->speak();
        while (service.stats().under_way != 0) std::this_thread::yield();
    }
    std::shared_ptr<name_asker> ask(const std::string& host) {
        auto a = std::make_shared<name_asker>();
        error = service.ask(host, a);
        return a;
    }
    std::unique_ptr<fake_names> names = std::make_unique<fake_names>();
    resolver service;
    std::error_code error;
};

}  // namespace

TEST_CASE("resolver_answers_beside_names_that_say_nothing", "[resolver][thread]") {
    resolver_bench b;
    std::vector<std::shared_ptr<name_asker>> silent;
    for (int i = 0; i < 15; ++i) silent.push_back(b.ask("silent" + std::to_string(i)));
    REQUIRE(b.names->hang(15));
    const auto answer = b.ask("good")->wait();
    REQUIRE(answer.has_value());
    CHECK_FALSE(answer->error);
    CHECK(answer->addresses.size() == 1);
    for (const auto& s : silent) CHECK(s->answers() == 0);
    const resolver_stats s = b.service.stats();
    CHECK(s.under_way == 15);
    CHECK(s.look_ups == 16);
    CHECK(s.threads == 16);
    b.names->speak();
    for (const auto& one : silent) CHECK(one->wait().has_value());
}

TEST_CASE("seventeenth_name_has_its_turn_though_sixteen_never_say_anything", "[resolver][thread]") {
    resolver_bench b({.slow_after = 20ms});
    for (int i = 0; i < 16; ++i) b.ask("silent" + std::to_string(i));
    for (int i = 0; i < 20; ++i) CHECK(b.ask("good" + std::to_string(i))->wait().has_value());
    CHECK(b.service.stats().under_way == 16);
    CHECK(b.service.stats().threads <= 16 + 20);
}

TEST_CASE("resolver_whose_places_are_all_taken_says_so", "[resolver][thread]") {
    resolver_bench b({.quick = 1, .slow = 1, .waiting = 2, .slow_after = 5ms, .longest_wait = 40ms});
    std::vector<std::shared_ptr<name_asker>> silent{b.ask("silent1"), b.ask("silent2")};
    REQUIRE(b.names->hang(2));
    const auto refused = b.ask("good")->wait();
    REQUIRE(refused.has_value());
    CHECK(refused->error == errc::resolver_busy);
    CHECK(b.service.stats().refused == 1);
    CHECK(b.service.stats().threads == 3);  // one for each place, and one that watches the time
    b.names->speak();
    for (const auto& s : silent) CHECK(s->wait().has_value());
    CHECK_FALSE(b.ask("good")->wait()->error);
}

TEST_CASE("many_questions_for_one_name_are_one_look_up", "[resolver][thread]") {
    resolver_bench b;
    std::vector<std::shared_ptr<name_asker>> askers;
    for (int i = 0; i < 100; ++i) askers.push_back(b.ask("silent"));
    REQUIRE(b.names->hang(1));
    b.names->speak();
    for (const auto& a : askers) {
        REQUIRE(a->wait().has_value());
        CHECK(a->answers() == 1);
    }
    CHECK(b.names->asked_for("silent") == 1);
    CHECK(b.service.stats().joined == 99);
}

TEST_CASE("asker_that_has_gone_is_told_nothing_and_keeps_nothing", "[resolver][thread]") {
    resolver_bench b;
    auto gone = b.ask("silent");
    const std::weak_ptr<name_asker> watch = gone;
    REQUIRE(b.names->hang(1));
    gone.reset();
    CHECK(watch.expired());
    const auto stays = b.ask("silent");
    b.names->speak();
    CHECK(stays->wait().has_value());
}

TEST_CASE("failures_of_a_look_up_reach_whoever_asked", "[resolver][thread]") {
    resolver_bench b;
    const auto lost = b.ask("lost")->wait();
    CHECK(lost->error == errc::resolve_failed);
    CHECK(lost->definite);
    CHECK(b.ask("hungry")->wait()->error == std::errc::not_enough_memory);
    const auto thrown = b.ask("throws")->wait();
    CHECK(thrown->error == errc::resolve_failed);
    CHECK_FALSE(thrown->definite);
    CHECK(b.service.stats().failed == 3);
}

TEST_CASE("threads_end_when_nothing_has_been_asked_for_some_time", "[resolver][thread]") {
    resolver_bench b({}, 1ms);
    for (int i = 0; i < 8; ++i) b.ask("good" + std::to_string(i))->wait();
    const auto end = clock_type::now() + long_enough;
    while (b.service.stats().threads != 0 && clock_type::now() < end) std::this_thread::yield();
    CHECK(b.service.stats().threads == 0);
    CHECK(b.ask("good")->wait().has_value());
}

TEST_CASE("crowd_of_names_takes_no_more_threads_than_there_are_places", "[resolver][thread]") {
    resolver_bench b({.quick = 4, .slow = 4});
    std::vector<std::shared_ptr<name_asker>> askers;
    std::size_t most = 0;
    for (int i = 0; i < 500; ++i) {
        askers.push_back(b.ask("name" + std::to_string(i)));
        most = std::max(most, b.service.stats().threads);
    }
    for (const auto& a : askers) CHECK(a->wait().has_value());
    CHECK(most <= 9);
}

TEST_CASE("resolver_may_end_while_its_threads_are_at_it", "[resolver][thread]") {
    const auto names = std::make_shared<fake_names>();
    const auto asker = std::make_shared<name_asker>();
    {
        resolver service([names](const std::string& host) { return names->function()(host); });
        CHECK_FALSE(service.ask("silent", asker));
        REQUIRE(names->hang(1));
    }
    names->speak();
    REQUIRE(names->hang(0));
    CHECK(asker->answers() == 0);
}

TEST_CASE("many_threads_ask_and_go_at_once", "[resolver][thread]") {
    resolver_bench b({.quick = 3, .slow = 2, .slow_after = 1ms}, 1ms);
    std::vector<std::thread> crowd;
    std::atomic<int> answered{0};
    for (int t = 0; t < 4; ++t)
        crowd.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                const auto a = std::make_shared<name_asker>();
                if (b.service.ask("name" + std::to_string((t + i) % 7), a, i % 5 == 0)) continue;
                if (i % 3 == 0) continue;  // it has lost interest
                answered += a->wait().has_value();
            }
        });
    for (auto& t : crowd) t.join();
    CHECK(answered > 400);
}
