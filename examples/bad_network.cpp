// A bad network: one address refuses, another one must not be used, and the third one serves everybody.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>

#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "support/embedded_origin.hpp"

// [readme
void log_event(const hotpool::pool_event& event) {
    std::cout << to_string(event.kind) << ' ' << event.endpoint.to_string();
    if (event.error) std::cout << ": " << event.error.message();
    if (event.reason != hotpool::retire_reason::none) std::cout << ": " << to_string(event.reason);
    std::cout << '\n';
}

hotpool::pool_services services_for(hotpool::endpoint_list addresses, const hotpool::ip_block& forbidden) {
    const auto access = std::make_shared<hotpool::access_controller>(hotpool::access_options{},
                                                                     hotpool::status_denial_options{.statuses = {403}});
    access->deny(forbidden);
    return {.endpoints = hotpool::static_endpoints(std::move(addresses)),
            .local_addresses = {hotpool::ip_address::parse("127.0.0.1").value()},
            .access = access,
            .listener = log_event};
}
// readme]

asio::awaitable<std::size_t> visit(hotpool::tcp_pool& pool) {
    std::size_t served = 0;
    const hotpool::request_builder request{"GET", "/"};
    // Held together, so that each is another connection.
    std::vector<hotpool::tcp_pool::lease_type> leases;
    for (int i = 0; i < 4; ++i) {
        leases.push_back(co_await pool.async_get(asio::use_awaitable));
        co_await hotpool::async_exchange(leases.back(), request, asio::use_awaitable);
        ++served;
    }
    for (auto& lease : leases) pool.put(std::move(lease));

    hotpool::http_client client{pool};
    for (int i = 0; i < 96; ++i) {
        co_await client.async_send(request, asio::use_awaitable);
        ++served;
    }
    co_return served;
}

int main() {
    const support::embedded_origin origin{support::scheme::http};
    asio::io_context context;
    // Bound, but nobody listens: who connects is refused.
    asio::ip::tcp::acceptor closed(context);
    closed.open(asio::ip::tcp::v4());
    closed.bind({asio::ip::address_v4::loopback(), 0});

    const std::uint16_t port = hotpool::port_number(origin.target().port);
    const auto loopback = hotpool::ip_address::parse("127.0.0.1").value();
    const auto forbidden = hotpool::ip_address::parse("127.0.0.9").value();
    hotpool::tcp_pool pool{
        context.get_executor(),
        origin.target(),
        {.ejection_failures = 2},
        {},
        services_for({{loopback, closed.local_endpoint().port()}, {forbidden, port}, {loopback, port}},
                     hotpool::ip_block{forbidden})};
    std::size_t served = 0;
    asio::co_spawn(context, visit(pool), [&](std::exception_ptr failure, std::size_t n) {
        served = failure ? 0 : n;
        for (const hotpool::endpoint_state& e : pool.endpoints())
            std::cout << e.where.to_string() << ": " << e.load.connections << " connections, " << e.failures
                      << " failures" << (e.standing == hotpool::endpoint_standing::ejected ? ", ejected" : "") << '\n';
        pool.close();
    });
    context.run();

    const hotpool::pool_stats stats = pool.stats();
    std::cout << served << " requests served by " << stats.total.opened << " connections, " << stats.total.open_failures
              << " openings failed\n";
    return served == 100 && stats.total.ejections == 1 ? 0 : 1;
}
