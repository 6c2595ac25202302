// A signaling server: devices behind one address find each other and exchange offers and answers. A client connects to
//
//     wss://HOST:PORT/v1/ws?d=DESCRIPTION
//
// with what it says of itself, JSON in base64url, and gets HELLO with its peers, then JOIN, UPDATE and LEFT as they
// come and go; it sends UPDATE to all of them, OFFER and ANSWER to one. ERROR has a code of HTTP: 400 for a message that
// means nothing, 404 for a peer that is not there, 429 before the end of a connection whose group has used up its
// requests, 503 before the end of all.
//
// WebSocket and TLS are Boost.Beast's, of the distribution; who may come in, who is there and who has to go is decided
// by hotpool's machines, which need no Asio of either kind.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>

#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>

#include "../support/certificate.hpp"
#include "listener.hpp"
#include "options.hpp"
#include "server.hpp"

namespace signaling {

namespace {

asio::ssl::context make_tls(const options& with) {
    using context = asio::ssl::context;
    context tls(context::tls_server);
    tls.set_options(context::no_sslv3 | context::no_tlsv1 | context::no_tlsv1_1);
    if (!with.certificate_file.empty()) {
        tls.use_certificate_chain_file(with.certificate_file);
        tls.use_private_key_file(with.key_file, context::pem);
        return tls;
    }
    const support::certificate made = support::make_certificate();
    tls.use_certificate_chain(asio::buffer(made.pem));
    tls.use_private_key(asio::buffer(made.key_pem), context::pem);
    std::cout << made.pem;
    return tls;
}

int run(const options& with) {
    asio::io_context context(1);
    asio::signal_set signals(context, SIGINT, SIGTERM);
    bool lost = false;

    server all(context, with, make_tls(with), [&] { signals.cancel(); });
    const auto stop = [&](listener& door) {
        door.close();
        all.drain();
    };
    listener door(
        context, with.every_address, with.port, [&](asio::ip::tcp::socket socket) { all.connected(std::move(socket)); },
        [&](const std::string& why) {
            std::cerr << "signaling_server: cannot accept any more: " << why << '\n';
            lost = true;
            stop(door);
        });

    std::function<void(boost::system::error_code, int)> signalled = [&](boost::system::error_code error, int) {
        if (error) return;
        signals.async_wait(signalled);
        stop(door);
    };
    signals.async_wait(signalled);

    std::cout << "listening on port " << door.port() << std::endl;
    context.run();
    std::cout << all.summary() << std::endl;
    return lost ? 1 : 0;
}

}  // namespace

}  // namespace signaling

int main(int argc, char** argv) {
    try {
        return signaling::run(signaling::read_options(argc, argv));
    } catch (const std::invalid_argument& error) {
        std::cerr << "signaling_server: " << error.what() << "\n\n" << signaling::usage;
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "signaling_server: " << error.what() << '\n';
        return 1;
    }
}
