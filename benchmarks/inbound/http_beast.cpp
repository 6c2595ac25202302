// A bare Boost.Beast server, for http.sh: http_beast PLAIN_PORT TLS_PORT CERTIFICATE KEY FILE
//
// One thread, the file in memory, no limits, no timeouts: what Beast costs by itself.
#if __has_include(<boost/beast.hpp>)

#    include <boost/asio/io_context.hpp>
#    include <boost/asio/ip/tcp.hpp>
#    include <boost/asio/ssl.hpp>
#    include <boost/beast.hpp>
#    include <boost/beast/ssl.hpp>

#    include <cstdlib>
#    include <fstream>
#    include <iterator>
#    include <memory>
#    include <optional>
#    include <string>
#    include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using plain_stream = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using tls_stream = asio::ssl::stream<plain_stream>;

template <class Stream>
class session : public std::enable_shared_from_this<session<Stream>> {
public:
    template <class... Args>
    explicit session(const std::string& text, Args&&... args) : text_(text), stream_(std::forward<Args>(args)...) {}

    Stream& stream() { return stream_; }

    void read() {
        parser_.emplace();
        http::async_read(stream_, buffer_, *parser_,
                         [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                             if (!error) self->answer();
                         });
    }

private:
    void answer() {
        const auto& request = parser_->get();
        reply_ = {};
        reply_.result(http::status::ok);
        reply_.version(request.version());
        reply_.keep_alive(request.keep_alive());
        reply_.set(http::field::content_type, "text/plain");
        reply_.body() = {text_.data(), text_.size()};
        reply_.prepare_payload();
        http::async_write(stream_, reply_, [self = this->shared_from_this()](beast::error_code error, std::size_t) {
            if (!error && self->reply_.keep_alive()) self->read();
        });
    }

    const std::string& text_;
    Stream stream_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::empty_body>> parser_;
    http::response<http::span_body<const char>> reply_;
};

void accept_plain(asio::io_context& io, tcp::acceptor& acceptor, const std::string& text) {
    auto next = std::make_shared<session<plain_stream>>(text, io.get_executor());
    acceptor.async_accept(next->stream(), [&, next](beast::error_code error) {
        if (!error) {
            next->stream().set_option(tcp::no_delay(true));
            next->read();
        }
        accept_plain(io, acceptor, text);
    });
}

void accept_tls(asio::io_context& io, tcp::acceptor& acceptor, asio::ssl::context& tls, const std::string& text) {
    auto next = std::make_shared<session<tls_stream>>(text, plain_stream(io.get_executor()), tls);
    acceptor.async_accept(next->stream().next_layer(), [&, next](beast::error_code error) {
        if (!error) {
            next->stream().next_layer().set_option(tcp::no_delay(true));
            next->stream().async_handshake(asio::ssl::stream_base::server, [next](beast::error_code failed) {
                if (!failed) next->read();
            });
        }
        accept_tls(io, acceptor, tls, text);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    std::ifstream file(argv[5], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    asio::io_context io{1};
    asio::ssl::context tls(asio::ssl::context::tls_server);
    tls.use_certificate_chain_file(argv[3]);
    tls.use_private_key_file(argv[4], asio::ssl::context::pem);
    const auto loopback = asio::ip::address_v4::loopback();
    tcp::acceptor plain(io, {loopback, static_cast<unsigned short>(std::atoi(argv[1]))});
    tcp::acceptor secure(io, {loopback, static_cast<unsigned short>(std::atoi(argv[2]))});
    accept_plain(io, plain, text);
    accept_tls(io, secure, tls, text);
    io.run();
}

#else

int main() { return 77; }

#endif
