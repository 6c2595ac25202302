// Bare Asio with callbacks and a prebuilt request; a response is so many bytes, nothing is parsed.
#include "asio_connection.hpp"

namespace bench {

namespace {

void throw_on(const asio::error_code& error) {
    if (error) throw std::system_error{error};
}

// One connection, one request after another until `*unsent` is used up. How a request is written and a
// response is awaited is the way of `Derived`.
template <class Derived, class Stream>
class session : public asio_connection<Stream> {
public:
    using asio_connection<Stream>::asio_connection;

    void send_next(std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        unsent_ = &unsent;
        left_ = this->response_size();
        self().send();
    }

protected:
    auto on_received() {
        return [this](const asio::error_code& error, std::size_t bytes) { received(error, bytes); };
    }

private:
    Derived& self() { return static_cast<Derived&>(*this); }

    void received(const asio::error_code& error, std::size_t bytes) {
        throw_on(error);
        left_ -= bytes;
        if (left_ > 0) return self().receive();
        send_next(*unsent_);
    }

    std::size_t left_ = 0;
    std::uint64_t* unsent_ = nullptr;
};

// The way of Asio's examples.
template <class Stream>
struct usual : session<usual<Stream>, Stream> {
    using session<usual, Stream>::session;

    void send() {
        asio::async_write(this->stream(), this->request(), [this](const asio::error_code& error, std::size_t) {
            throw_on(error);
            receive();
        });
    }
    void receive() { this->stream().async_read_some(this->room(), this->on_received()); }
};

// The write is tried at once; the read is tried at once by Asio, in vain, and again when something came.
struct inline_write : session<inline_write, tcp_socket> {
    using session::session;

    void send() {
        asio::error_code error;
        stream().write_some(request(), error);  // a request fits the send buffer
        throw_on(error);
        receive();
    }
    void receive() { stream().async_read_some(room(), on_received()); }
};

template <class Session>
class asio_row final : public row {
public:
    explicit asio_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i) sessions_.push_back(std::make_unique<Session>(context_, job));
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
    rows.push_back({"asio", layer::plain, flow::both, "bare Asio", open<asio_row<usual<tcp_socket>>>});
    rows.push_back({"asio-inline", layer::plain, flow::both, "bare Asio, inline write", open<asio_row<inline_write>>});
    rows.push_back({"asio", layer::tls, flow::both, "bare asio::ssl::stream", open<asio_row<usual<tls_socket>>>});
}

}  // namespace bench
