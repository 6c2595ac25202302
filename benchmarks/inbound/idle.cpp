// What open connections cost that say nothing: bench_inbound_idle [--quick]
//
// Prints one section in Markdown, and fails if they take more than 5 % of a core or a kibibyte each besides OpenSSL.
#include <hotpool/inbound/acceptor.hpp>

#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <malloc.h>

#include "../../tests/support/certificates.hpp"

namespace bench {
namespace {

std::atomic<std::size_t> cpp_bytes{0};
std::atomic<std::size_t> openssl_bytes{0};

void* counted(void* block, std::atomic<std::size_t>& sum) {
    if (block != nullptr) sum += ::malloc_usable_size(block);
    return block;
}
void uncount(void* block, std::atomic<std::size_t>& sum) {
    if (block != nullptr) sum -= ::malloc_usable_size(block);
}

}  // namespace
}  // namespace bench

void* operator new(std::size_t bytes) {
    if (void* const block = bench::counted(std::malloc(bytes), bench::cpp_bytes)) return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
    bench::uncount(block, bench::cpp_bytes);
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

namespace bench {
namespace {

using namespace hotpool;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr double most_share = 5;     // percent of a core
constexpr double most_bytes = 1024;  // each, besides OpenSSL

void count_openssl() {
    CRYPTO_set_mem_functions(
        [](std::size_t bytes, const char*, int) { return counted(std::malloc(bytes), openssl_bytes); },
        [](void* block, std::size_t bytes, const char*, int) {
            uncount(block, openssl_bytes);
            return counted(std::realloc(block, bytes), openssl_bytes);
        },
        [](void* block, const char*, int) {
            uncount(block, openssl_bytes);
            std::free(block);
        });
}

void allow_sockets() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// A process of clients that connect when they are told a port, and stay until it is killed.
class clients {
public:
    clients(std::size_t count, bool tls) {
        int ends[2];
        if (pipe(ends) != 0) throw std::system_error(errno, std::system_category());
        process_ = fork();
        if (process_ == 0) {
            ::close(ends[1]);
            run(ends[0], count, tls);
        }
        ::close(ends[0]);
        tell_ = ends[1];
    }
    ~clients() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        ::close(tell_);
    }
    void connect_to(std::uint16_t port) {
        if (::write(tell_, &port, sizeof port) != sizeof port) throw std::runtime_error("the clients are gone");
    }

private:
    [[noreturn]] static void run(int told, std::size_t count, bool tls) {
        std::uint16_t port = 0;
        if (::read(told, &port, sizeof port) != sizeof port) ::_exit(1);
        SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
        for (std::size_t i = 0; i < count; ++i) {
            const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(0x7f000002u + static_cast<std::uint32_t>(i % 200));
            if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(2);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            address.sin_port = htons(port);
            if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(3);
            if (!tls) continue;
            SSL* const ssl = SSL_new(context);
            SSL_set_fd(ssl, fd);
            if (SSL_connect(ssl) != 1) ::_exit(4);
            SSL_set_quiet_shutdown(ssl, 1);
            SSL_free(ssl);  // the descriptor stays open
        }
        for (;;) ::pause();
    }

    pid_t process_ = -1;
    int tell_ = -1;
};

template <class Acceptor>
struct holder {
    using connection_type = typename Acceptor::connection_type;
    void accept() {
        acceptor.async_accept([this](std::error_code error, connection_type c) {
            if (error) return;
            connections.push_back(std::move(c));
            watch(connections.size() - 1);
            accept();
        });
    }
    void watch(std::size_t i) {
        connections[i].async_wait_readable([this, i](std::error_code error) {
            if (error) {
                ++ended;
                return;
            }
            char bytes[256];
            const io_result r = connections[i].try_read(asio::buffer(bytes));
            if (r.error)
                ++ended;
            else
                watch(i);
        });
    }

    Acceptor& acceptor;
    std::vector<connection_type> connections;
    std::size_t ended = 0;
};

/// @param seconds for which they are idle
template <class Acceptor, class Options>
bool print_row(const char* name, std::size_t count, std::chrono::seconds seconds, const inbound::life_options& life,
               const Options& server, bool tls) {
    clients all(count, tls);
    asio::io_context io;
    inbound::acceptor_options options;
    options.addresses = {"127.0.0.1"};
    options.backlog = 4096;
    options.admission.max_connections_per_group = 0;
    options.admission.max_connections = 0;
    options.life = life;
    Acceptor acceptor(io.get_executor(), options, server);
    holder<Acceptor> held{acceptor, {}, 0};
    held.connections.reserve(count);
    // What is kept anyway, such as room for the groups, is not of the connections.
    const std::size_t cpp_before = cpp_bytes, openssl_before = openssl_bytes;
    all.connect_to(acceptor.port());
    held.accept();
    const auto limit = clock::now() + 120s;
    while (held.connections.size() < count && clock::now() < limit) io.run_one_for(100ms);
    if (held.connections.size() < count) throw std::runtime_error("not all clients have come");
    io.run_for(1s);  // tickets, timers of handshakes
    const double cpp = static_cast<double>(cpp_bytes - cpp_before) / static_cast<double>(count);
    const double openssl = static_cast<double>(openssl_bytes - openssl_before) / static_cast<double>(count);

    const double cpu_before = cpu_seconds();
    const auto begun = clock::now();
    io.run_for(seconds);
    const double share =
        100 * (cpu_seconds() - cpu_before) / std::chrono::duration<double>(clock::now() - begun).count();
    if (held.ended != 0 || acceptor.stats().now.open != count) throw std::runtime_error("connections have ended");
    std::printf("| %s | %zu | %.2f | %.0f | %.0f |\n", name, count, share, cpp, openssl);
    std::fflush(stdout);
    return share < most_share && cpp <= most_bytes;
}

int report(bool quick) {
    const std::size_t count = quick ? 1000 : 10'000;
    const auto seconds = quick ? 2s : 10s;
    const inbound::life_options defaults{};
    const inbound::life_options supervised{.idle_timeout = 300s, .max_lifetime = 3600s, .heartbeat_interval = 120s};
    const test::identity own = test::self_signed();
    const tls_server_options tls{.certificate_pem = own.certificate_pem, .private_key_pem = own.key_pem};
    std::printf(
        "## Open connections that say nothing\n\n"
        "On loopback, from 200 addresses, each waiting to become readable; the clients are another process. CPU of "
        "the server over %d s, and what is allocated for each connection: by C++, which is the library, Asio and "
        "the handle, and by OpenSSL.\n\n"
        "| | connections | CPU, %% of a core | C++, bytes each | OpenSSL, bytes each |\n|---|---:|---:|---:|---:|\n",
        static_cast<int>(seconds.count()));
    bool kept = print_row<inbound::tcp_acceptor>("TCP", count, seconds, defaults, tcp_server_options{}, false);
    kept &= print_row<inbound::tcp_acceptor>("TCP, with every limit set", count, seconds, supervised,
                                             tcp_server_options{}, false);
    kept &= print_row<inbound::tls_acceptor>("TLS 1.3", count, seconds, defaults, tls, true);
    std::printf("\nAt most %.0f %% and %.0f bytes besides OpenSSL: %s\n", most_share, most_bytes,
                kept ? "kept." : "NOT KEPT.");
    return kept ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    try {
        bench::count_openssl();
        bench::allow_sockets();
        return bench::report(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_inbound_idle: %s\n", error.what());
        return 2;
    }
}
