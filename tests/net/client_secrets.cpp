// What is secret is told to whom it is for, and appears nowhere else: in no error, event, account or exception.
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "hotpool/http_client.hpp"
#include "hotpool/transport/proxy_connect.hpp"
#include "support/black_hole.hpp"
#include "support/connect_proxy.hpp"
#include "support/event_log.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

const std::string secret_user = "Gerda-the-user";
const std::string secret_password = "correct horse battery staple";
const std::string secret_key_password = "tr0ub4dor&3-of-the-key";

/// What Proxy-Authorization says.
std::string secret_credentials() { return detail::base64(secret_user + ':' + secret_password); }

/// Whether any of the secrets is in `text`, as it is or as the proxy is told it, whole or a good part of it.
bool tells_a_secret(std::string_view text) {
    for (const std::string& secret : {secret_user, secret_password, secret_key_password, secret_credentials()}) {
        constexpr std::size_t good_part = 10;
        for (std::size_t at = 0; at + good_part <= secret.size(); ++at)
            if (text.find(secret.substr(at, good_part)) != text.npos) return true;
    }
    return false;
}

/// Everything that a client, its pool and its listener say of a request through `proxy`, in one text.
struct said_by_all {
    std::string text;
    std::error_code error;
    std::string seen_by_origin;
};

tls_options tunnelled(const proxy_options& to) {
    const identity& own = test_identity();
    tls_options options{.ca_pem = test_root().certificate_pem(),
                        .certificate_pem = own.certificate_pem,
                        .private_key_pem = encrypt_key(own.key_pem, secret_key_password),
                        .private_key_password = secret_key_password};
    options.tcp.proxy = to;
    options.tcp.proxy.username = secret_user;
    options.tcp.proxy.password = secret_password;
    return options;
}

said_by_all ask_through(const proxy_options& proxy, const identity& origin_is, const std::string& name = {}) {
    said_by_all said;
    std::ostringstream out;
    {
        net::io_context io;
        std::string heard;
        event_log log;
        {
            loopback_server server({.own = origin_is}, [&heard](server_connection& c) {
                heard = read_request(c);
                c.write(ok("hello"));
                c.stay();
            });
            tls_options options = tunnelled(proxy);
            options.server_name = name;
            tls_pool pool(io.get_executor(), {"127.0.0.1", server.port()}, {.connect_timeout = 300ms}, options,
                          {.listener = log.listener()});
            http_client client(pool);
            answer a;
            client.async_get("/", stage<over_tls>::into(a));
            REQUIRE(run_until(io, [&a] { return a.completions == 1; }));
            said.error = a.error;
            out << a.error << ' ' << a.error.message() << ' ' << a.error.category().name() << '\n'
                << std::system_error(a.error).what() << '\n'
                << pool.describe() << '\n'
                << describe(pool.stats()) << '\n';
            for (const auto& field : a.reply.headers()) out << field.name << field.value << '\n';
            out << a.reply.reason() << a.body() << '\n';
            // What a get that fails says.
            got<tls_pool> next;
            pool.async_get(next.handler());
            REQUIRE(run_until(io, [&] { return next.done(); }));
            out << next.error.message() << '\n';
        }
        for (const pool_event& e : log.events)
            out << to_string(e.kind) << ' ' << e.endpoint.to_string() << ' ' << e.error << ' ' << e.error.message()
                << ' ' << to_string(e.reason) << '\n';
        said.seen_by_origin = heard;
    }
    said.text = out.str();
    return said;
}

/// How each of the ways ends in which a tunnel may not come about, and what is said of it.
void check_tells_nothing(const proxy_manner& manner, const std::error_code& wanted,
                         const identity& origin_is = test_identity(), const std::string& name = {}) {
    const connect_proxy proxy(manner);
    const said_by_all said = ask_through(proxy.options(), origin_is, name);
    CAPTURE(said.text);
    CHECK(said.error == wanted);
    CHECK_FALSE(said.text.empty());
    CHECK_FALSE(tells_a_secret(said.text));
    CHECK_FALSE(tells_a_secret(said.seen_by_origin));
    REQUIRE_FALSE(proxy.heads().empty());
    CHECK(tells_a_secret(proxy.heads().front()));  // it is looked for in the right form
}

}  // namespace

