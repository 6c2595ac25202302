// GET / over TLS and the status, with Boost.Beast: HOST [PORT [CA-FILE]]
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <exception>
#include <iostream>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

int main(int argc, char** argv) try {
    if (argc < 2) return 2;
    asio::io_context context;
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.set_verify_mode(asio::ssl::verify_peer);
    if (argc > 3)
        tls.load_verify_file(argv[3]);
    else
        tls.set_default_verify_paths();
    beast::ssl_stream<beast::tcp_stream> stream(context, tls);
    SSL_set_tlsext_host_name(stream.native_handle(), argv[1]);
    stream.set_verify_callback(asio::ssl::host_name_verification(argv[1]));
    asio::ip::tcp::resolver resolver(context);
    beast::get_lowest_layer(stream).connect(resolver.resolve(argv[1], argc > 2 ? argv[2] : "443"));
    stream.handshake(asio::ssl::stream_base::client);
    http::request<http::empty_body> request(http::verb::get, "/", 11);
    request.set(http::field::host, argv[1]);
    http::write(stream, request);
    beast::flat_buffer buffer;
    http::response<http::string_body> reply;
    http::read(stream, buffer, reply);
    std::cout << reply.result_int() << '\n';
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
