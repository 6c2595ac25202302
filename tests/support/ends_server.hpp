// An origin on loopback, on one thread, that falls silent where a request's target says, until it is told to go on.
//
//     stalling_server server;
//     ... a request for "/length" gets a head and three bytes of a thousand ...
//     server.release();    // and now the rest
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hotpool::test {

/// Where it falls silent, by the target of the request:
/// `/ok` nowhere; `/silent` before the head; `/head` inside the head; `/length`, `/chunked` and `/close` inside a body of
/// that kind; `/deaf` before it reads the request's body; `/consent` before 100 Continue; `/later` asks to come again.
class stalling_server {
public:
    stalling_server() : shared_(map_shared()), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        // Inherited by what is accepted: a small window, so that who is not read soon notices.
        const int small = 4096;
        ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof any;
        auto* const name = reinterpret_cast<sockaddr*>(&any);
        if (::bind(listener_, name, size) != 0 || ::listen(listener_, 256) != 0 ||
            ::getsockname(listener_, name, &size) != 0)
            throw std::runtime_error("cannot listen on loopback");
        port_ = ntohs(any.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    stalling_server(const stalling_server&) = delete;
    ~stalling_server() {
        command(order::stop);
        thread_.join();
        ::close(listener_);
        ::close(wake_);
        ::munmap(shared_, sizeof *shared_);
    }

    std::uint16_t port() const noexcept { return port_; }
    /// Connections that are open, as this side sees it.
    int live() const noexcept { return shared_->live; }
    /// How often it has fallen silent so far.
    int stalled() const noexcept { return shared_->stalled; }

    /// Whoever waits gets the rest; the silence is over for now, also for requests to come, until `hold`.
    void release() { command(order::release); }
    /// Requests to come wait again.
    void hold() { command(order::hold); }
    /// Resets the connections on which it is silent.
    void cut() { command(order::cut); }

private:
    enum class order : int { none, release, hold, cut, stop };

    /// Seen by forked processes too.
    struct shared {
        std::atomic<int> live{0};
        std::atomic<int> stalled{0};
        std::atomic<int> order{0};
        std::atomic<int> orders_done{0};
    };

    struct connection {
        int fd = -1;
        std::string in;
        std::string rest;           // what is sent when the silence is over
        std::size_t body_left = 0;  // of the request, to be dropped
        std::string reply;          // once the request's body has come
        bool silent = false;
        bool deaf = false;
        bool last = false;  // ends with `rest`
        bool over = false;
    };

    static shared* map_shared() {
        void* const at = ::mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) throw std::bad_alloc();
        return ::new (at) shared;
    }

    void command(order what) {
        const int before = shared_->orders_done;
        shared_->order = static_cast<int>(what);
        const std::uint64_t one = 1;
        if (::write(wake_, &one, sizeof one) != sizeof one) std::abort();
        while (shared_->orders_done == before) std::this_thread::yield();
    }

    void serve() {
        std::vector<pollfd> watched;
        for (bool stopping = false; !stopping;) {
            watched.assign({{wake_, POLLIN, 0}, {listener_, POLLIN, 0}});
            for (const connection& c : connections_)
                watched.push_back({c.fd, static_cast<short>(c.deaf ? POLLRDHUP : POLLIN), 0});
            ::poll(watched.data(), watched.size(), -1);
            std::size_t at = 2;
            for (connection& c : connections_)
                if (watched[at++].revents != 0) look(c);
            // Before new ones are let in, so that these meet what has been ordered before they came.
            if (watched[0].revents != 0) stopping = obey();
            if (watched[1].revents != 0) accept_all();
            bury();
        }
        for (connection& c : connections_) c.over = true;
        bury();
    }

    bool obey() {
        std::uint64_t count = 0;
        while (::read(wake_, &count, sizeof count) > 0) {
        }
        const auto what = static_cast<order>(shared_->order.exchange(0));
        if (what == order::release || what == order::hold) released_ = what == order::release;
        for (connection& c : connections_) {
            if (!c.silent && !c.deaf) continue;
            if (what == order::release) resume(c);
            if (what == order::cut) reset(c);
        }
        ++shared_->orders_done;
        return what == order::stop;
    }

    void accept_all() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0) return;
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections_.emplace_back().fd = fd;
            ++shared_->live;
        }
    }

    void bury() {
        connections_.remove_if([this](const connection& c) {
            if (!c.over) return false;
            ::close(c.fd);
            --shared_->live;
            return true;
        });
    }

    void look(connection& c) {
        static thread_local char bytes[256 * 1024];
        if (c.deaf) {  // not asked for what it has, only whether the peer is gone
            c.over = true;
            return;
        }
        const long got = ::recv(c.fd, bytes, sizeof bytes, 0);
        if (got <= 0) {
            c.over = got == 0 || (errno != EAGAIN && errno != EINTR);
            return;
        }
        c.in.append(bytes, static_cast<std::size_t>(got));
        if (!c.silent) work(c);
    }

    void work(connection& c) {
        while (!c.over && !c.silent && !c.deaf) {
            const std::size_t dropped = std::min(c.body_left, c.in.size());
            c.in.erase(0, dropped);
            c.body_left -= dropped;
            if (c.body_left != 0) return;
            if (!c.reply.empty()) {
                send(c, std::exchange(c.reply, {}));
                continue;
            }
            const std::size_t end = c.in.find("\r\n\r\n");
            if (end == c.in.npos) return;
            const std::string head = c.in.substr(0, end + 4);
            c.in.erase(0, end + 4);
            answer(c, head);
        }
    }

    void answer(connection& c, std::string_view head) {
        const std::size_t space = head.find(' ');
        const std::string_view method = head.substr(0, space);
        const std::string_view target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
        if (const std::size_t at = head.find("Content-Length: "); at != head.npos)
            c.body_left = std::strtoull(head.data() + at + 16, nullptr, 10);
        const std::string ok = method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                                                : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if (target == "/ok") c.reply = ok;
        if (target == "/silent") stall(c, "", ok);
        if (target == "/head") stall(c, "HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nok");
        if (target == "/length") stall(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", std::string(997, 'x'));
        if (target == "/chunked")
            stall(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabc\r\n0\r\n\r\n");
        if (target == "/close") {
            c.last = true;
            stall(c, "HTTP/1.1 200 OK\r\n\r\nabc", "abc");
        }
        if (target == "/later") c.reply = "HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n";
        if (target == "/deaf") {
            c.reply = ok;
            c.deaf = true;
            stall(c, "", "");
        }
        if (target == "/consent") {
            c.reply = ok;
            stall(c, "", "HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    void stall(connection& c, std::string_view now, std::string rest) {
        send(c, now);
        c.rest = std::move(rest);
        c.silent = !c.deaf;
        if (released_) return resume(c);
        ++shared_->stalled;
    }

    void resume(connection& c) {
        c.silent = false;
        if (std::exchange(c.deaf, false)) {  // there is much to read
            const int large = 1024 * 1024;
            ::setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
        }
        send(c, std::exchange(c.rest, {}));
        if (c.last) c.over = true;
        work(c);
    }

    /// Small enough for the socket's buffer.
    static void send(connection& c, std::string_view bytes) {
        if (!bytes.empty() && ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) c.over = true;
    }

    static void reset(connection& c) {
        const linger at_once{1, 0};
        ::setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        c.over = true;
    }

    shared* shared_;
    int wake_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    bool released_ = false;  // the rest: its own thread's
    std::list<connection> connections_;
    std::thread thread_;
};

}  // namespace hotpool::test
