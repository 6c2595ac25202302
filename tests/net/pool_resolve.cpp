// Names: one that is slow or silent harms its own pool only, and a late answer does no harm; nobody waits for a look-up.
#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/strand.hpp>
#include <asio/system_executor.hpp>

#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* slow_name = "slow.hotpool.test";
constexpr const char* lost_name = "lost.hotpool.test";
constexpr auto slowness = 300ms;
std::atomic<int> lookups = 0;

/// What is said of names that begin with "silent": nothing, until it is lifted.
class name_silence {
public:
    name_silence() { fall(); }
    name_silence(const name_silence&) = delete;
    ~name_silence() { lift(); }
    void lift() { set(false); }
    void fall() { set(true); }
    /// How many look-ups of that name say nothing just now.
    static std::size_t waiting(const std::string& host) {
        const std::lock_guard lock(mutex_);
        return waiting_.count(host);
    }
    static void wait(const std::string& host) {
        std::unique_lock lock(mutex_);
        const auto place = waiting_.insert(host);
        changed_.wait(lock, [] { return !silent_; });
        waiting_.erase(place);
    }

private:
    static void set(bool silent) {
        const std::lock_guard lock(mutex_);
        silent_ = silent;
        changed_.notify_all();
    }
    static inline std::mutex mutex_;
    static inline std::condition_variable changed_;
    static inline std::multiset<std::string> waiting_;
    static inline bool silent_ = false;
};

}  // namespace

// Stands before the system's resolver: one name is slow, others are silent, and all of them are loopback; one does not
// exist.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** results) {
    using resolver = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto system = reinterpret_cast<resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (node != nullptr && std::strcmp(node, lost_name) == 0) return EAI_NONAME;
    const bool slow = node != nullptr && std::strcmp(node, slow_name) == 0;
    lookups += slow;
    if (slow) std::this_thread::sleep_for(slowness);
    const bool silent = node != nullptr && std::strncmp(node, "silent", 6) == 0;
    if (silent) name_silence::wait(node);
    return system(slow || silent ? "127.0.0.1" : node, service, hints, results);
}

TEST_CASE("name_is_looked_up_once_for_many_connections", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    lookups = 0;
    tcp_pool pool(io.get_executor(), {slow_name, server.target().port}, {.max_connections = 4});
    got<tcp_pool> answers[4];
    for (auto& answer : answers) pool.async_get(answer.handler());
    for (auto& answer : answers) {
        REQUIRE(run_until(io, [&] { return answer.done(); }));
        REQUIRE_FALSE(answer.error);
    }
    CHECK(lookups == 1);
    CHECK(answers[0].lease.stream().remote_endpoint().address().is_loopback());
    REQUIRE(pool.endpoints().size() == 1);
    CHECK(pool.endpoints().front().load.leased == 4);
    CHECK(pool.stats().total.answers == 1);
}

TEST_CASE("answer_of_the_resolver_that_is_late_comes_to_nothing", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    tcp_pool pool(io.get_executor(), {slow_name, server.target().port}, {.connect_timeout = 50ms});
    got<tcp_pool> answer;
    const auto started = clock_type::now();
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::connect_timed_out);
    CHECK(clock_type::now() - started >= 50ms);
    CHECK(clock_type::now() - started < slowness);
    CHECK(pool.stats().now.total() == 0);
    REQUIRE(run_until(io, [&] { return pool.stats().total.answers == 1; }));
    CHECK(server.accepted() == 0);
}

TEST_CASE("name_that_does_not_exist_is_told_as_such", "[pool]") {
    net::io_context io;
    tcp_pool pool(io.get_executor(), {lost_name, "80"});
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::resolve_failed);
    CHECK(pool.stats().last_open_error == errc::resolve_failed);
    CHECK(pool.stats().total.failed_answers == 1);
}

TEST_CASE("pool_closed_or_gone_while_a_name_is_looked_up_leaves_nothing", "[pool]") {
    net::io_context io;
    got<tcp_pool> answer;
    {
        tcp_pool pool(io.get_executor(), {slow_name, "80"});
        pool.async_get(answer.handler());
        io.poll();
        CHECK(pool.stats().now.opening == 1);
        pool.close();
        CHECK(pool.stats().now.total() == 0);
    }
    CHECK(run_dry(io));
    CHECK(answer.error == errc::pool_closed);
    CHECK(answer.completions == 1);
}

TEST_CASE("io_context_may_end_while_a_name_is_looked_up", "[pool]") {
    got<tcp_pool> answer;
    {
        net::io_context io;
        tcp_pool pool(io.get_executor(), {slow_name, "80"});
        pool.async_get(answer.handler());
        io.poll();
    }
    CHECK(answer.completions <= 1);
}

