// The floor: bare sockets, and OpenSSL on bare sockets. Nothing is parsed; a response is so many bytes.
#include "streams.hpp"

#include <sys/epoll.h>
#include <unistd.h>
#include <array>

namespace bench {

namespace {

template <class Stream>
class blocking_row final : public row {
public:
    explicit blocking_row(const job& job) : request_{request_bytes(job)}, stream_{job, blocking::yes} {
        buffer_.resize(stream_.response_size());
    }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests) {
            stream_.write(request_);
            for (std::size_t left = buffer_.size(); left > 0;) left -= stream_.read(buffer_.data(), left);
        }
    }

private:
    std::string request_;
    Stream stream_;
    std::vector<char> buffer_;
};

// One write and one read for each ready connection, then the next wait.
template <class Stream>
class epoll_row final : public row {
public:
    explicit epoll_row(const job& job)
        : request_{request_bytes(job)}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
        connections_.reserve(job.connections);
        for (std::size_t i = 0; i < job.connections; ++i) {
            connection& added = connections_.emplace_back(Stream{job, blocking::no});
            epoll_event event{.events = EPOLLIN, .data = {.ptr = &added}};
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, added.stream.fd(), &event);
        }
        buffer_.resize(connections_.front().stream.response_size());
    }

    ~epoll_row() override { ::close(epoll_); }

    void run(std::uint64_t requests) override {
        std::uint64_t unsent = requests;
        for (connection& each : connections_) send_next(each, unsent);
        for (std::uint64_t unanswered = requests; unanswered > 0;) {
            std::array<epoll_event, 128> events;
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < ready; ++i) {
                auto& on = *static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
                on.left -= on.stream.read(buffer_.data(), on.left);
                if (on.left > 0) continue;
                --unanswered;
                send_next(on, unsent);
            }
        }
    }

private:
    struct connection {
        explicit connection(Stream&& made) : stream{std::move(made)} {}
        Stream stream;
        std::size_t left = 0;  // of the response
    };

    void send_next(connection& on, std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        on.left = buffer_.size();
        on.stream.write(request_);
    }

    std::string request_;
    int epoll_;
    std::vector<connection> connections_;
    std::vector<char> buffer_;
};

}  // namespace

void add_socket_rows(registry& rows) {
    rows.push_back({"blocking", layer::plain, flow::sequential, "bare sockets, blocking",
                    open<blocking_row<plain_stream>>});
    rows.push_back({"epoll", layer::plain, flow::both, "bare sockets, epoll", open<epoll_row<plain_stream>>});
    rows.push_back({"blocking", layer::tls, flow::sequential, "bare OpenSSL, blocking",
                    open<blocking_row<openssl_stream>>});
    rows.push_back({"epoll", layer::tls, flow::both, "bare OpenSSL, epoll", open<epoll_row<openssl_stream>>});
}

}  // namespace bench
