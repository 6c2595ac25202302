// Pools in memory under one budget, on one loop.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

/// Its end checks that nothing is left of any pool, and that the budget has everything back.
struct pools_under_budget {
    explicit pools_under_budget(std::size_t room, std::size_t n = 3, const pool_options& options = {})
        : budget(std::make_shared<connection_budget>(room)) {
        net.opens_at_once = true;
        for (std::size_t i = 0; i < n; ++i)
            pools.push_back(std::make_unique<mock_pool>(io.get_executor(), mock_origin, options,
                                                        mock_transport::options{&net}, budget));
    }
    pools_under_budget(const pools_under_budget&) = delete;
    ~pools_under_budget() {
        for (auto& pool : pools)
            if (pool) pool->close();
        for (mock_opening& o : net.openings) o.fail(errc::cancelled);
        CHECK(run_dry(io));
        CHECK(net.open_links() == 0);
        CHECK(budget->used() == 0);
    }
    mock_pool& pool(std::size_t i) { return *pools.at(i); }
    void turn() {
        io.restart();
        io.poll();
        look();
    }
    void look() const {
        CHECK(budget->used() <= budget->max_connections());
        CHECK(net.open_links() + net.pending() <= budget->max_connections());
    }

    net::io_context io;
    mock_network net;
    std::shared_ptr<connection_budget> budget;
    std::vector<std::unique_ptr<mock_pool>> pools;
};

}  // namespace hotpool::test
