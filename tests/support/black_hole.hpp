// An address that never answers, and a connection that is silently cut.
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <vector>

#include "hotpool/transport/asio.hpp"

namespace hotpool::test {

/// A listener whose backlog is full, so that Linux drops further SYNs.
class black_hole {
public:
    template <class Context>
    explicit black_hole(Context& io) : acceptor_(io) {
        acceptor_.open(net::ip::tcp::v4());
        acceptor_.bind({net::ip::address_v4::loopback(), 0});
        acceptor_.listen(0);
        for (int i = 0; i < 4; ++i) {
            fillers_.emplace_back(io).open(net::ip::tcp::v4());
            fillers_.back().non_blocking(true);
            // Not Asio's connect, which waits even so.
            const auto to = endpoint();
            ::connect(fillers_.back().native_handle(), to.data(), static_cast<socklen_t>(to.size()));
        }
    }
    net::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

private:
    net::ip::tcp::acceptor acceptor_;
    std::vector<net::ip::tcp::socket> fillers_;
};

/// Whatever comes in for this end of a connection is lost from now on, as behind a firewall that has forgotten it:
/// nothing is acknowledged, not even an end.
inline bool forget_connection(int fd) {
    sock_filter drop{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog all{1, &drop};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) == 0;
}

}  // namespace hotpool::test
