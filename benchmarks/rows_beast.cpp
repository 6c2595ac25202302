// Boost.Beast by hand, on Boost.Asio with callbacks: a message is written, a message is read whole.
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <stdexcept>

#include "bench.hpp"

namespace bench {

namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using tcp_socket = net::ip::tcp::socket;
using tls_socket = boost::beast::ssl_stream<tcp_socket>;

void connect(tcp_socket& socket, const job& job) {
    net::connect(socket, net::ip::tcp::resolver{socket.get_executor()}.resolve(job.host, job.port));
    socket.set_option(net::ip::tcp::no_delay{true});
}

template <class Stream>
Stream connected(net::io_context& context, const job& job) {
    if constexpr (std::is_same_v<Stream, tls_socket>) {
        net::ssl::context tls{net::ssl::context::tls_client};
        tls.load_verify_file(job.ca_file);
        tls.set_verify_mode(net::ssl::verify_peer);
        tls_socket stream{context, tls};
        stream.set_verify_callback(net::ssl::host_name_verification{job.host});
        connect(stream.next_layer(), job);
        stream.handshake(net::ssl::stream_base::client);
        return stream;
    } else {
        tcp_socket socket{context};
        connect(socket, job);
        return socket;
    }
}

template <class Stream>
class session {
public:
    session(net::io_context& context, const job& job)
        : stream_{connected<Stream>(context, job)},
          request_{http::verb::get, job.path, 11},
          body_bytes_{job.body_bytes} {
        buffer_.reserve(64 << 10);  // Beast reads only as much at once as there is room for
        request_.set(http::field::host, job.host + ':' + job.port);
        request_.set(http::field::connection, "keep-alive");
        http::write(stream_, request_);
        http::read(stream_, buffer_, response_);
        check_response();
    }

    void send_next(std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        unsent_ = &unsent;
        http::async_write(stream_, request_, [this](const boost::system::error_code& error, std::size_t) {
            throw_on(error);
            receive();
        });
    }

private:
    static void throw_on(const boost::system::error_code& error) {
        if (error) throw boost::system::system_error{error};
    }

    void receive() {
        response_ = {};
        http::async_read(stream_, buffer_, response_, [this](const boost::system::error_code& error, std::size_t) {
            throw_on(error);
            check_response();
            send_next(*unsent_);
        });
    }

    void check_response() const {
        if (response_.result() != http::status::ok || response_.body().size() != body_bytes_)
            throw std::runtime_error{"Beast: unexpected response"};
    }

    Stream stream_;
    http::request<http::empty_body> request_;
    boost::beast::flat_buffer buffer_;
    http::response<http::string_body> response_;
    std::size_t body_bytes_;
    std::uint64_t* unsent_ = nullptr;
};

template <class Stream>
class beast_row final : public row {
public:
    explicit beast_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i)
            sessions_.push_back(std::make_unique<session<Stream>>(context_, job));
    }

    void run(std::uint64_t requests) override {
        for (const auto& each : sessions_) each->send_next(requests);
        context_.restart();
        context_.run();
    }

private:
    net::io_context context_{1};  // one thread runs it
    std::vector<std::unique_ptr<session<Stream>>> sessions_;
};

}  // namespace

void add_beast_rows(registry& rows) {
    rows.push_back({"beast", layer::plain, flow::both, "Boost.Beast", open<beast_row<tcp_socket>>});
    rows.push_back({"beast", layer::tls, flow::both, "Boost.Beast", open<beast_row<tls_socket>>});
}

}  // namespace bench
