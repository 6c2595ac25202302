// The server of a siege: small handlers, some of which answer later, and limits that are short enough to be met.
#pragma once

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/inbound/http_server.hpp"
#include "support/inbound_test.hpp"

namespace hotpool::test {

/// Limits of a siege. What a stalling client may take is what its round takes: short, but longer than a machine with much
/// else to do keeps a good client waiting; sanitizers make everything slow.
struct siege_limits {
    static constexpr duration patience = std::chrono::milliseconds(base::recycling ? 500 : 2000);
    static constexpr std::uint32_t connections_per_group = 16;
    static constexpr std::size_t handshakes = 32;
    static constexpr std::uint32_t requests_per_window = 600;
    static constexpr duration window = std::chrono::milliseconds(500);
    static constexpr std::uint32_t errors_to_block = 20;
    static constexpr std::size_t memory_bytes = std::size_t{4} * 1024 * 1024;

    static inbound::acceptor_options acceptor(std::uint16_t port) {
        inbound::acceptor_options options;
        options.addresses = {"127.0.0.1"};
        options.port = port;
        options.admission.max_connections_per_group = connections_per_group;
        options.admission.max_handshakes = handshakes;
        options.admission.max_requests_per_group = requests_per_window;
        options.admission.request_window = window;
        options.life.handshake_timeout = patience;
        options.life.request_timeout = patience;
        options.life.handler_timeout = patience;
        options.life.reply_timeout = patience;
        options.life.linger_timeout = std::chrono::milliseconds(300);
        options.health.errors_to_block = errors_to_block;
        options.health.window = std::chrono::seconds(5);
        options.resources.check_interval = duration::zero();
        return options;
    }
    static inbound::http_options http() { return {.max_memory_bytes = memory_bytes}; }
};

/// One acceptor and one HTTP server on one thread. The path is `/what/id`, and the reply's body `id:` with the request's
/// body behind it.
/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class siege_server {
public:
    using acceptor_type = typename Kind::acceptor_type;

    /// @param port 0: any
    explicit siege_server(std::uint16_t port = 0)
        : acceptor(loop_.io.get_executor(), siege_limits::acceptor(port), Kind::options(), services()),
          http_(
              acceptor, [this](const inbound::request& r, inbound::responder a) { handle(r, std::move(a)); },
              siege_limits::http()) {}
    ~siege_server() {
        acceptor.close();
        loop_.finish();
        elsewhere_.finish();
    }

    std::size_t memory_bytes() const noexcept { return http_.memory_bytes(); }
    inbound::inbound_stats stats() const { return acceptor.stats(); }
    /// Handlers that were told that their client is gone.
    int told_gone() const noexcept { return told_gone_; }
    /// Whether nothing is left, and the counters agree with one another.
    bool is_spent() const {
        const inbound::inbound_stats s = stats();
        std::uint64_t all = 0;
        for (const std::uint64_t n : s.total.closed) all += n;
        return s.now.total() == 0 && s.lingering_refusals == 0 && all == s.total.accepted && memory_bytes() == 0 &&
               s.total.requests ==
                   s.total.served + s.total.refused_requests + s.total.failed_requests + s.total.cut_requests;
    }
    std::future<std::error_code> drain(duration within) {
        const auto over = std::make_shared<std::promise<std::error_code>>();
        acceptor.async_drain(within, [over](std::error_code e) { over->set_value(e); });
        return over->get_future();
    }

private:
    static typename acceptor_type::services_type services() {
        typename acceptor_type::services_type s;
        if constexpr (!Kind::handshakes) s.refused = inbound::http_refusal();
        return s;
    }
    static inbound::reply echo(const inbound::request& r) {
        const std::string_view path = r.path();
        std::string body(path.substr(path.rfind('/') + 1));
        body += ':';
        body += r.body();
        inbound::reply answer;
        answer.body(std::move(body));
        return answer;
    }
    void handle(const inbound::request& r, inbound::responder a) {
        const std::string_view path = r.path();
        const auto is = [&](std::string_view what) { return path.starts_with(what); };
        if (is("/now/")) return a.send(echo(r));
        if (is("/later/")) return answer_on(loop_.io, r, std::move(a));
        if (is("/elsewhere/")) return answer_on(elsewhere_.io, r, std::move(a));
        if (is("/large/")) return a.send(inbound::reply().body(large_));
        if (is("/slow/")) return answer_after(std::chrono::milliseconds(30), r, std::move(a));
        if (is("/never/")) return keep(std::move(a));
        a.send(inbound::reply(404));
    }
    static void answer_on(net::io_context& io, const inbound::request& r, inbound::responder a) {
        net::post(io, [r, a = std::move(a)]() mutable { a.send(echo(r)); });
    }
    void answer_after(duration pause, const inbound::request& r, inbound::responder a) {
        a.on_client_gone([this] { ++told_gone_; });
        const auto timer = std::make_shared<net::steady_timer>(loop_.io, pause);
        timer->async_wait([timer, r, a = std::move(a)](std::error_code) mutable { a.send(echo(r)); });
    }
    /// Until its client is gone: nobody ever answers.
    void keep(inbound::responder a) {
        const auto kept = kept_.insert(kept_.end(), std::move(a));
        kept->on_client_gone([this, kept] {
            ++told_gone_;
            kept_.erase(kept);
        });
    }

    const std::shared_ptr<const std::string> large_ = std::make_shared<const std::string>(8'000'000, 'x');
    std::atomic<int> told_gone_{0};
    running_loop elsewhere_;
    running_loop loop_;
    std::list<inbound::responder> kept_;  // the loop's

public:
    acceptor_type acceptor;

private:
    inbound::http_server<acceptor_type> http_;
};

}  // namespace hotpool::test
