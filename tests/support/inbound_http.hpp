// What tests of the HTTP server share: one with a handler for every case, and a client that reads replies.
#pragma once

#include <netinet/tcp.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/inbound/http_server.hpp"
#include "hotpool/response_parser.hpp"
#include "support/inbound_test.hpp"

namespace hotpool::test {

struct seen_reply {
    unsigned status = 0;
    std::map<std::string, std::string> fields;  ///< names as they came
    std::string body;

    std::string field(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string() : found->second;
    }
    bool closes() const { return field("Connection") == "close"; }
};

/// A client of one connection.
class http_peer {
public:
    /// What is sent in pieces leaves in pieces, and at once.
    explicit http_peer(client_socket socket) : socket_(std::move(socket)) {
        const int on = 1;
        ::setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }

    client_socket& socket() noexcept { return socket_; }
    bool send(std::string_view bytes) { return socket_.write(bytes); }
    /// The next reply that is not an interim one; nothing if the connection ends before it is whole.
    std::optional<seen_reply> read(request_kind kind = request_kind::plain) {
        response_parser parser;
        parser.start(kind);
        seen_reply seen;
        for (;;) {
            const parse_result r = parser.parse(window_);
            if (r.event == parse_event::head) {
                seen.status = parser.status();
                for (const http::field& f : parser.head().fields(window_)) seen.fields.emplace(f.name, f.value);
            }
            if (r.event == parse_event::interim_head) ++interim_heads;
            if (r.event == parse_event::failed) throw std::runtime_error(make_error_code(r.error).message());
            seen.body += r.piece;
            window_.erase(0, r.consumed);
            if (r.event == parse_event::end) return seen;
            if (r.event != parse_event::need_more) continue;
            const std::string more = socket_.read_some();
            if (more.empty()) return std::nullopt;
            window_ += more;
        }
    }
    std::optional<seen_reply> ask(std::string_view bytes, request_kind kind = request_kind::plain) {
        return send(bytes) ? read(kind) : std::nullopt;
    }
    unsigned status_of(std::string_view bytes) {
        const auto seen = ask(bytes);
        return seen ? seen->status : 0;
    }
    /// Whether the server ends the connection now, with nothing more said.
    bool ended() { return window_.empty() && socket_.read_some().empty() && socket_.said_goodbye(); }

    int interim_heads = 0;

private:
    client_socket socket_;
    std::string window_;
};

inline std::string get(std::string_view target, std::string_view fields = "") {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) + "\r\n";
}
inline std::string post(std::string_view target, std::string_view body, std::string_view fields = "") {
    return "POST " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

/// A server on a loop of its own. `/hold` leaves its responders to the test.
template <class Kind>
struct web_server {
    using acceptor_type = typename Kind::acceptor_type;
    using services_type = typename acceptor_type::services_type;

    explicit web_server(const inbound::acceptor_options& options = {}, inbound::http_options http = {},
                        services_type services = {}, int loop_threads = 1)
        : loop(loop_threads),
          acceptor(loop.io.get_executor(), unmetered(options), Kind::options(), std::move(services)),
          server(
              acceptor, [this](const inbound::request& r, inbound::responder a) { handle(r, std::move(a)); },
              std::move(http)) {}
    ~web_server() {
        acceptor.close();
        held.clear();
        loop.finish();
        for (std::thread& t : threads) t.join();
    }

    http_peer connect() const { return http_peer(Kind::connect(acceptor.port())); }
    inbound::inbound_stats stats() const { return acceptor.stats(); }
    std::uint64_t closed(inbound::close_reason why) const { return stats().total.closed_for(why); }
    /// Whether nothing is left, and the counters agree with one another.
    bool is_spent() const {
        const inbound::inbound_stats s = stats();
        const auto& t = s.total;
        std::uint64_t all = 0;
        for (const std::uint64_t n : t.closed) all += n;
        return s.now.total() == 0 && all == t.accepted &&
               t.requests == t.served + t.refused_requests + t.failed_requests + t.cut_requests;
    }
    std::error_code drain(duration within = std::chrono::seconds(10)) {
        std::promise<std::error_code> over;
        acceptor.async_drain(within, [&](std::error_code e) { over.set_value(e); });
        return over.get_future().get();
    }
    /// The responder of a request for `/hold`, as soon as it is there.
    inbound::responder take_held() {
        inbound::responder taken;
        const bool came = eventually([&] {
            const std::lock_guard lock(mutex);
            if (held.empty()) return false;
            taken = std::move(held.back());
            held.pop_back();
            return true;
        });
        if (!came) throw std::runtime_error("no request came");
        return taken;
    }

    void handle(const inbound::request& r, inbound::responder answer) {
        const std::string_view path = r.path();
        if (path == "/hello") return answer.send(inbound::reply().header("X", "y").body("hello"));
        if (path == "/echo") return answer.send(inbound::reply().body(std::string(r.body())));
        if (path == "/client") return answer.send(inbound::reply().body(r.client().to_string()));
        if (path == "/target")
            return answer.send(inbound::reply().body(std::string(r.path()) + '|' + std::string(r.query())));
        if (path == "/large") return answer.send(inbound::reply().body(large));
        if (path == "/own") return answer.send(std::move(inbound::reply().body(*large)));
        if (path == "/empty") return answer.send(inbound::reply(204));
        if (path == "/close") return answer.send(inbound::reply().close());
        if (path == "/bad") return answer.send(inbound::reply().header("A", "b\r\nC: d"));
        if (path == "/drop") return;
        if (path == "/throw") throw std::runtime_error("as it must");
        if (path == "/throw_late") {
            answer.send(inbound::reply().body("said before"));
            throw std::runtime_error("as it must");
        }
        if (path == "/thread") {
            const std::lock_guard lock(mutex);
            threads.emplace_back([r, answer = std::move(answer)]() mutable {
                answer.send(inbound::reply().body("from a thread: " + std::string(r.target())));
            });
            return;
        }
        if (path == "/hold") {
            const std::lock_guard lock(mutex);
            held.push_back(std::move(answer));
            return;
        }
        answer.send(inbound::reply(404));
    }

    static inbound::acceptor_options unmetered(inbound::acceptor_options options) {
        if (options.admission.max_requests_per_group == 1000) options.admission.max_requests_per_group = 0;
        return on_loopback(std::move(options));
    }

    const std::shared_ptr<const std::string> large = std::make_shared<const std::string>(3'000'000, 'x');
    std::mutex mutex;
    std::vector<inbound::responder> held;
    std::vector<std::thread> threads;
    running_loop loop;
    acceptor_type acceptor;
    inbound::http_server<acceptor_type> server;
};

}  // namespace hotpool::test