TEST_CASE("silent_names_harm_their_own_pools_only", "[pool][resolver]") {
    name_silence silence;
    const site<tcp_transport> server;
    net::io_context io;
    const std::string port = server.target().port;
    const pool_options patient{.connect_timeout = 20s};
    std::vector<std::unique_ptr<tcp_pool>> silent;
    std::vector<got<tcp_pool>> unanswered(3);
    for (auto& answer : unanswered) {
        const std::string host = "silent" + std::to_string(silent.size()) + ".hotpool.test";
        silent.push_back(std::make_unique<tcp_pool>(io.get_executor(), origin{host, port}, patient));
        silent.back()->async_get(answer.handler());
    }
    for (const auto& pool : silent)
        REQUIRE(run_until(io, [&] { return name_silence::waiting(pool->target().host) == 1; }));
    const auto started = clock_type::now();
    tcp_pool good(io.get_executor(), {"localhost", port});
    auto lease = get(io, good);
    CHECK(round_trip(io, lease, "at once") == "at once");
    CHECK(clock_type::now() - started < 1s);
    CHECK(system_resolver_stats().under_way >= 3);
    CHECK(system_resolver_stats().threads >= 4);
    for (auto& answer : unanswered) CHECK_FALSE(answer.done());
    silence.lift();
    for (auto& answer : unanswered) {
        REQUIRE(run_until(io, [&] { return answer.done(); }));
        CHECK_FALSE(answer.error);
    }
}

TEST_CASE("pools_of_one_name_share_its_look_up", "[pool][resolver]") {
    name_silence silence;
    const site<tcp_transport> server;
    net::io_context io, other;
    const origin target{"silent.shared.test", server.target().port};
    const resolver_stats before = system_resolver_stats();
    tcp_pool first(io.get_executor(), target), second(io.get_executor(), {target.host, "1"}),
        third(other.get_executor(), target);
    got<tcp_pool> answers[3];
    first.async_get(answers[0].handler());
    second.async_get(answers[1].handler());
    third.async_get(answers[2].handler());
    REQUIRE(run_until(io, [&] { return name_silence::waiting(target.host) == 1; }));
    CHECK(system_resolver_stats().joined - before.joined == 2);
    silence.lift();
    REQUIRE(run_until(io, [&] { return answers[0].done() && answers[1].done(); }));
    REQUIRE(run_until(other, [&] { return answers[2].done(); }));
    CHECK_FALSE(answers[0].error);
    CHECK(answers[1].error == errc::connect_refused);  // each with its own port
    CHECK_FALSE(answers[2].error);
}

TEST_CASE("warm_pool_opens_by_what_is_known_while_the_name_service_is_silent", "[pool][resolver]") {
    name_silence silence;
    silence.lift();
    const site<tcp_transport> server;
    net::io_context io;
    tcp_pool pool(io.get_executor(), {"silent.warm.test", server.target().port},
                  {.connect_timeout = 200ms, .resolve_interval = 5ms});
    auto first = get(io, pool);
    silence.fall();
    REQUIRE(run_until(io, [] { return name_silence::waiting("silent.warm.test") == 1; }));
    io.restart();
    io.run_for(300ms);  // far more than two intervals, and longer than a question is waited for
    auto second = get(io, pool);
    CHECK(round_trip(io, second, "known") == "known");
    CHECK(pool.stats().total.failed_answers >= 1);
    CHECK(name_silence::waiting("silent.warm.test") == 1);  // however often it is asked
    const std::uint64_t answers = pool.stats().total.answers;
    silence.lift();
    CHECK(run_until(io, [&] { return pool.stats().total.answers > answers; }));
}

TEST_CASE("end_of_a_context_waits_for_no_look_up", "[pool][resolver][endings]") {
    name_silence silence;
    auto alive = std::make_shared<int>(1);
    for (const bool closed : {false, true})
        for (const bool strand : {false, true}) {
            INFO("the pool is closed " << closed << ", strand " << strand);
            auto io = std::make_unique<net::io_context>();
            net::any_io_executor executor = io->get_executor();
            if (strand) executor = net::make_strand(*io);
            auto pool = std::make_shared<tcp_pool>(executor, origin{"silent.context.test", "80"});
            executor = net::system_executor();
            pool->async_get([alive, pool](std::error_code, tcp_pool::lease_type) {});
            REQUIRE(run_until(*io, [] { return name_silence::waiting("silent.context.test") == 1; }));
            const auto started = clock_type::now();
            if (closed) pool->close();
            pool.reset();  // the handler has it
            io.reset();
            CHECK(clock_type::now() - started < 100ms);
            CHECK(alive.use_count() == 1);
        }
}

