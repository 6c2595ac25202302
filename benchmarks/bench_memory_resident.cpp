// bench_memory_resident: resident memory that so many plain idle connections add to a process. They lead to a process of
// their own, which accepts and is silent; what the kernel keeps for sockets is not part of it.
#include <hotpool/connection_pool.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {

namespace {

constexpr std::size_t connections = 10'000;
constexpr std::size_t step = 500;  // no more at once than the queue of a listening socket takes

void require(bool done, const char* what) {
    if (!done) throw std::system_error{errno, std::generic_category(), what};
}

void allow_descriptors() {
    rlimit limit{};
    require(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    require(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    if (limit.rlim_max < connections + 100)
        throw std::runtime_error{"a process may have only " + std::to_string(limit.rlim_max) + " descriptors"};
}

class acceptor {
public:
    acceptor() : listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        require(::bind(listener_, any, size) == 0 && ::listen(listener_, step) == 0 &&
                    ::getsockname(listener_, any, &size) == 0,
                "listen");
        port_ = ntohs(address.sin_port);
        child_ = ::fork();
        require(child_ >= 0, "fork");
        if (child_ == 0) accept_all();
        ::close(listener_);
    }
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    ~acceptor() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
    std::uint16_t port() const { return port_; }

private:
    [[noreturn]] void accept_all() const {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (::accept(listener_, nullptr, nullptr) >= 0) {
        }
        std::perror("bench_memory_resident: accept");
        ::_exit(1);
    }

    int listener_;
    std::uint16_t port_ = 0;
    pid_t child_ = -1;
};

long resident_bytes() {
    long pages = 0;
    std::ifstream statm{"/proc/self/statm"};
    statm >> pages >> pages;
    return pages * ::sysconf(_SC_PAGESIZE);
}

void report(const char* title, long bytes) {
    std::printf("| %s | %.1f | %.0f |\n", title, static_cast<double>(bytes) / 1e6,
                static_cast<double>(bytes) / static_cast<double>(connections));
}

void measure_asio(std::uint16_t port) {
    asio::io_context context{1};
    std::deque<asio::ip::tcp::socket> sockets;
    const long before = resident_bytes();
    while (sockets.size() < connections)
        sockets.emplace_back(context).connect({asio::ip::address_v4::loopback(), port});
    report("bare Asio socket", resident_bytes() - before);
}

void measure_hotpool(std::uint16_t port) {
    asio::io_context context{1};
    hotpool::tcp_pool pool{context.get_executor(),
                           hotpool::origin{.host = "127.0.0.1", .port = std::to_string(port)},
                           {.max_connections = connections}};
    const long before = resident_bytes();
    for (std::size_t open = step; open <= connections; open += step) {
        pool.async_warm(open, [&context](std::error_code error) {
            if (error) throw std::system_error{error};
            context.stop();
        });
        context.run();
        context.restart();
    }
    context.run_for(std::chrono::milliseconds{300});  // watches are armed meanwhile
    report("hotpool", resident_bytes() - before);
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    using namespace bench;
    const std::string_view row = argc == 2 ? argv[1] : "";
    if (row != "asio" && row != "hotpool") {
        std::fputs("usage: bench_memory_resident {asio|hotpool}\n", stderr);
        return 2;
    }
    allow_descriptors();
    const acceptor peer;
    row == "asio" ? measure_asio(peer.port()) : measure_hotpool(peer.port());
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_memory_resident: %s\n", error.what());
    return 1;
}
