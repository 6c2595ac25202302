// Bare Asio with callbacks and a prebuilt request; a response is so many bytes, nothing is parsed.
#include "bench.hpp"

#include <asio.hpp>
#include <asio/ssl.hpp>
#include <stdexcept>

namespace bench {

namespace {

using asio::ip::tcp;
using tls_socket = asio::ssl::stream<tcp::socket>;

void throw_on(const asio::error_code& error) {
    if (error) throw std::system_error{error};
}

void connect(tcp::socket& socket, const job& job) {
    asio::connect(socket, tcp::resolver{socket.get_executor()}.resolve(job.host, job.port));
    socket.set_option(tcp::no_delay{true});
}

template <class Stream>
Stream connected(asio::io_context& context, const job& job) {
    if constexpr (std::is_same_v<Stream, tls_socket>) {
        asio::ssl::context tls{asio::ssl::context::tls_client};
        tls.load_verify_file(job.ca_file);
        tls.set_verify_mode(asio::ssl::verify_peer);
        tls_socket stream{context, tls};
        connect(stream.next_layer(), job);
        stream.handshake(asio::ssl::stream_base::client);
        return stream;
    } else {
        Stream socket{context};
        connect(socket, job);
        return socket;
    }
}

// One connection, one request after another until `*unsent` is used up. How a request is written and a
// response is awaited is the way of `Derived`.
template <class Derived, class Stream>
class session {
public:
    session(asio::io_context& context, const job& job)
        : stream_{connected<Stream>(context, job)},
          request_{request_bytes(job)},
          buffer_(job.body_bytes + 4096) {
        asio::write(stream_, asio::buffer(request_));
        std::size_t have = 0;
        while (size_ == 0 || have < size_) {
            have += stream_.read_some(asio::buffer(buffer_) + have);
            if (size_ == 0) size_ = response_bytes({buffer_.data(), have}, job);
        }
        stream_.lowest_layer().non_blocking(true);
    }

    void send_next(std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        unsent_ = &unsent;
        left_ = size_;
        self().send();
    }

protected:
    Stream& stream() { return stream_; }
    auto request() const { return asio::buffer(request_); }
    auto room() { return asio::buffer(buffer_); }

    void write_inline() {
        asio::error_code error;
        stream_.write_some(request(), error);  // a request fits the send buffer
        throw_on(error);
    }

    auto on_received() {
        return [this](const asio::error_code& error, std::size_t bytes) { received(error, bytes); };
    }

    void received(const asio::error_code& error, std::size_t bytes) {
        throw_on(error);
        left_ -= bytes;
        if (left_ > 0) return self().receive();
        send_next(*unsent_);
    }

private:
    Derived& self() { return static_cast<Derived&>(*this); }

    Stream stream_;
    std::string request_;
    std::vector<char> buffer_;
    std::size_t size_ = 0;
    std::size_t left_ = 0;
    std::uint64_t* unsent_ = nullptr;
};

// The way of Asio's examples.
template <class Stream>
struct usual : session<usual<Stream>, Stream> {
    using session<usual, Stream>::session;

    void send() {
        asio::async_write(this->stream(), this->request(),
                          [this](const asio::error_code& error, std::size_t) {
                              throw_on(error);
                              receive();
                          });
    }
    void receive() { this->stream().async_read_some(this->room(), this->on_received()); }
};

// The write is tried at once; the read is tried at once by Asio, in vain, and again when something came.
struct inline_write : session<inline_write, tcp::socket> {
    using session::session;

    void send() {
        write_inline();
        receive();
    }
    void receive() { stream().async_read_some(room(), on_received()); }
};

template <class Session>
class asio_row final : public row {
public:
    explicit asio_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i)
            sessions_.push_back(std::make_unique<Session>(context_, job));
    }

    void run(std::uint64_t requests) override {
        for (const auto& each : sessions_) each->send_next(requests);
        context_.restart();
        context_.run();
    }

private:
    asio::io_context context_{1};  // one thread runs it
    std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace

void add_asio_rows(registry& rows) {
    rows.push_back({"asio", layer::plain, flow::both, "bare Asio", open<asio_row<usual<tcp::socket>>>});
    rows.push_back(
        {"asio-inline", layer::plain, flow::both, "bare Asio, inline write", open<asio_row<inline_write>>});
    rows.push_back(
        {"asio", layer::tls, flow::both, "bare asio::ssl::stream", open<asio_row<usual<tls_socket>>>});
}

}  // namespace bench
