// One operation, cancelled after so many steps of its loop.
#pragma once

#include "support/blocking_io.hpp"
#include "support/catch.hpp"

namespace hotpool::test {

/// Checks that an operation completes once and not before it may, whether the cancellation came in time or not.
/// @param run has been started: its loop `io`, the `signal` that cancels, and how many `completions` it had
/// @param step_limit how long one step may wait for something to happen
/// @return whether it had completed before it was cancelled
template <class Run>
bool cancel_after(Run& run, int steps, duration step_limit) {
    CHECK(run.completions == 0);  // not inside the call
    for (int step = 0; step < steps && run.completions == 0; ++step) {
        run.io.restart();
        run.io.run_one_for(step_limit);
    }
    const bool over_before = run.completions != 0;
    run.signal.emit(net::cancellation_type::terminal);
    CHECK(run.completions == (over_before ? 1 : 0));
    REQUIRE(run_until(run.io, [&run] { return run.completions != 0; }));
    run.signal.emit(net::cancellation_type::terminal);
    run.io.restart();
    run.io.poll();
    CHECK(run.completions == 1);
    return over_before;
}

}  // namespace hotpool::test
