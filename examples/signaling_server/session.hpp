// One device's connection: TLS, the upgrade to WebSocket, and messages both ways.
#pragma once

#include <utility>  // which Boost 1.74 leaves out below

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <hotpool/base/ip_address.hpp>
#include <hotpool/inbound/admission_verdict.hpp>
#include <hotpool/inbound/close_reason.hpp>
#include <hotpool/inbound/connection_id.hpp>
#include <hotpool/inbound/supervised.hpp>

#include <memory>
#include <optional>

#include "messages.hpp"

namespace signaling {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

class server;

/// It does what it is told and tells what happened; the server decides.
class session : public hotpool::inbound::supervised, public std::enable_shared_from_this<session> {
public:
    session(server& owner, asio::ip::tcp::socket socket, asio::ssl::context& tls, const hotpool::ip_address& peer,
            hotpool::inbound::admission_ticket ticket, const connection_id& id);

    /// The address that it comes from, which may be a proxy's.
    const hotpool::ip_address& peer() const noexcept { return peer_; }
    hotpool::inbound::admission_ticket& ticket() noexcept { return ticket_; }
    const connection_id& id() const noexcept { return id_; }

    /// Goes on until it is over, which the server is told.
    void start();
    /// One at a time: the next one when the server has been told that this one is written.
    void write(const text& message);
    void ping();
    /// Says why and closes, after the message that is being written.
    void finish(websocket::close_code why);
    /// Closes the socket.
    void cut();

private:
    using close_reason = hotpool::inbound::close_reason;
    using response = beast::http::response<beast::http::string_body>;

    asio::awaitable<void> live();
    /// `none` if the connection is open then.
    asio::awaitable<close_reason> establish();
    asio::awaitable<close_reason> refuse(response reply);
    asio::awaitable<close_reason> read_messages();
    void close();
    void end(close_reason why);

    server& owner_;
    websocket::stream<beast::ssl_stream<asio::ip::tcp::socket>> stream_;
    beast::flat_buffer received_;
    const hotpool::ip_address peer_;
    hotpool::inbound::admission_ticket ticket_;
    const connection_id id_;
    std::optional<websocket::close_code> last_word_;
    bool writing_ = false;
    bool pinging_ = false;
    bool closing_ = false;
    bool over_ = false;
};

}  // namespace signaling
