// Connections that one epoll instance watches, and how much of its response each is still to bring. Where bodies are
// dropped, whatever comes is read to the same place, which stays in the processor's cache: with large bodies, no client
// that keeps them can be as cheap.
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "streams.hpp"

namespace bench {

enum class bodies { dropped, kept };

template <class Stream, bodies What = bodies::dropped>
class epoll_set {
public:
    struct connection {
        explicit connection(Stream&& made) : stream{std::move(made)} {}
        Stream stream;
        std::size_t left = 0;        // of the response
        std::vector<char> response;  // where it is kept
    };

    explicit epoll_set(const job& job) : request_{request_bytes(job)}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
        connections_.reserve(job.connections);
        for (std::size_t i = 0; i < job.connections; ++i) {
            connection& added = connections_.emplace_back(Stream{job, blocking::no});
            epoll_event event{.events = EPOLLIN, .data = {.ptr = &added}};
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, added.stream.fd(), &event);
        }
        buffer_.resize(connections_.front().stream.response_size());
        if (What == bodies::kept)
            for (connection& each : connections_) each.response = buffer_;
    }
    epoll_set(const epoll_set&) = delete;
    epoll_set& operator=(const epoll_set&) = delete;
    ~epoll_set() { ::close(epoll_); }

    std::vector<connection>& connections() { return connections_; }

    void send(connection& on) {
        on.left = buffer_.size();
        on.stream.write(request_);
    }

    // Reads what is there; whether the response is complete.
    bool receive(connection& on) {
        char* const to = What == bodies::kept ? on.response.data() + on.response.size() - on.left : buffer_.data();
        on.left -= on.stream.read(to, on.left);
        return on.left == 0;
    }

    template <class Visitor>
    void wait(Visitor&& visit) {
        std::array<epoll_event, 128> events;
        const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i) visit(*static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    }

private:
    std::string request_;
    int epoll_;
    std::vector<connection> connections_;
    std::vector<char> buffer_;
};

}  // namespace bench
