// The operations of the accepting side, and what each waits for.
#include <fcntl.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "support/ends_operations.hpp"

namespace hotpool::test {

namespace {

using namespace std::chrono_literals;
using inbound::tcp_connection;

void set_up_acceptor(stage& s, inbound::tcp_acceptor::services_type services = {}) {
    inbound::acceptor_options options = on_loopback();
    options.life.linger_timeout = 30s;
    s.own->acceptor =
        std::make_unique<inbound::tcp_acceptor>(s.loop.executor(), options, tcp_server_options{}, std::move(services));
}
void set_up_plain_acceptor(stage& s) { set_up_acceptor(s); }
void connect_peer(stage& s) {
    s.peers.emplace_back(s.own->acceptor->port());
    require(s.peers.back().is_connected(), "the peer cannot connect");
}

/// Where memory is short, the first one may be closed.
void connect_peers(stage& s) {
    connect_peer(s);
    if (!s.loop.until([&] { return s.completed(); }, 50ms)) connect_peer(s);
}

tcp_connection accept(stage& s) {
    std::atomic<bool> done = false;
    std::error_code error;
    tcp_connection got;
    s.loop.call([&] {
        s.own->acceptor->async_accept([&](std::error_code e, tcp_connection c) {
            error = e;
            got = std::move(c);
            done = true;
        });
    });
    require(s.loop.until([&] { return done.load(); }), "an accept never completes");
    require(!error, "an accept fails: " + error.message());
    return got;
}

void set_up_connection(stage& s) {
    set_up_acceptor(s);
    connect_peer(s);
    s.own->connection = accept(s);
}

const std::string& block() {
    static const std::string bytes(256 * 1024, 'b');
    return bytes;
}
/// Nothing fits any more: the peer does not read, and its system makes no more room for it.
void set_up_full_connection(stage& s) {
    set_up_connection(s);
    const int room = 128 * 1024;
    ::setsockopt(s.peers.back().fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    int full = 0;
    while (full < 5) {
        std::atomic<bool> over = false;
        s.loop.call([&] {
            const io_result r = s.own->connection.try_write(net::buffer(block()));
            over = r.want != io_want::none || r.error;
        });
        full = over ? full + 1 : 0;
        if (over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

/// A request whose handler has not answered yet.
void set_up_server(stage& s) {
    inbound::tcp_acceptor::services_type services;
    if (s.loop.kind() == executor_kind::thread_pool)
        services.connection_executor = [&s] { return net::make_strand(s.loop.executor()); };
    set_up_acceptor(s, std::move(services));
    s.own->server = std::make_unique<inbound::http_server<inbound::tcp_acceptor>>(
        *s.own->acceptor, [&s](const inbound::request& asked, inbound::responder answer) {
            if (asked.target() != "/first") return answer.send(inbound::reply(200));
            s.asked_for = &asked;
            s.responder = std::move(answer);
            s.asked = true;
        });
    connect_peer(s);
    s.peers.back().write("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    require(s.loop.until([&] { return s.asked.load(); }), "the request never comes");
}

void start_accept(stage& s) { s.own->acceptor->async_accept(s.handler()); }
void start_drain(stage& s) { s.own->acceptor->async_drain(30s, s.handler()); }
void start_read(stage& s) { s.own->connection.async_read_some(net::buffer(s.own->buffer), s.handler()); }
void start_wait(stage& s) { s.own->connection.async_wait_readable(s.handler()); }
void start_write(stage& s) { s.own->connection.async_write_some(net::buffer(block()), s.handler()); }
void start_close(stage& s) { s.own->connection.async_close(s.handler()); }
void start_nothing(stage&) {}

void peer_writes(stage& s) { s.peers.front().write("x"); }
void peer_closes(stage& s) { s.peers.front().close(); }
void peer_reads(stage& s) {
    client_socket& peer = s.peers.front();
    ::fcntl(peer.fd(), F_SETFL, ::fcntl(peer.fd(), F_GETFL) | O_NONBLOCK);
    s.loop.until([&] {
        while (!peer.read_some(256 * 1024).empty()) {
        }
        return s.completed();
    });
}
void let_connection_go(stage& s) {
    s.loop.end([&] {
        s.own->connection.close();
        s.out->connection.close();  // where it has moved
    });
}
/// What it was asked must still be there, however long ago the handler has returned.
void answer_request(stage& s) {
    s.loop.end([&] { s.responder.send(inbound::reply(200).body(std::string(s.asked_for->target()))); });
}

constexpr std::uint32_t accepted = has_acceptor | has_connection | has_peer;
constexpr const char* accepting = "inbound/detail/acceptor.hpp:async_accept";
constexpr const char* draining = "inbound/detail/acceptor.hpp:async_drain";

}  // namespace

const std::vector<operation_row>& inbound_operations() {
    using f = ends_family;
    static const std::vector<operation_row> rows = {
        {"accept", accepting, f::accept, has_acceptor, set_up_plain_acceptor, start_accept, connect_peers},
        {"acceptor_drain", draining, f::acceptor_drain, accepted | drains, set_up_connection, start_drain,
         let_connection_go},
        {"connection_read", "inbound/detail/connection.hpp:async_read_some", f::connection_io, accepted,
         set_up_connection, start_read, peer_writes},
        {"connection_wait", "inbound/detail/connection.hpp:async_wait_readable", f::connection_io, accepted,
         set_up_connection, start_wait, peer_writes},
        {"connection_write", "inbound/detail/connection.hpp:async_write_some", f::connection_io, accepted,
         set_up_full_connection, start_write, peer_reads},
        {"connection_close", "inbound/detail/connection.hpp:async_close", f::connection_close, accepted,
         set_up_connection, start_close, peer_closes},
        {"responder", "", f::reply, has_acceptor | has_peer | has_responder | takes_no_handler, set_up_server,
         start_nothing, answer_request},
    };
    return rows;
}

}  // namespace hotpool::test
