// One operation, begun again and again, and cancelled one handler later each time, until it ends by itself first.
#pragma once

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/http_client.hpp"
#include "support/cancel_after.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

/// Pauses before each retry, so that there is a pause to cancel.
struct pausing_policies : default_policies {
    struct retry : hotpool::retry {
        duration pause(const failed_try&, double) const noexcept { return std::chrono::milliseconds(1); }
    };
};

template <class Transport>
struct cancel_run;

template <class Transport>
struct cancel_plan {
    using run_type = cancel_run<Transport>;

    loopback_server::script script = echo;
    pool_options options{};
    /// Empty: the server by its address.
    std::function<origin(const site<Transport>&)> target = [](const site<Transport>& server) {
        return server.target();
    };
    std::function<pool_services(net::io_context&, const site<Transport>&)> services = [](auto&, auto&) {
        return pool_services{};
    };
    /// Before the operation begins; not cancelled.
    std::function<void(run_type&)> prepare = [](run_type&) {};
    std::function<void(run_type&)> start;
    /// How the operation may end but by being cancelled.
    std::vector<std::error_code> outcomes{std::error_code()};
};

/// One run of an operation: a loop and a pool of its own, a server shared with the other runs.
template <class Transport>
struct cancel_run {
    using pool_type = connection_pool<Transport, pausing_policies>;
    using lease_type = typename pool_type::lease_type;
    using reader_type = response_reader<Transport>;

    cancel_run(const cancel_plan<Transport>& plan, const site<Transport>& server)
        : pool(io.get_executor(), plan.target(server), plan.options, trusting_options<Transport>(),
               plan.services(io, server)),
          client(pool, {.max_retry_after = std::chrono::seconds(1)}) {}

    /// To be called when the operation ends, which its cancellation slot cancels.
    auto handler() {
        return net::bind_cancellation_slot(signal.slot(), [this](std::error_code e, auto... results) {
            ++completions;
            error = e;
            (keep(results), ...);
        });
    }

    net::io_context io;
    pool_type pool;
    http_client<pool_type> client;
    net::cancellation_signal signal;
    request_builder request{"GET", "/"};
    int completions = 0;
    std::error_code error;
    std::vector<lease_type> leases;  // not the operation's, and what it was given
    reader_type reader;
    std::shared_ptr<void> kept;  // what else the operation needs

private:
    void keep(lease_type& lease) { leases.push_back(std::move(lease)); }
    void keep(reader_type& r) { reader = std::move(r); }
    template <class Other>
    void keep(const Other&) {}
};

/// @return how many of the runs ended because they were cancelled
template <class Transport>
int cancel_at_every_step(const cancel_plan<Transport>& plan) {
    site<Transport> server(plan.script);
    net::io_context elsewhere;
    int cancelled = 0;
    bool over_before = false;
    for (int steps = 0; !over_before; ++steps) {
        CAPTURE(steps);
        REQUIRE(steps < 2'000);
        auto run = std::make_unique<cancel_run<Transport>>(plan, server);
        plan.prepare(*run);
        plan.start(*run);
        over_before = cancel_after(*run, steps, plenty);
        cancelled += run->error == errc::cancelled;
        INFO(run->error.message());
        const bool regular = std::find(plan.outcomes.begin(), plan.outcomes.end(), run->error) != plan.outcomes.end();
        CHECK((regular || run->error == errc::cancelled));
        CHECK(run->pool.stats().now.waiting == 0);

        // Whoever still has a connection gives it back, and nothing stays.
        run->reader = {};
        run->leases.clear();
        run->kept.reset();
        CHECK(run_until(run->io, [&] { return run->pool.stats().now.leased == 0; }));
        run->pool.close();
        CHECK(run_dry(run->io));
        CHECK(is_spent(run->pool));
        CHECK(run->completions == 1);
        run.reset();
        CHECK(run_until(elsewhere, [&] { return server.live() == 0; }));
    }
    return cancelled;
}

}  // namespace hotpool::test
