// The floor: bare sockets, and OpenSSL on bare sockets. Nothing is parsed; a response is so many bytes.
#include "epoll_set.hpp"
#include "streams.hpp"

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
template <class Stream, bodies What = bodies::dropped>
class epoll_row final : public row {
public:
    explicit epoll_row(const job& job) : set_{job} {}

    void run(std::uint64_t requests) override {
        std::uint64_t unsent = requests;
        std::uint64_t unanswered = requests;
        const auto send_next = [&](auto& on) {
            if (unsent == 0) return;
            --unsent;
            set_.send(on);
        };
        for (auto& each : set_.connections()) send_next(each);
        while (unanswered > 0) {
            set_.wait([&](auto& on) {
                if (!set_.receive(on)) return;
                --unanswered;
                send_next(on);
            });
        }
    }

private:
    epoll_set<Stream, What> set_;
};

// Reads every ready response before the next request is written, so that the server finds them all when it
// gets its turn: as few waits as there can be.
template <class Stream>
class epoll_batch_row final : public row {
public:
    explicit epoll_batch_row(const job& job) : set_{job} {}

    void run(std::uint64_t requests) override {
        std::uint64_t unsent = requests;
        std::uint64_t unanswered = requests;
        for (auto& each : set_.connections()) answered_.push_back(&each);
        while (unanswered > 0) {
            for (auto* const on : answered_) {
                if (unsent == 0) break;
                --unsent;
                set_.send(*on);
            }
            answered_.clear();
            set_.wait([&](auto& on) {
                if (!set_.receive(on)) return;
                --unanswered;
                answered_.push_back(&on);
            });
        }
        answered_.clear();
    }

private:
    epoll_set<Stream> set_;
    std::vector<typename epoll_set<Stream>::connection*> answered_;
};

}  // namespace

void add_sockets_rows(registry& rows) {
    rows.push_back(
        {"blocking", layer::plain, flow::sequential, "bare sockets, blocking", open<blocking_row<plain_stream>>});
    rows.push_back({"epoll", layer::plain, flow::both, "bare sockets, epoll", open<epoll_row<plain_stream>>});
    rows.push_back({"epoll-keep", layer::plain, flow::both, "bare sockets, epoll, bodies kept",
                    open<epoll_row<plain_stream, bodies::kept>>, 16 * 1024});
    rows.push_back({"epoll-batch", layer::plain, flow::concurrent, "bare sockets, epoll, all read before written",
                    open<epoll_batch_row<plain_stream>>});
    rows.push_back(
        {"blocking", layer::tls, flow::sequential, "bare OpenSSL, blocking", open<blocking_row<openssl_stream>>});
    rows.push_back({"epoll", layer::tls, flow::both, "bare OpenSSL, epoll", open<epoll_row<openssl_stream>>});
    rows.push_back({"epoll-keep", layer::tls, flow::both, "bare OpenSSL, epoll, bodies kept",
                    open<epoll_row<openssl_stream, bodies::kept>>, 16 * 1024});
    rows.push_back({"epoll-batch", layer::tls, flow::concurrent, "bare OpenSSL, epoll, all read before written",
                    open<epoll_batch_row<openssl_stream>>});
}

}  // namespace bench
