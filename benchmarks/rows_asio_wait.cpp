// Bare Asio that only waits: written and read by system calls or OpenSSL as in the bare rows, with one async_wait
// for each response. The write is tried at once; the read only when something came, for one epoll_ctl, and so into
// one buffer for all.
#include "streams.hpp"

#include <asio.hpp>

namespace bench {

namespace {

using asio::ip::tcp;

template <class Stream>
class session {
public:
    session(asio::io_context& context, const job& job, std::vector<char>& buffer)
        : stream_{job, blocking::no}, socket_{context}, request_{request_bytes(job)}, buffer_{buffer} {
        buffer_.resize(stream_.response_size());
        socket_.assign(tcp::v4(), stream_.fd());
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() { socket_.release(); }  // the stream closes it

    void send_next(std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        unsent_ = &unsent;
        left_ = buffer_.size();
        stream_.write(request_);
        receive();
    }

private:
    void receive() {
        socket_.async_wait(tcp::socket::wait_read, [this](const asio::error_code& error) {
            if (error) throw std::system_error{error};
            left_ -= stream_.read(buffer_.data(), left_);
            if (left_ > 0) return receive();
            send_next(*unsent_);
        });
    }

    Stream stream_;
    tcp::socket socket_;
    std::string request_;
    std::vector<char>& buffer_;
    std::size_t left_ = 0;
    std::uint64_t* unsent_ = nullptr;
};

template <class Stream>
class asio_wait_row final : public row {
public:
    explicit asio_wait_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i)
            sessions_.push_back(std::make_unique<session<Stream>>(context_, job, buffer_));
    }

    void run(std::uint64_t requests) override {
        for (const auto& each : sessions_) each->send_next(requests);
        context_.restart();
        context_.run();
    }

private:
    asio::io_context context_{1};  // one thread runs it
    std::vector<char> buffer_;
    std::vector<std::unique_ptr<session<Stream>>> sessions_;
};

}  // namespace

void add_asio_wait_rows(registry& rows) {
    rows.push_back({"asio-wait", layer::plain, flow::both, "sockets, Asio waits", open<asio_wait_row<plain_stream>>});
    rows.push_back({"asio-wait", layer::tls, flow::both, "OpenSSL, Asio waits", open<asio_wait_row<openssl_stream>>});
}

}  // namespace bench
