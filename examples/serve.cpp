// A server that shows the way to its own end: over TLS, until SIGTERM, when everyone may finish what they have begun.
// `tests/lint/readme.sh` sees to it that docs/inbound.md shows the same code.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>

#include "support/certificate.hpp"

// [readme
#include <hotpool/inbound.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <system_error>

namespace inbound = hotpool::inbound;

void serve(asio::io_context& context, inbound::tls_acceptor& acceptor) {
    inbound::http_server server{
        acceptor, [](const inbound::request& asked, inbound::responder answer) {
            if (asked.path() != "/hello") return answer.send(inbound::reply(404));
            answer.send(
                inbound::reply().header("Content-Type", "text/plain").body("hello, " + asked.client().to_string()));
        }};

    asio::signal_set stop{context, SIGTERM};
    stop.async_wait([&](std::error_code, int) {
        acceptor.async_drain(std::chrono::seconds(10), [](std::error_code cut) {
            std::cout << (cut ? "some had to be cut\n" : "everyone has left\n");
        });
    });
    context.run();  // returns when the drain is over
}
// readme]

asio::awaitable<void> visit(asio::any_io_executor executor, hotpool::origin site, hotpool::tls_options tls) {
    hotpool::tls_pool pool{executor, site, {}, tls};
    hotpool::http_client client{pool};
    for (const char* path : {"/hello", "/nothing"}) {
        const hotpool::response reply = co_await client.async_get(path, asio::use_awaitable);
        std::cout << reply.status() << ' ' << reply.body() << '\n';
        if (reply.status() != (path == std::string("/hello") ? 200 : 404))
            throw std::runtime_error("not as it should be");
    }
    std::raise(SIGTERM);
}

int main() {
    const support::certificate identity = support::make_certificate();
    asio::io_context context;
    inbound::tls_acceptor acceptor{context.get_executor(),
                                   {.addresses = {"127.0.0.1"}},
                                   {.certificate_pem = identity.pem, .private_key_pem = identity.key_pem}};
    std::exception_ptr failure;
    asio::co_spawn(
        context,
        visit(context.get_executor(), {"127.0.0.1", std::to_string(acceptor.port())}, {.ca_pem = identity.pem}),
        [&](std::exception_ptr e) {
            failure = e;
            if (e) acceptor.close();
        });
    serve(context, acceptor);
    return failure || acceptor.stats().now.total() != 0 ? 1 : 0;
}
