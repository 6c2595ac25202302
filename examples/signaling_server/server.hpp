// The devices of one network find each other: hotpool's machines, under Boost.Beast.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <hotpool/base/time.hpp>
#include <hotpool/inbound/admission.hpp>
#include <hotpool/inbound/connection_registry.hpp>
#include <hotpool/inbound/connection_supervisor.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "messages.hpp"
#include "options.hpp"
#include "session.hpp"

namespace signaling {

/// Three machines decide and this class does what they say: the admission who may come in and ask, the registry who is
/// there and what waits for whom, the supervisor whose time is over.
/// @threads that of the context, which is one: nothing is locked
class server {
public:
    using upgrade = beast::http::request<beast::http::empty_body>;
    using refusal = beast::http::response<beast::http::string_body>;

    /// @param gone called when no connection is left after `drain`
    server(asio::io_context& context, const options& with, asio::ssl::context tls, std::function<void()> gone);

    /// A connection was accepted.
    void connected(asio::ip::tcp::socket socket);
    /// All are told to leave, and cut when their time is over; a second call cuts them at once.
    void drain();

    std::string summary() const;

    // --- what sessions tell

    /// Who asks for an upgrade, or the answer if it is not granted.
    std::variant<device, refusal> upgrade_offered(session& s, const upgrade& head);
    /// The upgrade was granted.
    void opened(session& s, device info);
    /// It is about to end of its own accord.
    void closing(session& s);
    void requested(session& s, std::string_view written);
    /// It sent something that is no text.
    void misused(session& s);
    void written(session& s);
    void ended(session& s, hotpool::inbound::close_reason why);

private:
    /// What is known of a device.
    struct known {
        session* connection;
        device info;
    };

    hotpool::inbound::admission_verdict admit(session& s, const upgrade& head);
    void perform(const update& change, session& from);
    void perform(const sdp& what, session& from);
    peer as_peer(const session& s) const;

    /// A last message, and the end.
    void say_goodbye(session& s, const text& last, websocket::close_code why);
    /// Does what the machines ask for; called after each event.
    void act();
    void act(const hotpool::inbound::life_action& action);
    void deliver();
    void wait();

    const options options_;
    asio::ssl::context tls_;
    std::function<void()> gone_;
    hotpool::inbound::admission admission_;
    hotpool::inbound::connection_registry<text, known> registry_;
    hotpool::inbound::connection_supervisor<> supervisor_;
    asio::steady_timer timer_;
    hotpool::time_point timer_ends_ = hotpool::never;
};

}  // namespace signaling