TEST_CASE("secrets_of_a_tunnel_are_in_nothing_that_is_said_of_it", "[client]") {
    // A proxy that says them back, wherever it can.
    const std::string back = secret_credentials() + ' ' + secret_password;
    const auto saying = [&](const std::string& status) {
        return "HTTP/1.1 " + status + ' ' + back + "\r\nX: " + back +
               "\r\nContent-Length: " + std::to_string(back.size()) + "\r\n\r\n" + back;
    };
    check_tells_nothing({.credentials = "Basic " + secret_credentials()}, {});
    check_tells_nothing({.credentials = "Basic other"}, errc::proxy_unauthorized);
    check_tells_nothing({.answer = saying("407")}, errc::proxy_unauthorized);
    check_tells_nothing({.answer = saying("502")}, errc::proxy_refused);
    check_tells_nothing({.answer = saying("700")}, errc::proxy_refused);
    check_tells_nothing({.answer = back}, errc::proxy_bad_response);
    check_tells_nothing({.answer = "HTTP/1.1 200 OK\r\n" + back + "\r\n\r\n"}, errc::proxy_bad_response);
    check_tells_nothing({.answer = saying("200"), .ending = proxy_ending::close}, errc::proxy_bad_response);
    check_tells_nothing({.answer = "HTTP/1.1 2", .ending = proxy_ending::close}, errc::proxy_closed);
    check_tells_nothing({.answer = "HTTP/1.1 2", .ending = proxy_ending::stall}, errc::proxy_timed_out);
    check_tells_nothing({}, errc::certificate_host_mismatch, test_root().issue({.names = {"other.test"}}));
    check_tells_nothing({}, errc::certificate_self_signed, self_signed());
    check_tells_nothing({}, errc::certificate_unknown_issuer, authority("another").issue());
    check_tells_nothing({}, errc::certificate_host_mismatch, test_identity(), "other.test");
}

TEST_CASE("secrets_are_in_no_refusal_of_the_options_that_have_them", "[client]") {
    const proxy_options proxy{.host = "127.0.0.1", .port = "3128"};
    const origin target{"example.test", "443"};
    const auto refusal = [](const auto& attempt) -> std::string {
        try {
            attempt();
        } catch (const std::exception& refused) {
            return refused.what();
        }
        return "accepted";
    };
    std::vector<std::string> said;
    const auto refused = [&](auto change) {
        tls_options options = tunnelled(proxy);
        change(options);
        said.push_back(refusal([&] { tls_transport(target, options); }));
        tls_transport good(target, tunnelled(proxy));
        said.push_back(refusal([&] { good.update(options); }));
        said.push_back(refusal([&] { tcp_transport(target, options.tcp); }));
        said.push_back(refusal([&] {
            net::io_context io;
            tls_pool(io.get_executor(), target, {}, options);
        }));
        CHECK(said[said.size() - 4] != "accepted");
    };
    refused([](tls_options& o) { o.tcp.proxy.host.clear(); });
    refused([](tls_options& o) { o.tcp.proxy.host = "."; });
    refused([](tls_options& o) { o.tcp.proxy.port = secret_password; });
    refused([](tls_options& o) { o.tcp.proxy.username += ':'; });
    refused([](tls_options& o) { o.tcp.proxy.username.clear(); });
    refused([](tls_options& o) { o.tcp.proxy.password += '\n'; });
    refused([](tls_options& o) { o.private_key_password += " and more"; });
    refused([](tls_options& o) { o.private_key_pem = secret_key_password; });
    refused([](tls_options& o) { o.certificate_pem = secret_key_password; });
    refused([](tls_options& o) { o.ca_pem = secret_key_password; });
    refused([](tls_options& o) { o.server_name = "."; });
    refused([](tls_options& o) {
        tls_profile other = tls_profile::modern();
        other.signature_algorithms = {"ed25519", "rsa_pss_rsae_sha256"};
        o.profiles = {other};
    });
    for (const std::string& text : said) {
        CAPTURE(text);
        CHECK_FALSE(tells_a_secret(text));
    }
}
