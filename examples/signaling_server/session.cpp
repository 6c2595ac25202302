#include "session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <hotpool/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>

#include "server.hpp"

namespace signaling {

namespace {

constexpr std::uint32_t max_head_bytes = 16 * 1024;   // a device's description is in it
constexpr std::size_t max_message_bytes = 64 * 1024;  // what a message holds is compressed

using boost::system::error_code;

auto to(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

}  // namespace

session::session(server& owner, asio::ip::tcp::socket socket, asio::ssl::context& tls, const hotpool::ip_address& peer,
                 hotpool::inbound::admission_ticket ticket, const connection_id& id)
    : owner_(owner), stream_(std::move(socket), tls), peer_(peer), ticket_(std::move(ticket)), id_(id) {
    stream_.read_message_max(max_message_bytes);
    stream_.text(true);
    // Pongs above all: they answer pings.
    stream_.control_callback(
        [this](websocket::frame_type, beast::string_view) { bytes_seen(hotpool::clock_type::now()); });
}

void session::start() {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this()] { return self->live(); }, asio::detached);
}

asio::awaitable<void> session::live() {
    const auto self = shared_from_this();
    close_reason why = co_await establish();
    if (why == close_reason::none) why = co_await read_messages();
    end(why);
}

void session::end(close_reason why) {
    if (std::exchange(over_, true)) return;
    cut();
    owner_.ended(*this, why);
}

asio::awaitable<session::close_reason> session::establish() {
    error_code error;
    auto& tls = stream_.next_layer();
    co_await tls.async_handshake(asio::ssl::stream_base::server, to(error));
    if (error) co_return close_reason::handshake_failed;
    beast::http::request_parser<beast::http::empty_body> parser;
    parser.header_limit(max_head_bytes);
    co_await beast::http::async_read(tls, received_, parser, to(error));
    if (error)
        co_return error == beast::http::error::end_of_stream ? close_reason::peer_closed : close_reason::protocol_error;
    // Whoever sends more before the answer does not speak WebSocket.
    if (received_.size() != 0) co_return close_reason::protocol_error;
    auto answer = owner_.upgrade_offered(*this, parser.get());
    if (auto* const refusal = std::get_if<response>(&answer)) co_return co_await refuse(std::move(*refusal));
    co_await stream_.async_accept(parser.get(), to(error));
    if (error) co_return close_reason::transport_error;
    owner_.opened(*this, std::get<device>(std::move(answer)));
    co_return close_reason::none;
}

asio::awaitable<session::close_reason> session::refuse(response reply) {
    error_code error;
    owner_.closing(*this);
    co_await beast::http::async_write(stream_.next_layer(), reply, to(error));
    if (!error) co_await stream_.next_layer().async_shutdown(to(error));
    co_return close_reason::finished;
}

asio::awaitable<session::close_reason> session::read_messages() {
    for (;;) {
        error_code error;
        const std::size_t bytes = co_await stream_.async_read(received_, to(error));
        if (error == websocket::error::closed) co_return close_reason::peer_closed;
        if (error.category() == error_code(websocket::error::closed).category()) co_return close_reason::protocol_error;
        if (error) co_return close_reason::transport_error;
        bytes_seen(hotpool::clock_type::now());
        // Clients keep their connection alive with messages of nothing, too.
        if (!stream_.got_text()) {
            owner_.misused(*this);
        } else if (bytes != 0) {
            owner_.requested(*this, beast::buffers_to_string(received_.data()));
        }
        received_.clear();
    }
}

void session::write(const text& message) {
    if (closing_) return;
    writing_ = true;
    stream_.async_write(asio::buffer(*message), [self = shared_from_this(), message](error_code error, std::size_t) {
        self->writing_ = false;
        if (error) return self->cut();
        self->owner_.written(*self);
        if (!self->writing_ && self->last_word_) self->close();
    });
}

void session::ping() {
    if (std::exchange(pinging_, true)) return;
    stream_.async_ping({}, [self = shared_from_this()](error_code) { self->pinging_ = false; });
}

void session::finish(websocket::close_code why) {
    last_word_ = why;
    if (!writing_) close();
}

void session::close() {
    if (std::exchange(closing_, true)) return;
    // Reading ends then too, mostly: with what comes behind a close frame, Beast's may stay suspended for good.
    stream_.async_close(*last_word_, [self = shared_from_this()](error_code) { self->end(close_reason::finished); });
}

void session::cut() {
    error_code ignored;
    beast::get_lowest_layer(stream_).close(ignored);
}

}  // namespace signaling
