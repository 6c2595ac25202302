// A pool over mock connections on a loop that the test runs; at its end nothing may be left.
#pragma once

#include <asio/io_context.hpp>

#include <cstdint>

#include "support/catch.hpp"
#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

struct mock_stage {
    explicit mock_stage(pool_options options = {}, bool opens_at_once = true)
        : net{.opens_at_once = opens_at_once}, pool(io.get_executor(), mock_origin, options, {&net}) {}
    mock_stage(const mock_stage&) = delete;
    mock_stage& operator=(const mock_stage&) = delete;
    ~mock_stage() {
        pool.close();
        while (net.pending() != 0) {
            for (mock_opening& o : net.openings) o.fail(errc::cancelled);
            turn();
        }
        CHECK(run_dry(io));
        CHECK(is_spent(pool));
        CHECK(net.open_links() == 0);
    }

    /// Everything that is ready now.
    void turn() {
        io.restart();
        io.poll();
    }
    bool until_retired(retire_reason why, std::uint64_t n = 1) {
        return run_until(io, [&] { return retired(pool, why) >= n; });
    }

    net::io_context io;
    mock_network net;
    mock_pool pool;
};

}  // namespace hotpool::test