TEST_CASE("pool_that_is_closed_or_drained_lets_run_return_whatever_its_name_says", "[pool][resolver]") {
    name_silence silence;
    for (const bool drains : {false, true}) {
        net::io_context io;
        tcp_pool pool(io.get_executor(), {"silent.run.test", "80"});
        got<tcp_pool> answer;
        pool.async_get(answer.handler());
        REQUIRE(run_until(io, [] { return name_silence::waiting("silent.run.test") == 1; }));
        io.restart();
        io.run_for(20ms);
        CHECK_FALSE(io.stopped());  // the question is work
        const auto started = clock_type::now();
        if (drains)
            pool.async_drain(1h, [](std::error_code error) { CHECK_FALSE(error); });
        else
            pool.close();
        CHECK(run_dry(io));
        CHECK(clock_type::now() - started < 1s);
        CHECK(answer.error == (drains ? errc::pool_draining : errc::pool_closed));
    }
}

TEST_CASE("other_network_waits_for_no_answer_of_the_one_before", "[pool][resolver]") {
    name_silence silence;
    const site<tcp_transport> server;
    net::io_context io;
    tcp_pool pool(io.get_executor(), {"silent.network.test", server.target().port});
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [] { return name_silence::waiting("silent.network.test") == 1; }));
    pool.network_changed();
    REQUIRE(run_until(io, [] { return name_silence::waiting("silent.network.test") == 2; }));
    pool.network_changed();
    io.restart();
    io.run_for(20ms);
    CHECK(name_silence::waiting("silent.network.test") == 2);  // and no more at once
    silence.lift();
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK_FALSE(answer.error);
}

TEST_CASE("source_that_never_answers_is_asked_again", "[pool][endpoints]") {
    const site<tcp_transport> server;
    net::io_context io;
    std::vector<std::unique_ptr<endpoint_answer>> kept;
    tcp_pool pool(io.get_executor(), {"127.0.0.1", "1"}, {.connect_timeout = 100ms}, {},
                  pool_services{.endpoints = [&](endpoint_answer answer) {
                      kept.push_back(std::make_unique<endpoint_answer>(std::move(answer)));
                  }});
    got<tcp_pool> lost;
    pool.async_get(lost.handler());
    REQUIRE(run_until(io, [&] { return lost.done(); }));
    CHECK(lost.error == errc::connect_timed_out);
    got<tcp_pool> served;
    pool.async_get(served.handler());
    REQUIRE(run_until(io, [&] { return kept.size() >= 2; }));
    (*kept.front())({}, {endpoint_of(server)});  // to the question that has been given up
    REQUIRE(run_until(io, [&] { return served.done(); }));
    CHECK_FALSE(served.error);
    std::exchange(kept, {}).clear();  // which may ask for more
    CHECK(pool.endpoints().size() == 1);
}

TEST_CASE("contexts_end_while_the_resolver_answers", "[pool][resolver][thread]") {
    name_silence silence;
    const auto alive = std::make_shared<int>(1);
    for (int i = 0; i < 100; ++i) {
        const std::string name = "silent" + std::to_string(i) + ".end.test";
        silence.fall();
        auto io = std::make_unique<net::io_context>();
        auto pool = std::make_shared<tcp_pool>(io->get_executor(), origin{name, "1"});
        pool->async_get([alive, pool](std::error_code, tcp_pool::lease_type) {});
        io->poll();
        while (name_silence::waiting(name) == 0) std::this_thread::yield();
        std::thread speaker([&] { silence.lift(); });
        for (int spins = i * 50; spins > 0; --spins) std::this_thread::yield();
        if (i % 4 == 0) pool->close();
        pool.reset();  // the handler has it
        if (i % 2 == 0) io->poll();
        io.reset();
        CHECK(alive.use_count() == 1);
        speaker.join();
    }
}

TEST_CASE("long_answer_holds_up_nobody_else", "[pool][endpoints][thread]") {
    endpoint_list many;
    for (std::uint32_t i = 0; i < 40'000; ++i)
        many.push_back(
            {ip_address(ip_address::v4_bytes_type{127, static_cast<std::uint8_t>(i >> 16),
                                                  static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}),
             80});
    net::io_context io;
    std::optional<endpoint_answer> question;
    tcp_pool pool(io.get_executor(), {"127.0.0.1", "1"}, {.connect_timeout = 20s}, {},
                  pool_services{.endpoints = [&](endpoint_answer answer) { question.emplace(std::move(answer)); }});
    pool.async_warm(1, [](std::error_code) {});
    pool.suspend();
    io.poll();
    REQUIRE(question.has_value());
    std::atomic<bool> merged = false;
    duration longest{};
    std::thread looker([&] {
        while (!merged) {
            const auto began = clock_type::now();
            pool.stats();
            longest = std::max(longest, clock_type::now() - began);
        }
    });
    const auto began = clock_type::now();
    (*question)({}, many);
    CHECK(clock_type::now() - began < 5s);
    merged = true;
    looker.join();
    CHECK(longest < 1s);
    CHECK(pool.endpoints().size() == many.size());
}
