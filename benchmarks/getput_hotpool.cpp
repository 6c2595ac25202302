// get + put on hotpool, over the simulated transport.
#include <hotpool/connection_pool.hpp>

#include <asio/io_context.hpp>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "getput.hpp"
#include "simulated_transport.hpp"

namespace bench {

namespace {

namespace net = hotpool::net;

class pool_shelf final : public shelf {
public:
    explicit pool_shelf(std::size_t connections)
        : pool_{context_.get_executor(),
                hotpool::origin{.host = "simulated", .port = "1"},
                {.max_connections = connections, .idle_timeout = {}, .max_lifetime = {}}} {
        pool_.async_warm(connections, [this](std::error_code error) {
            if (error) throw std::system_error{error};
            context_.stop();
        });
        context_.run();
    }

    // Nothing runs the context meanwhile: what put leaves for the turn's end is left once, as in a busy turn.
    void get_put(std::uint64_t times) override {
        for (; times > 0; --times) {
            auto lease = pool_.try_get();
            if (!lease) throw std::runtime_error{"no idle connection"};
            pool_.put(std::move(lease));
        }
    }

private:
    net::io_context context_;
    hotpool::connection_pool<simulated_transport> pool_;
};

}  // namespace

void add_hotpool_shelves(std::vector<shelf_kind>& kinds) {
    kinds.push_back({"hotpool", [](std::size_t connections) -> std::unique_ptr<shelf> {
                         return std::make_unique<pool_shelf>(connections);
                     }});
}

}  // namespace bench
