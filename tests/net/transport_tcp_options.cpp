// What tcp_options say of sockets: read back from them, plain and under TLS, to an origin and to a proxy.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "support/catch.hpp"
#include "support/connect_proxy.hpp"
#include "support/pool_test.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

int socket_number_of(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

/// Everything set, to numbers that no system has by default.
tcp_options all_choices() {
    return {.no_delay = false,
            .keep_alive = true,
            .keep_alive_idle = 41s,
            .keep_alive_interval = 7s,
            .keep_alive_probes = 3,
            .user_timeout = 12345ms,
            .send_buffer_bytes = 40'000,
            .receive_buffer_bytes = 50'000,
            .dscp = 46};
}

void check_all_choices(int fd, bool six = false) {
    CHECK(socket_number_of(fd, IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(socket_number_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(socket_number_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 41);
    CHECK(socket_number_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 7);
    CHECK(socket_number_of(fd, IPPROTO_TCP, TCP_KEEPCNT) == 3);
    CHECK(socket_number_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 12345);
    CHECK(socket_number_of(fd, SOL_SOCKET, SO_SNDBUF) == 80'000);  // Linux doubles them
    CHECK(socket_number_of(fd, SOL_SOCKET, SO_RCVBUF) == 100'000);
    const int mark = six ? socket_number_of(fd, IPPROTO_IPV6, IPV6_TCLASS) : socket_number_of(fd, IPPROTO_IP, IP_TOS);
    CHECK(mark == 46 << 2);
}

void use(tcp_options& options, tcp_options tcp) { options = std::move(tcp); }
void use(tls_options& options, tcp_options tcp) { options.tcp = std::move(tcp); }

template <class Transport>
typename Transport::options with(tcp_options tcp) {
    typename Transport::options options = trusting_options<Transport>();
    use(options, std::move(tcp));
    return options;
}

/// How a get from a pool with these options ends.
template <class Transport>
std::error_code error_of_get(const site<Transport>& s, const tcp_options& tcp) {
    net::io_context io;
    connection_pool<Transport> pool(io.get_executor(), s.target(), {}, with<Transport>(tcp));
    got<connection_pool<Transport>> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(pool.stats().last_open_error == answer.error);
    for (const endpoint_state& e : pool.endpoints()) CHECK(e.failures_in_a_row == 0);
    return answer.error;
}

}  // namespace

TEMPLATE_TEST_CASE("options_of_tcp_reach_each_socket", "[transport]", tcp_transport, tls_transport) {
    const site<TestType> s;
    net::io_context io;
    connection_pool<TestType> pool(io.get_executor(), s.target(), {}, with<TestType>(all_choices()));
    auto lease = get(io, pool);
    check_all_choices(static_cast<int>(lease.stream().native_handle()));
    CHECK(round_trip(io, lease, "through it") == "through it");
}

TEST_CASE("options_of_tcp_reach_sockets_of_the_sixth_version_too", "[transport]") {
    loopback_server six(stay, "::1");
    net::io_context io;
    tcp_pool pool(io.get_executor(), {"::1", six.port()}, {}, all_choices());
    auto lease = get(io, pool);
    check_all_choices(static_cast<int>(lease.stream().native_handle()), true);
}

TEMPLATE_TEST_CASE("options_of_tcp_hold_for_the_connection_to_a_proxy", "[transport]", tcp_transport, tls_transport) {
    const site<TestType> s;
    connect_proxy proxy;
    std::vector<std::string> seen;
    tcp_options tcp = all_choices();
    tcp.proxy = proxy.options();
    tcp.before_connect = [&](native_socket, const ip_endpoint& to) {
        seen.push_back(to.to_string());
        return std::error_code();
    };
    net::io_context io;
    connection_pool<TestType> pool(io.get_executor(), s.target(), {}, with<TestType>(tcp));
    auto lease = get(io, pool);
    check_all_choices(static_cast<int>(lease.stream().native_handle()));
    CHECK(round_trip(io, lease, "through both") == "through both");
    CHECK(seen == std::vector<std::string>{"127.0.0.1:" + proxy.port()});
}

TEMPLATE_TEST_CASE("options_of_tcp_left_alone_leave_the_choice_to_the_system", "[transport]", tcp_transport,
                   tls_transport) {
    const site<TestType> s;
    net::io_context io;
    auto pool = s.pool(io);
    auto lease = get(io, pool);
    net::ip::tcp::socket plain(io);
    plain.connect({net::ip::address_v4::loopback(), port_number(s.target().port)});
    const int ours = static_cast<int>(lease.stream().native_handle()), theirs = plain.native_handle();
    CHECK(socket_number_of(ours, IPPROTO_TCP, TCP_NODELAY) == 1);
    using option = std::pair<int, int>;
    for (const auto& [level, name] : {option{SOL_SOCKET, SO_KEEPALIVE}, option{IPPROTO_TCP, TCP_KEEPIDLE},
                                      option{IPPROTO_TCP, TCP_USER_TIMEOUT}, option{IPPROTO_IP, IP_TOS}})
        CHECK(socket_number_of(ours, level, name) == socket_number_of(theirs, level, name));
}

TEMPLATE_TEST_CASE("hook_sees_each_socket_before_it_connects", "[transport]", tcp_transport, tls_transport) {
    const site<TestType> s;
    std::vector<int> handles;
    bool connected = false, right = true;
    tcp_options tcp = all_choices();
    tcp.before_connect = [&](native_socket socket, const ip_endpoint& to) {
        handles.push_back(static_cast<int>(socket));
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        connected = connected || ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
        check_all_choices(static_cast<int>(socket));
        right = right && to == endpoint_of(s);
        const int other = 9;
        return ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &other, sizeof other) == 0
                   ? std::error_code()
                   : std::error_code(1, std::system_category());
    };
    net::io_context io;
    connection_pool<TestType> pool(io.get_executor(), s.target(), {}, with<TestType>(tcp));
    auto first = get(io, pool);
    auto second = get(io, pool);
    CHECK(handles == std::vector<int>{static_cast<int>(first.stream().native_handle()),
                                      static_cast<int>(second.stream().native_handle())});
    CHECK_FALSE(connected);
    CHECK(right);
    CHECK(socket_number_of(handles[0], IPPROTO_TCP, TCP_KEEPCNT) == 9);
}

TEMPLATE_TEST_CASE("hook_that_refuses_a_socket_fails_its_opening", "[transport]", tcp_transport, tls_transport) {
    const descriptor_check nothing_left;
    const site<TestType> s;
    tcp_options tcp;
    SECTION("by an error") {
        tcp.before_connect = [](native_socket, const ip_endpoint&) {
            return std::make_error_code(std::errc::operation_not_permitted);
        };
    }
    SECTION("by throwing") {
        tcp.before_connect = [](native_socket, const ip_endpoint&) -> std::error_code {
            throw std::runtime_error("no");
        };
    }
    const std::error_code error = error_of_get(s, tcp);
    CHECK(error == errc::socket_setup_failed);
    CHECK(error == condition::open_failed);
    CHECK(s.accepted() == 0);
}

TEST_CASE("option_that_the_system_refuses_fails_the_opening", "[transport]") {
    // Past the check, which knows the system's range.
    net::io_context io;
    net::ip::tcp::socket socket(io);
    const ip_endpoint to{ip_address::parse("127.0.0.1").value(), 1};
    CHECK(detail::prepare_socket(socket, to, std::nullopt, {.keep_alive_probes = 5000}) == errc::socket_setup_failed);
    CHECK_FALSE(detail::prepare_socket(socket, to, std::nullopt, {.keep_alive_probes = 5}));
}

TEST_CASE("options_of_tcp_out_of_range_are_refused_by_name", "[transport]") {
    struct row {
        tcp_options options;
        const char* said;
    };
    const std::vector<row> rows{
        {{.keep_alive_idle = 1s}, "keep_alive_idle needs keep_alive"},
        {{.keep_alive_interval = 1s}, "keep_alive_interval needs keep_alive"},
        {{.keep_alive_probes = 1}, "keep_alive_probes needs keep_alive"},
        {{.keep_alive = true, .keep_alive_idle = -1s}, "keep_alive_idle must be 0 or from 1 to 32767 seconds"},
        {{.keep_alive = true, .keep_alive_idle = 32768s}, "keep_alive_idle must be 0 or from 1 to 32767 seconds"},
        {{.keep_alive = true, .keep_alive_interval = 32768s},
         "keep_alive_interval must be 0 or from 1 to 32767 seconds"},
        {{.keep_alive = true, .keep_alive_probes = 128}, "keep_alive_probes must be 0 or from 1 to 127"},
        {{.user_timeout = -1ms}, "user_timeout must not be negative"},
        {{.user_timeout = 24 * 24h + 1ms}, "user_timeout must be at most 24 days"},
        {{.send_buffer_bytes = (1u << 30) + 1}, "send_buffer_bytes must be at most 1 GiB"},
        {{.receive_buffer_bytes = (1u << 30) + 1}, "receive_buffer_bytes must be at most 1 GiB"},
        {{.dscp = 64}, "dscp must be from 0 to 63"},
        {{}, "accepted"},
        {{.keep_alive = true, .keep_alive_idle = 32767s, .keep_alive_interval = 32767s, .keep_alive_probes = 127},
         "accepted"},
        {{.user_timeout = 24 * 24h, .send_buffer_bytes = 1u << 30, .receive_buffer_bytes = 1u << 30, .dscp = 63},
         "accepted"},
    };
    const origin target{.host = "127.0.0.1", .port = "1"};
    for (const row& r : rows) {
        const std::string said =
            std::string(r.said) == "accepted" ? r.said : std::string("hotpool::tcp_options::") + r.said;
        CHECK(refusal_of([&] { tcp_transport(target, r.options); }) == said);
        CHECK(refusal_of([&] { tls_transport(target, tls_options{.tcp = r.options}); }) == said);
        tls_transport running(target);
        CHECK(refusal_of([&] { running.update(tls_options{.tcp = r.options}); }) == said);
    }
}

TEST_CASE("options_of_tcp_at_their_ends_are_taken_by_the_system", "[transport]") {
    const site<tcp_transport> s;
    CHECK_FALSE(error_of_get(s, {.keep_alive = true,
                                 .keep_alive_idle = 32767s,
                                 .keep_alive_interval = 32767s,
                                 .keep_alive_probes = 127,
                                 .user_timeout = 24 * 24h,
                                 .send_buffer_bytes = 1u << 30,
                                 .receive_buffer_bytes = 1u << 30,
                                 .dscp = 63}));
    CHECK_FALSE(error_of_get(s, {.keep_alive = true,
                                 .keep_alive_idle = 1s,
                                 .keep_alive_interval = 1s,
                                 .keep_alive_probes = 1,
                                 .user_timeout = 1ms,
                                 .send_buffer_bytes = 1,
                                 .receive_buffer_bytes = 1,
                                 .dscp = 1}));
}

TEST_CASE("options_of_tcp_that_a_system_does_not_have_are_refused_by_name", "[transport]") {
    const detail::known_tcp_options nothing{};
    const auto said = [&](const tcp_options& options) { return refusal_of([&] { validate(options, nothing); }); };
    CHECK(said({.keep_alive = true}) == "accepted");
    CHECK(said({.keep_alive = true, .keep_alive_idle = 5s}) ==
          "hotpool::tcp_options::keep_alive_idle is not known to this system");
    CHECK(said({.keep_alive = true, .keep_alive_interval = 5s}) ==
          "hotpool::tcp_options::keep_alive_interval is not known to this system");
    CHECK(said({.keep_alive = true, .keep_alive_probes = 5}) ==
          "hotpool::tcp_options::keep_alive_probes is not known to this system");
    CHECK(said({.user_timeout = 5s}) == "hotpool::tcp_options::user_timeout is not known to this system");
    CHECK(said({.dscp = 5}) == "hotpool::tcp_options::dscp is not known to this system");
    CHECK(said({.send_buffer_bytes = 5000}) == "accepted");
}
