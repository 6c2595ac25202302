// An HTTP proxy on loopback that answers CONNECT as a test wants it to.
//
//     connect_proxy proxy({.answer = "HTTP/1.1 403 Forbidden\r\n\r\n"});
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/transport/proxy_options.hpp"
#include "support/loopback_server.hpp"

namespace hotpool::test {

/// What a proxy does once it has answered.
enum class proxy_ending {
    forward,  ///< joins both sides if the answer is a 200, and hangs up if not
    close,
    reset,
    stall,  ///< stays silent until the client has closed
    drip,   ///< sends the begin of a field, a byte a millisecond, until the client has closed
};

struct proxy_manner {
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    proxy_ending ending = proxy_ending::forward;
    bool byte_by_byte = false;  ///< each byte of the answer is a segment of its own
    /// What Proxy-Authorization must say; anything else is answered with 407.
    std::string credentials{};
    /// Hangs up before anything is read.
    bool deaf = false;
};

/// Whatever host it is asked for, it connects to that port of 127.0.0.1: names need not resolve.
class connect_proxy {
public:
    explicit connect_proxy(proxy_manner manner = {}, const char* address = "127.0.0.1")
        : manner_(std::move(manner)), server_([this](server_connection& c) { serve(c); }, address) {}

    proxy_options options() const { return {.host = "127.0.0.1", .port = server_.port()}; }
    std::string port() const { return server_.port(); }
    int accepted() const noexcept { return server_.accepted(); }
    /// The heads of all requests so far.
    std::vector<std::string> heads() const {
        const std::lock_guard lock(mutex_);
        return heads_;
    }

private:
    static constexpr std::string_view unauthorized =
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\n"
        "Content-Length: 6\r\n\r\nwho?\r\n";

    void serve(server_connection& client) {
        if (manner_.deaf) return client.reset();
        const std::string head = client.read_until("\r\n\r\n");
        {
            const std::lock_guard lock(mutex_);
            heads_.push_back(head);
        }
        const std::string field = "\r\nProxy-Authorization: " + manner_.credentials + "\r\n";
        if (!manner_.credentials.empty() && head.find(field) == head.npos) return client.write(unauthorized);

        const std::size_t piece = manner_.byte_by_byte ? 1 : manner_.answer.size();
        for (std::size_t at = 0; at < manner_.answer.size(); at += piece)
            client.write(std::string_view(manner_.answer).substr(at, piece));
        switch (manner_.ending) {
            case proxy_ending::forward:
                if (manner_.answer.find(" 200 ") != std::string::npos) forward(client, port_of(head));
                return;
            case proxy_ending::close: return;
            case proxy_ending::reset: return client.reset();
            case proxy_ending::stall: return client.stay();
            case proxy_ending::drip: return drip(client);
        }
    }

    static unsigned short port_of(std::string_view head) {
        const std::string_view target = head.substr(8, head.find(" HTTP/1.1") - 8);
        return static_cast<unsigned short>(std::stoi(std::string(target.substr(target.rfind(':') + 1))));
    }

    static void drip(server_connection& client) {
        client.write("X-Long: ");
        for (pollfd closed{client.fd(), POLLRDHUP, 0}; ::poll(&closed, 1, 1) == 0;) client.write("a");
    }

    static void forward(server_connection& client, unsigned short port) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        const int origin = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(origin, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) join(client.fd(), origin);
        ::close(origin);
    }

    /// Moves bytes both ways until each side has ended its own.
    static void join(int left, int right) {
        std::array<pollfd, 2> sides{pollfd{left, POLLIN, 0}, pollfd{right, POLLIN, 0}};
        while (sides[0].fd >= 0 || sides[1].fd >= 0) {
            if (::poll(sides.data(), sides.size(), -1) < 0) continue;
            for (pollfd& from : sides) {
                const int to = &from == &sides[0] ? right : left;
                if (from.fd < 0 || from.revents == 0 || move_some(from.fd, to)) continue;
                ::shutdown(to, SHUT_WR);
                from.fd = -1;
            }
        }
    }

    static bool move_some(int from, int to) {
        std::array<char, 16 * 1024> bytes;
        const auto got = ::recv(from, bytes.data(), bytes.size(), 0);
        for (ssize_t done = 0; done < got;) {
            const auto put = ::send(to, bytes.data() + done, static_cast<std::size_t>(got - done), MSG_NOSIGNAL);
            if (put <= 0) return false;
            done += put;
        }
        return got > 0;
    }

    proxy_manner manner_;
    mutable std::mutex mutex_;
    std::vector<std::string> heads_;
    loopback_server server_;
};

}  // namespace hotpool::test
