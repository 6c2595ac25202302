// Every operation of a pool and of its client is cancelled after the 1st, 2nd, 3rd ... handler: one completion, no
// place lost, no descriptor left.
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "hotpool/health_checker.hpp"
#include "support/black_hole.hpp"
#include "support/cancel_steps.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// A source that takes a few turns of the loop to answer.
endpoint_source after_some_turns(net::io_context& io, endpoint_list list, std::error_code error = {}) {
    return [&io, list, error](endpoint_answer answer) {
        const auto kept = std::make_shared<endpoint_answer>(std::move(answer));
        net::post(io, [&io, list, error, kept] { net::post(io, [list, error, kept] { (*kept)(error, list); }); });
    };
}

/// Answers each request piece by piece.
loopback_server::script in_pieces(duration pause) {
    return [pause](server_connection& c) {
        for (;;) {
            read_request(c);
            for (const char* piece : {"HTTP/1.1 2", "00 OK\r\nContent-Length: 1", "0\r\n\r\n", "hello", "again"}) {
                c.write(piece);
                std::this_thread::sleep_for(pause);
            }
        }
    };
}
/// Runs of a plan whose responses come in pieces. On a busy machine the pieces may all be there by the time somebody
/// looks, and less is left to cancel: then once more with longer pauses.
/// @return whether more than so many of them ended because they were cancelled
template <class Transport>
bool cancels_more_than(int runs, cancel_plan<Transport> plan) {
    for (const duration pause : {1ms, 10ms, 100ms}) {
        plan.script = in_pieces(pause);
        if (cancel_at_every_step(plan) > runs) return true;
    }
    return false;
}
/// Answers the first request and leaves at the second.
void short_lived(server_connection& c) {
    read_request(c);
    c.write(ok("hello"));
    read_request(c);
}

/// Asks the first request of a connection to come back.
void busy_first(server_connection& c) {
    read_request(c);
    c.write("HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    for (;;) {
        read_request(c);
        c.write(ok("hello"));
    }
}

template <class Run>
void fetch_once(Run& run) {
    int completions = 0;
    run.client.async_send(run.request, [&](std::error_code error, const response&) {
        CHECK_FALSE(error);
        ++completions;
    });
    REQUIRE(run_until(run.io, [&] { return completions == 1; }));
}
template <class Run>
void lease_one(Run& run) {
    got<typename Run::pool_type> answer;
    run.pool.async_get(answer.handler());
    REQUIRE(run_until(run.io, [&] { return answer.done(); }));
    REQUIRE_FALSE(answer.error);
    run.leases.push_back(std::move(answer.lease));
}
template <class Run>
void start_get(Run& run) {
    run.pool.async_get(run.handler());
}

}  // namespace

TEMPLATE_TEST_CASE("get_is_cancelled_at_every_step_of_an_opening", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    CHECK(cancel_at_every_step<TestType>({.start = start_get<run_type>}) > 0);
}

TEMPLATE_TEST_CASE("get_is_cancelled_at_every_step_of_a_name_resolution", "[pool][cancel]", tcp_transport,
                   tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto answers_late = [](net::io_context& io, const site<TestType>& server) {
        return pool_services{.endpoints = after_some_turns(io, {endpoint_of(server)})};
    };
    CHECK(cancel_at_every_step<TestType>({.services = answers_late, .start = start_get<run_type>}) > 2);
    const auto fails_late = [](net::io_context& io, const site<TestType>&) {
        return pool_services{.endpoints = after_some_turns(io, {}, errc::resolve_failed)};
    };
    CHECK(cancel_at_every_step<TestType>(
              {.services = fails_late, .start = start_get<run_type>, .outcomes = {errc::resolve_failed}}) > 1);
}

TEST_CASE("get_is_cancelled_at_every_step_of_the_system_resolver", "[pool][cancel]") {
    using run_type = cancel_run<tcp_transport>;
    const auto by_name = [](const site<tcp_transport>& server) { return origin{"localhost", server.target().port}; };
    CHECK(cancel_at_every_step<tcp_transport>({.target = by_name, .start = start_get<run_type>}) > 0);
}

