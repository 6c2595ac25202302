// Listening sockets, IPv6 beside IPv4 on the same port.
#pragma once

#include <utility>  // which Boost 1.74 leaves out below

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <string>

namespace signaling {

namespace asio = boost::asio;

/// @threads that of the context
class listener {
public:
    using taker = std::function<void(asio::ip::tcp::socket)>;

    /// @param port 0 for one that is free
    /// @param lost called when a socket cannot accept any more, with why
    /// @errors throws `boost::system::system_error`; without IPv6 on this machine it listens on IPv4 alone
    listener(asio::io_context& context, bool every_address, std::uint16_t port, taker take,
             std::function<void(const std::string&)> lost);

    std::uint16_t port() const { return sockets_.front().acceptor.local_endpoint().port(); }
    /// Accepts no more; what waits in the backlog is refused.
    void close();

private:
    struct listening {
        asio::ip::tcp::acceptor acceptor;
        asio::steady_timer pause;
    };

    void listen(asio::io_context& context, const asio::ip::tcp::endpoint& at);
    asio::awaitable<void> accept(listening& on);

    taker take_;
    std::function<void(const std::string&)> lost_;
    std::list<listening> sockets_;
};

}  // namespace signaling
