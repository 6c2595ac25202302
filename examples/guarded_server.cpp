// Files by HTTP and HTTPS behind admission: a few connections and so many requests per address and hour, health and
// metrics beside them, and a stop that cuts nobody off.
//
//   guarded_server PORT TLS_PORT CERTIFICATE KEY DIRECTORY     until SIGTERM; 0 for a port that the system picks
//   guarded_server                                             shows itself to a client of its own
//
// MAX_CONNECTIONS_PER_IP and MAX_REQUESTS_PER_IP_PER_HOUR in the environment change the limits, each for the plain and
// for the TLS port; 0 is no limit.
#include <hotpool/hotpool.hpp>
#include <hotpool/inbound/acceptor.hpp>
#include <hotpool/inbound/exposition.hpp>
#include <hotpool/inbound/http_server.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "support/certificate.hpp"
#include "support/file_service.hpp"

namespace {

using namespace std::chrono_literals;
namespace inbound = hotpool::inbound;
using executor = asio::io_context::executor_type;

struct plan {
    std::uint16_t port = 0;
    std::uint16_t tls_port = 0;
    hotpool::tls_server_options tls;
    std::filesystem::path directory;
    inbound::admission_options admission;
};

class guarded_server {
public:
    guarded_server(asio::io_context& io, const plan& p)
        : files_(p.directory),
          plain_(io.get_executor(), options(p, p.port), {}, tell_refused()),
          tls_(io.get_executor(), options(p, p.tls_port), p.tls),
          plain_server_(
              plain_, [this](const auto& r, auto answer) { serve(r, std::move(answer)); }, http()),
          tls_server_(
              tls_, [this](const auto& r, auto answer) { serve(r, std::move(answer)); }, http()) {}

    std::uint16_t port() const { return plain_.port(); }
    std::uint16_t tls_port() const { return tls_.port(); }

    /// No newcomers, and who is there gets his answer and leaves; after ten seconds who has not is cut.
    asio::awaitable<void> stop() {
        std::printf("stopping\n");
        std::error_code overdue, tls_overdue;
        tls_.async_drain(10s, [](std::error_code) {});  // both at once; the second call below waits for this one
        co_await plain_.async_drain(10s, asio::redirect_error(asio::use_awaitable, overdue));
        co_await tls_.async_drain(10s, asio::redirect_error(asio::use_awaitable, tls_overdue));
        const auto served = plain_.stats().total.served + tls_.stats().total.served;
        const auto cut = plain_.stats().total.cut_requests + tls_.stats().total.cut_requests;
        std::printf("stopped: %llu requests served, %llu cut%s\n", static_cast<unsigned long long>(served),
                    static_cast<unsigned long long>(cut), overdue || tls_overdue ? ", overdue" : "");
    }

private:
    using plain_acceptor = inbound::basic_acceptor<hotpool::tcp_server, hotpool::default_policies, executor>;
    using tls_acceptor = inbound::basic_acceptor<hotpool::tls_server, hotpool::default_policies, executor>;

    static inbound::acceptor_options options(const plan& p, std::uint16_t port) {
        return {.addresses = {"127.0.0.1"}, .port = port, .admission = p.admission, .life = {.idle_timeout = 60s}};
    }
    /// Who looks after the server's health spends nobody's quota.
    static inbound::http_options http() { return {.unmetered_paths = {"/health", "/metrics"}}; }
    static plain_acceptor::services_type tell_refused() {
        plain_acceptor::services_type services;
        services.refused = inbound::http_refusal();
        return services;
    }

    void serve(const inbound::request& request, inbound::responder answer) {
        if (request.path() == "/health") return answer.send(healthy_);
        if (request.path() == "/metrics") return answer.send(metrics());
        files_.serve(request, std::move(answer));
    }

    inbound::reply metrics() const {
        const inbound::inbound_stats plain = plain_.stats(), tls = tls_.stats();
        const inbound::named_stats all[] = {{"plain", &plain}, {"tls", &tls}};
        hotpool::metrics::exposition out;
        inbound::write_metrics(out, all);
        inbound::reply made;
        made.header("Content-Type", hotpool::metrics::exposition::content_type).body(std::string(out.text()));
        return made;
    }

