#include "listener.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <hotpool/inbound/accept_backoff.hpp>

#include <utility>

namespace signaling {

using asio::ip::tcp;
using boost::system::error_code;
using hotpool::inbound::accept_verdict;

listener::listener(asio::io_context& context, bool every_address, std::uint16_t port, taker take,
                   std::function<void(const std::string&)> lost)
    : take_(std::move(take)), lost_(std::move(lost)) {
    using asio::ip::address_v4, asio::ip::address_v6;
    listen(context, {every_address ? address_v4::any() : address_v4::loopback(), port});
    try {
        listen(context, {every_address ? address_v6::any() : address_v6::loopback(), this->port()});
    } catch (const boost::system::system_error& error) {
        const error_code why = error.code();
        if (why != asio::error::address_family_not_supported && why != boost::system::errc::address_not_available)
            throw;
    }
    for (listening& each : sockets_) asio::co_spawn(context, accept(each), asio::detached);
}

void listener::listen(asio::io_context& context, const tcp::endpoint& at) {
    tcp::acceptor acceptor(context, at.protocol());
    if (at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true));
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(at);
    acceptor.listen();
    sockets_.push_back({std::move(acceptor), asio::steady_timer(context)});
}

void listener::close() {
    for (listening& each : sockets_) {
        error_code ignored;
        each.acceptor.close(ignored);
        each.pause.cancel();
    }
}

asio::awaitable<void> listener::accept(listening& on) {
    hotpool::inbound::accept_backoff backoff;
    while (on.acceptor.is_open()) {
        error_code error;
        tcp::socket socket = co_await on.acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            backoff.accepted();
            take_(std::move(socket));
            continue;
        }
        if (!on.acceptor.is_open()) break;
        const auto answer = backoff.accept_failed(error);
        if (answer.verdict == accept_verdict::dead) {
            lost_(error.message());
            break;
        }
        if (answer.verdict != accept_verdict::pause) continue;
        on.pause.expires_after(answer.pause);
        co_await on.pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
}

}  // namespace signaling
