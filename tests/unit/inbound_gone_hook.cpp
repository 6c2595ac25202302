// The hook that hears of a client that is gone.
#include <functional>
#include <memory>

#include "hotpool/inbound/detail/gone_hook.hpp"
#include "support/catch.hpp"

using hotpool::inbound::detail::gone_hook;

TEST_CASE("hook_of_a_client_that_is_gone_runs_once", "[inbound]") {
    gone_hook hook;
    int runs = 0;
    hook.set([&] { ++runs; });
    CHECK(runs == 0);
    CHECK_FALSE(hook.is_gone());
    hook.run();
    CHECK(runs == 1);
    CHECK(hook.is_gone());
    hook.run();
    CHECK(runs == 1);
    hook.set([&] { runs += 10; });  // it is gone already
    CHECK(runs == 11);
    hook.set(nullptr);
    CHECK(runs == 11);
}

TEST_CASE("hook_is_let_go_once_it_has_run_is_dropped_or_replaced", "[inbound]") {
    gone_hook hook;
    const auto token = std::make_shared<int>(0);
    const auto keeps = [token] {};
    const long before = token.use_count();
    hook.set(keeps);
    CHECK(token.use_count() == before + 1);
    SECTION("run") { hook.run(); }
    SECTION("dropped") {
        static_cast<void>(hook.take());
        CHECK_FALSE(hook.is_gone());
    }
    SECTION("over") {
        hook.over();
        CHECK(hook.is_gone());
    }
    SECTION("replaced") {
        hook.set([] {});
    }
    SECTION("by none") { hook.set(nullptr); }
    CHECK(token.use_count() == before);
}

TEST_CASE("hook_may_set_and_drop_hooks_while_it_runs", "[inbound]") {
    gone_hook hook;
    int runs = 0;
    hook.set([&] {
        hook.set([&] { ++runs; });  // at once
        static_cast<void>(hook.take());
    });
    hook.run();
    CHECK(runs == 1);
}