    const support::file_service files_;
    const inbound::reply healthy_ = std::move(inbound::reply().header("Content-Type", "text/plain").body("ok\n"));
    plain_acceptor plain_;
    tls_acceptor tls_;
    inbound::http_server<plain_acceptor> plain_server_;
    inbound::http_server<tls_acceptor> tls_server_;
};

std::uint16_t port_from(const char* text) { return static_cast<std::uint16_t>(std::atoi(text)); }

int serve_until_signal(char** arguments) {
    asio::io_context io(1);
    // What may throw stands on a line of its own: where an initialiser inside braces throws, g++ 12 destroys the members
    // before it twice.
    const inbound::admission_options admission = inbound::admission_options::from_environment();
    plan p{
        .port = port_from(arguments[1]),
        .tls_port = port_from(arguments[2]),
        .tls = {.certificate_file = arguments[3], .private_key_file = arguments[4], .alpn = {"http/1.1", "http/1.0"}},
        .directory = arguments[5],
        .admission = admission};
    guarded_server server(io, p);
    std::printf("http://127.0.0.1:%u/ https://127.0.0.1:%u/\n", server.port(), server.tls_port());
    std::fflush(stdout);
    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](std::error_code error, int) {
        if (!error) asio::co_spawn(io, server.stop(), [](std::exception_ptr) {});
    });
    io.run();
    return 0;
}

template <class Pool>
asio::awaitable<unsigned> show(Pool& pool, const char* target) {
    auto lease = co_await pool.async_get(asio::use_awaitable);
    const hotpool::request_builder request("GET", target);
    const hotpool::response reply = co_await hotpool::async_exchange(lease, request, asio::use_awaitable);
    std::printf(
        "%-12s %u %s\n", target, reply.status(),
        std::string(reply.header("Retry-After") ? "(come back later)" : reply.body().substr(0, reply.body().find('\n')))
            .c_str());
    pool.put(std::move(lease));
    co_return reply.status();
}

/// @return whether everything was answered as it should be
asio::awaitable<bool> show_all(guarded_server& server, std::string root_pem) {
    const auto where = co_await asio::this_coro::executor;
    bool good = true;
    {
        hotpool::tcp_pool plain(where, {.host = "127.0.0.1", .port = std::to_string(server.port())});
        for (const char* target : {"/hello.txt", "/health", "/metrics"}) good &= co_await show(plain, target) == 200;
        good &= co_await show(plain, "/no_file") == 404;
        good &= co_await show(plain, "/hello.txt") == 429;

        hotpool::tls_pool tls(where, {.host = "127.0.0.1", .port = std::to_string(server.tls_port())}, {},
                              hotpool::tls_options{.ca_pem = std::move(root_pem)});
        good &= co_await show(tls, "/hello.txt") == 200;
    }
    co_await server.stop();
    co_return good;
}

int show_yourself() {
    const std::filesystem::path directory = std::filesystem::temp_directory_path() / "hotpool-guarded-server";
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "hello.txt") << "hello\n";

    asio::io_context io(1);
    const support::certificate own = support::make_certificate();
    plan p{.tls = {.certificate_pem = own.pem, .private_key_pem = own.key_pem},
           .directory = directory,
           .admission = {.max_requests_per_group = 2}};
    guarded_server server(io, p);
    bool good = false;
    asio::co_spawn(io, show_all(server, own.pem), [&](std::exception_ptr failure, bool as_it_should) {
        if (failure) std::rethrow_exception(failure);
        good = as_it_should;
    });
    io.run();
    return good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) try {
    if (count != 1 && count != 6) {
        std::fprintf(stderr, "usage: %s [PORT TLS_PORT CERTIFICATE KEY DIRECTORY]\n", arguments[0]);
        return 2;
    }
    return count == 6 ? serve_until_signal(arguments) : show_yourself();
} catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
}
