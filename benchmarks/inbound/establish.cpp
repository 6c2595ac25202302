// How long clients wait until they are in: bench_inbound_establish [--quick]
//
// Prints one section in Markdown, and fails if the slowest hundredth waits for longer than 100 ms.
#include <hotpool/inbound/acceptor.hpp>
#include <hotpool/transport/tcp.hpp>
#include <hotpool/transport/tls.hpp>

#include <sys/resource.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "../../tests/support/certificates.hpp"
#include "quantile.hpp"

namespace bench {
namespace {

using namespace hotpool;
using clock = std::chrono::steady_clock;

constexpr std::size_t at_once = 50;
constexpr double most_milliseconds = 100;

const test::identity& own() {
    static const test::identity made = test::test_root().issue();
    return made;
}

inbound::acceptor_options server_options() {
    inbound::acceptor_options options;
    options.addresses = {"127.0.0.1"};
    options.admission.max_connections_per_group = 0;
    return options;
}

struct plain {
    using acceptor_type = inbound::tcp_acceptor;
    using transport_type = tcp_transport;
    static constexpr const char* name = "TCP";
    static tcp_server_options server() { return {}; }
    static tcp_options client() { return {}; }
};
struct tls_full {
    using acceptor_type = inbound::tls_acceptor;
    using transport_type = tls_transport;
    static constexpr const char* name = "TLS 1.3, whole handshake";
    static tls_server_options server() {
        return {.certificate_pem = own().certificate_pem, .private_key_pem = own().key_pem};
    }
    static tls_options client() { return {.ca_pem = test::test_root().certificate_pem(), .session_cache_size = 0}; }
};
struct tls_resumed : tls_full {
    static constexpr const char* name = "TLS 1.3, sessions gone on with";
    static tls_options client() { return {.ca_pem = test::test_root().certificate_pem(), .session_cache_size = 64}; }
};

/// Greets on a thread of its own, and ends each connection when its client does.
template <class Kind>
class server {
public:
    server() : acceptor_(io_.get_executor(), server_options(), Kind::server()) {
        accept();
        thread_ = std::thread([this] { io_.run(); });
    }
    ~server() {
        acceptor_.close();
        thread_.join();
    }
    std::uint16_t port() const { return acceptor_.port(); }
    inbound::inbound_stats stats() const { return acceptor_.stats(); }

private:
    using connection_type = typename Kind::acceptor_type::connection_type;
    struct visitor {
        connection_type connection;
        char byte = 0;
    };
    void accept() {
        acceptor_.async_accept([this](std::error_code error, connection_type c) {
            if (error) return;
            c.try_write(asio::buffer("!", 1));
            const auto v = std::make_shared<visitor>(visitor{std::move(c)});
            v->connection.async_read_some(asio::buffer(&v->byte, 1), [v](std::error_code, std::size_t) {});
            accept();
        });
    }
    asio::io_context io_;
    typename Kind::acceptor_type acceptor_;
    std::thread thread_;
};

/// `count` clients, `at_once` of them at a time, and the milliseconds that each waited for the greeting.
template <class Kind>
class crowd {
public:
    using transport_type = typename Kind::transport_type;
    using stream_type = typename transport_type::template stream<asio::any_io_executor>;

    crowd(std::uint16_t port, std::size_t count)
        : transport_(origin{.host = "localhost", .port = std::to_string(port)}, Kind::client()),
          request_{.to = {*ip_address::parse("127.0.0.1"), port}, .timeout = std::chrono::seconds(30)},
          left_(count) {}
    std::vector<double> establish() {
        for (std::size_t i = 0; i < at_once; ++i) next();
        io_.run();
        return std::move(waited_);
    }

private:
    void next() {
        if (left_ == 0) return;
        --left_;
        const asio::any_io_executor executor(io_.get_executor());
        transport_.async_open(executor, request_, [this, start = clock::now()](std::error_code error, stream_type s) {
            if (error) throw std::system_error(error);
            await_greeting(std::make_shared<stream_type>(std::move(s)), start);
        });
    }
    void await_greeting(std::shared_ptr<stream_type> s, clock::time_point start) {
        char byte = 0;
        const io_result r = s->try_read(asio::buffer(&byte, 1));
        if (r.error) throw std::system_error(r.error);
        if (r.bytes == 0) {
            stream_type& waiting = *s;
            return waiting.async_wait(r.want, [this, s = std::move(s), start](std::error_code) mutable {
                await_greeting(std::move(s), start);
            });
        }
        waited_.push_back(std::chrono::duration<double, std::milli>(clock::now() - start).count());
        s->close();
        next();
    }

    asio::io_context io_;
    transport_type transport_;
    open_request request_;
    std::size_t left_;
    std::vector<double> waited_;
};

double cpu_milliseconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

template <class Kind>
bool print_row(std::size_t count) {
    const server<Kind> served;
    crowd<Kind>(served.port(), at_once).establish();
    const double cpu_before = cpu_milliseconds();
    const auto begun = clock::now();
    const std::vector<double> waited = crowd<Kind>(served.port(), count).establish();
    const double seconds = std::chrono::duration<double>(clock::now() - begun).count();
    const double cpu = (cpu_milliseconds() - cpu_before) / static_cast<double>(count);
    const double slowest = quantile(waited, 0.99);
    std::printf("| %s | %.2f | %.2f | %.2f | %.0f | %.2f |\n", Kind::name, quantile(waited, 0.5), slowest,
                quantile(waited, 1), static_cast<double>(count) / seconds, cpu);
    std::fflush(stdout);
    return slowest < most_milliseconds;
}

int report(bool quick) {
    const std::size_t count = quick ? 300 : 5000;
    std::printf(
        "## Establishing, %zu clients at once\n\n"
        "Milliseconds from the beginning of connect until the server's first byte has come, which it writes when it "
        "accepts, %zu times. "
        "One thread serves and one asks, on loopback; keys are ECDSA P-256.\n\n"
        "| | p50, ms | p99, ms | slowest, ms | a second | CPU of both ends, ms each "
        "|\n|---|---:|---:|---:|---:|---:|\n",
        at_once, count);
    bool kept = print_row<plain>(count);
    kept &= print_row<tls_full>(count);
    kept &= print_row<tls_resumed>(count);
    std::printf("\np99 is to be under %.0f ms: %s\n", most_milliseconds, kept ? "it is." : "IT IS NOT.");
    return kept ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    try {
        return bench::report(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_inbound_establish: %s\n", error.what());
        return 2;
    }
}