TEMPLATE_TEST_CASE("get_is_cancelled_at_every_step_of_a_race", "[pool][cancel]", tcp_transport, tls_transport) {
    net::io_context elsewhere;
    black_hole hole(elsewhere);
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto slow_first = [&](net::io_context&, const site<TestType>& server) {
        return pool_services{.endpoints =
                                 static_endpoints({hotpool::detail::from_asio(hole.endpoint()), endpoint_of(server)})};
    };
    CHECK(cancel_at_every_step<TestType>(
              {.options = {.attempt_delay = 3ms}, .services = slow_first, .start = start_get<run_type>}) > 1);
    // Without room for a race, the slow attempt is given up.
    CHECK(cancel_at_every_step<TestType>(
              {.options = {.max_connections = 1, .connect_timeout = 40ms, .attempt_delay = 3ms},
               .services = slow_first,
               .start = start_get<run_type>,
               .outcomes = {std::error_code(), errc::connect_timed_out}}) > 1);
    const auto refusing_first = [](net::io_context&, const site<TestType>& server) {
        return pool_services{.endpoints = static_endpoints({closed_endpoint(), endpoint_of(server)})};
    };
    CHECK(cancel_at_every_step<TestType>({.services = refusing_first, .start = start_get<run_type>}) > 1);
}

TEMPLATE_TEST_CASE("get_is_cancelled_at_every_step_of_its_waiting", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto take_the_only_one = [](run_type& run) {
        lease_one(run);
        run.pool.async_get([&run](std::error_code, typename run_type::lease_type lease) {
            net::post(run.io, [&run, mine = std::make_shared<typename run_type::lease_type>(std::move(lease))] {
                run.pool.put(std::move(*mine));
            });
        });
    };
    const auto behind_others = [](run_type& run) {
        start_get(run);
        net::post(run.io, [&run] { run.leases.clear(); });
    };
    CHECK(cancel_at_every_step<TestType>(
              {.options = {.max_connections = 1}, .prepare = take_the_only_one, .start = behind_others}) > 2);

    const auto while_suspended = [](run_type& run) {
        run.pool.suspend();
        start_get(run);
        net::post(run.io, [&run] { net::post(run.io, [&run] { run.pool.resume(); }); });
    };
    CHECK(cancel_at_every_step<TestType>({.start = while_suspended}) > 2);
    // The same with a connection that lies idle meanwhile.
    const auto with_an_idle_one = [](run_type& run) {
        lease_one(run);
        run.pool.put(std::move(run.leases.back()));
        run.leases.clear();
    };
    CHECK(cancel_at_every_step<TestType>({.prepare = with_an_idle_one, .start = while_suspended}) > 2);
}

TEMPLATE_TEST_CASE("get_is_cancelled_at_every_step_of_a_failing_pool", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto nobody = [](net::io_context&, const site<TestType>&) {
        return pool_services{.endpoints = static_endpoints({closed_endpoint()})};
    };
    for (const unsigned breaker : {0u, 1u, 3u}) {
        CAPTURE(breaker);
        // The one failure that opens a breaker of 1 has the next get refused at once, with nothing left to cancel.
        const bool waits_again = breaker != 1;
        const duration backoff = waits_again ? 10ms : 1h;
        const pool_options options{.breaker_failures = breaker, .backoff_first = backoff, .backoff_limit = backoff};
        CHECK(cancel_at_every_step<TestType>({.options = options,
                                              .services = nobody,
                                              .start = start_get<run_type>,
                                              .outcomes = {errc::connect_refused}}) > 0);
        const auto fail_first = [](run_type& run) {
            got<typename run_type::pool_type> answer;
            run.pool.async_get(answer.handler());
            REQUIRE(run_until(run.io, [&] { return answer.done(); }));
        };
        const int cancelled = cancel_at_every_step<TestType>({.options = options,
                                                              .services = nobody,
                                                              .prepare = fail_first,
                                                              .start = start_get<run_type>,
                                                              .outcomes = {errc::connect_refused}});
        CHECK((cancelled > 0) == waits_again);
    }
}

