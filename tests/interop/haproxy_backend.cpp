// haproxy in front of two servers, which are taken out and put back under load.
#include "hotpool/http_client.hpp"
#include "support/haproxy.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"
#include "support/server_sides.hpp"
#include "support/steady_load.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t connections = 16;

using front_tcp = server_sides::over_tcp;
using front_tls = server_sides::over_tls;

/// What both servers have processed, by target.
class ledger {
public:
    loopback_server::script served_by(const std::string& name) {
        return [this, name](server_connection& c) {
            for (;;) {
                const std::string head = c.read_until("\r\n\r\n");
                // haproxy writes names of fields in small letters.
                constexpr std::string_view length = "content-length: ";
                const auto field = head.find(length);
                if (field != head.npos) c.read_exactly(std::stoul(head.substr(field + length.size())));
                const auto begin = head.find(' ') + 1;
                const std::string target = head.substr(begin, head.find(' ', begin) - begin);
                enter(name, target);
                c.write(ok(target));
            }
        };
    }
    std::size_t served(const std::string& name) const {
        const std::lock_guard lock(mutex_);
        const auto found = by_server_.find(name);
        return found == by_server_.end() ? 0 : found->second;
    }
    std::map<std::string, int> times() const {
        const std::lock_guard lock(mutex_);
        return times_;
    }

private:
    void enter(const std::string& name, const std::string& target) {
        const std::lock_guard lock(mutex_);
        ++by_server_[name];
        ++times_[target];
    }

    mutable std::mutex mutex_;
    std::map<std::string, std::size_t> by_server_;
    std::map<std::string, int> times_;
};

/// Two servers behind haproxy, and a pool in front of it.
template <class Side>
struct haproxy_stage {
    ledger books;
    loopback_server first{books.served_by("first")};
    loopback_server second{books.served_by("second")};
    const haproxy front{first.port(), second.port()};
    net::io_context io;
    typename Side::pool_type pool{io.get_executor(), origin{"127.0.0.1", Side::port(front)},
                                  pool_options{.max_connections = connections}, Side::options(front)};
    http_client<typename Side::pool_type> client{pool};
};

}  // namespace

TEMPLATE_TEST_CASE("haproxy_that_changes_its_servers_under_load_fails_no_request", "[interop][haproxy]", front_tcp,
                   front_tls) {
    haproxy_stage<TestType> s;
    auto& [books, first, second, front, io, pool, client] = s;
    steady_load load(client);
    const auto more = [&](const std::string& name, std::size_t requests) {
        const std::size_t before = books.served(name);
        return run_until(io, [&, before] { return books.served(name) >= before + requests; });
    };
    load.start(12, 4);
    for (int i = 0; i < 5; ++i) {
        for (const auto& [out, in] : {std::pair{"first", "second"}, std::pair{"second", "first"}}) {
            REQUIRE(more(out, 100));
            front.disable(out);
            const std::size_t by_now = books.served(out);
            REQUIRE(more(in, 200));
            // No more than were on their way.
            CHECK(books.served(out) <= by_now + connections);
            front.enable(out);
        }
    }
    load.stop();
    REQUIRE(run_until(io, [&load] { return load.finished(); }));

    CHECK(load.wrong().empty());
    for (const auto& [target, error] : load.failed_gets()) FAIL_CHECK(target << ": " << error.message());
    for (const auto& [target, error] : load.failed_posts()) FAIL_CHECK(target << ": " << error.message());
    for (const auto& [target, n] : books.times())
        if (n != 1) FAIL_CHECK(target << " was processed " << n << " times");
    CHECK(books.times().size() == load.gets() + load.posts());
    // What happens behind haproxy costs no connection to it.
    CHECK(pool.stats().total.opened <= connections);
}

TEMPLATE_TEST_CASE("haproxy_without_any_server_answers_503_until_there_is_one", "[interop][haproxy]", front_tcp,
                   front_tls) {
    haproxy_stage<TestType> s;
    auto& [books, first, second, front, io, pool, client] = s;
    const auto get = [&] {
        answer a;
        client.async_get("/", stage<over_tcp>::into(a));
        REQUIRE(run_until(io, [&a] { return a.completions == 1; }));
        CHECK_FALSE(a.error);
        return a.reply.status();
    };
    CHECK(get() == 200);
    front.disable("first");
    front.disable("second");
    CHECK(get() == 503);
    CHECK(get() == 503);
    front.enable("second");
    CHECK(get() == 200);
}