TEMPLATE_TEST_CASE("exchange_is_cancelled_at_every_step", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto upload = [](run_type& run) {
        run.request = request_builder("PUT", "/");
        run.request.body(std::string(8'000'000, 'x'));
        lease_one(run);
    };
    const auto exchange = [](run_type& run) { async_exchange(run.leases.back(), run.request, run.handler()); };
    CHECK(cancels_more_than<TestType>(2, {.prepare = lease_one<run_type>, .start = exchange}));
    CHECK(cancels_more_than<TestType>(2, {.prepare = upload, .start = exchange}));
}

TEMPLATE_TEST_CASE("request_is_cancelled_at_every_step", "[client][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto send = [](run_type& run) { run.client.async_send(run.request, run.handler()); };
    CHECK(cancels_more_than<TestType>(4, {.start = send}));
    // A retry on a connection that is opened for it, and one after a pause.
    CHECK(cancel_at_every_step<TestType>({.script = short_lived, .prepare = fetch_once<run_type>, .start = send}) > 2);
    CHECK(cancel_at_every_step<TestType>({.script = busy_first, .start = send}) > 2);
}

TEMPLATE_TEST_CASE("reading_a_body_is_cancelled_at_every_step", "[client][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto head = [](run_type& run) {
        int completions = 0;
        run.client.async_start(run.request, [&](std::error_code error, typename run_type::reader_type reader) {
            CHECK_FALSE(error);
            ++completions;
            run.reader = std::move(reader);
        });
        REQUIRE(run_until(run.io, [&] { return completions == 1; }));
    };
    const auto start = [](run_type& run) { run.client.async_start(run.request, run.handler()); };
    const auto read = [](run_type& run) { run.reader.async_read_all(run.handler()); };
    const auto close = [](run_type& run) { run.reader.async_close(run.handler()); };
    CHECK(cancels_more_than<TestType>(2, {.start = start}));
    CHECK(cancels_more_than<TestType>(0, {.prepare = head, .start = read}));
    CHECK(cancels_more_than<TestType>(0, {.prepare = head, .start = close}));
}

TEMPLATE_TEST_CASE("warming_and_draining_are_cancelled_at_every_step", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    const auto warm = [](run_type& run) { run.pool.async_warm(3, run.handler()); };
    CHECK(cancels_more_than<TestType>(0, {.start = warm}));
    const auto drain = [](run_type& run) {
        run.pool.async_drain(20s, run.handler());
        net::post(run.io, [&run] { run.leases.clear(); });
    };
    const auto idle_and_leased = [](run_type& run) {
        lease_one(run);
        lease_one(run);
        run.pool.put(std::move(run.leases.back()));
        run.leases.pop_back();
    };
    CHECK(cancels_more_than<TestType>(0, {.prepare = idle_and_leased, .start = drain}));
}

TEMPLATE_TEST_CASE("probe_is_cancelled_at_every_step", "[pool][cancel]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    using run_type = cancel_run<TestType>;
    using checker = health_checker<typename run_type::pool_type>;
    const auto probe = [](run_type& run) {
        run.kept = std::make_shared<checker>(run.pool, [&run](auto& lease, typename checker::verdict_type verdict) {
            auto whole = run.handler();
            // Only the first probe is this operation.
            if (run.completions != 0) return verdict(true);
            async_exchange(lease, run.request,
                           net::bind_cancellation_slot(run.signal.slot(),
                                                       [whole, verdict](std::error_code error, response) mutable {
                                                           verdict(!error);
                                                           whole.get()(error);
                                                       }));
        });
        run.pool.async_warm(1, [](std::error_code) {});
    };
    CHECK(cancels_more_than<TestType>(2, {.options = {.probe_new = true}, .start = probe}));
}
