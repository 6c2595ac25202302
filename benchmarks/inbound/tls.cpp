// What a TLS handshake takes on the accepting side, alone and 50 at once, and what an idle connection keeps.
//
// Clients are a process of their own, blocking and of bare OpenSSL, that forks off before there is a thread here. The
// server is one thread. All certificates are of P-256.
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/transport/tcp_server.hpp"
#include "hotpool/transport/tls_server.hpp"

namespace {

using namespace hotpool;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "error: %s\n", what);
    std::exit(1);
}

struct identity {
    std::string certificate, key;
};

template <class Write>
std::string to_pem(Write write) {
    const hotpool::detail::bio_ptr memory(BIO_new(BIO_s_mem()));
    write(memory.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

identity make_identity() {
    const hotpool::detail::pkey_ptr key(EVP_EC_gen("P-256"));
    const hotpool::detail::x509_ptr made(X509_new());
    X509* const c = made.get();
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c), 24 * 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("bench"), -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(c));
    X509_set_pubkey(c, key.get());
    if (X509_sign(c, key.get(), EVP_sha256()) <= 0) fail("signing");
    return {to_pem([&](BIO* out) { PEM_write_bio_X509(out, c); }),
            to_pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); })};
}

void use(SSL_CTX* context, const identity& own) {
    const hotpool::detail::bio_ptr text(BIO_new_mem_buf(own.certificate.data(), -1));
    const hotpool::detail::bio_ptr key_text(BIO_new_mem_buf(own.key.data(), -1));
    const hotpool::detail::x509_ptr leaf(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    const hotpool::detail::pkey_ptr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context, leaf.get());
    SSL_CTX_use_PrivateKey(context, key.get());
}

/// What a process of clients does: `threads` at once, each `times` connections one after the other.
struct job {
    std::size_t threads = 1;
    std::size_t times = 1;
    int version = TLS1_3_VERSION;
    bool tls = true;
    bool resume = false;
    bool stay = false;  ///< until the server ends
    bool certificate = false;
};

/// One client's connections, and how long each took from connecting to the server's first byte, in ms.
class client {
public:
    client(const job& what, const identity& own, std::uint16_t port) : job_(what), port_(port) {
        if (!what.tls) return;
        context_.reset(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_min_proto_version(context_.get(), what.version);
        SSL_CTX_set_max_proto_version(context_.get(), what.version);
        if (what.certificate) use(context_.get(), own);
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_app_data(context_.get(), this);
        SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
            static_cast<client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->last_.reset(session);
            return 1;
        });
    }

    double visit() {
        const auto begun = std::chrono::steady_clock::now();
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port_);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        hotpool::detail::ssl_ptr ssl;
        char byte = 0;
        if (job_.tls) {
            ssl.reset(SSL_new(context_.get()));
            SSL_set_fd(ssl.get(), fd);
            if (job_.resume && last_) SSL_set_session(ssl.get(), last_.get());
            if (SSL_connect(ssl.get()) != 1 || SSL_read(ssl.get(), &byte, 1) != 1) fail("handshake");
            if (job_.resume && done_++ > 0 && SSL_session_reused(ssl.get()) != 1) fail("not resumed");
        } else if (::recv(fd, &byte, 1, 0) != 1) {
            fail("recv");
        }
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
        if (job_.stay) {
            kept_.push_back(std::move(ssl));
        } else {
            if (ssl) SSL_shutdown(ssl.get());
            ::close(fd);
        }
        return took.count();
    }

private:
    job job_;
    std::uint16_t port_;
    hotpool::detail::ssl_ctx_ptr context_;
    hotpool::detail::ssl_session_ptr last_;
    std::size_t done_ = 0;
    std::vector<hotpool::detail::ssl_ptr> kept_;
};

/// A process of clients; what they measured can be read once they are through.
class clients {
public:
    clients(const job& what, const identity& own, std::uint16_t port) : count_(what.threads * what.times) {
        int results[2];
        int life[2];
        if (::pipe(results) != 0 || ::pipe(life) != 0) fail("pipe");
        child_ = ::fork();
        if (child_ == 0) {
            ::close(life[1]);
            run(what, own, port, results[1]);
            char none;
            if (what.stay && ::read(life[0], &none, 1) < 0) fail("read");
            ::_exit(0);
        }
        ::close(results[1]);
        ::close(life[0]);
        results_ = results[0];
        life_ = life[1];
    }
    ~clients() {
        ::close(life_);
        ::close(results_);
        int status = 0;
        ::waitpid(child_, &status, 0);
        if (status != 0) fail("a client failed");
    }

    std::vector<double> milliseconds() const {
        std::vector<double> all(count_);
        std::size_t have = 0;
        auto* const bytes = reinterpret_cast<char*>(all.data());
        while (have < count_ * sizeof(double)) {
            const auto got = ::read(results_, bytes + have, count_ * sizeof(double) - have);
            if (got <= 0) fail("results");
            have += static_cast<std::size_t>(got);
        }
        std::sort(all.begin(), all.end());
        return all;
    }

private:
    static void run(const job& what, const identity& own, std::uint16_t port, int results) {
        std::vector<std::thread> threads;
        std::vector<std::unique_ptr<client>> each;
        std::vector<double> all(what.threads * what.times);
        for (std::size_t t = 0; t < what.threads; ++t) {
            each.push_back(std::make_unique<client>(what, own, port));
            threads.emplace_back([&all, &what, t, c = each.back().get()] {
                for (std::size_t i = 0; i < what.times; ++i) all[t * what.times + i] = c->visit();
            });
        }
        for (std::thread& thread : threads) thread.join();
        if (::write(results, all.data(), all.size() * sizeof(double)) < 0) fail("write");
        if (!what.stay) return;
        for (auto& c : each) static_cast<void>(c.release());
    }

    std::size_t count_;
    pid_t child_ = -1;
    int results_ = -1;
    int life_ = -1;
};

double thread_cpu_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
std::size_t heap_bytes() {
    const auto now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
}

/// Accepts, shakes hands, says one byte, and then rests until the client is gone.
template <class Server>
class service {
public:
    explicit service(Server server) : server_(std::move(server)) { accept(); }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    void run_until(std::size_t served, bool and_gone) {
        while (served_ < served || (and_gone && gone_ < served))
            if (io_.run_one_for(std::chrono::seconds(10)) == 0) fail("no client comes any more");
    }
    void keep_room(std::size_t count) { connections_.reserve(count); }

private:
    using stream = typename Server::template stream<net::io_context::executor_type>;
    using socket = net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type>;

    struct connection {
        service& all;
        stream s;
        bool told = false;

        void go_on() {
            if constexpr (Server::handshakes) {
                if (!told) {
                    const io_result step = s.try_handshake();
                    if (step.error) fail(step.error.message().c_str());
                    if (step.want != io_want::none) return wait(step.want);
                }
            }
            if (!told) {
                told = true;
                s.try_write(net::const_buffer("!", 1));
                ++all.served_;
                s.release_buffers();
                return wait(io_want::read);
            }
            char room[64];
            const io_result got = s.try_read(net::mutable_buffer(room, sizeof room));
            s.release_buffers();
            if (!got.error) return wait(io_want::read);
            s.close();
            ++all.gone_;
        }
        void wait(io_want want) {
            s.async_wait(want, [this](const std::error_code&) { go_on(); });
        }
    };

    void accept() {
        acceptor_.async_accept([this](const std::error_code& error, socket got) {
            if (error) fail("accept");
            std::error_code failed;
            stream made = server_.make(std::move(got), failed);
            if (failed) fail("make");
            connections_.push_back(std::make_unique<connection>(connection{*this, std::move(made)}));
            connections_.back()->go_on();
            accept();
        });
    }

    net::io_context io_{1};
    net::basic_socket_acceptor<net::ip::tcp, net::io_context::executor_type> acceptor_{
        io_, {net::ip::address_v4::loopback(), 0}};
    Server server_;
    std::size_t served_ = 0;
    std::size_t gone_ = 0;
    std::vector<std::unique_ptr<connection>> connections_;
};

struct bench {
    identity own = make_identity();
    std::size_t times;

    tls_server_options options(bool ask = false) const {
        tls_server_options all{.certificate_pem = own.certificate, .private_key_pem = own.key};
        if (!ask) return all;
        all.client_certificates = client_auth::required;
        all.ca_pem = own.certificate;
        return all;
    }

    void handshakes(const char* name, job what) const {
        what.times = std::max<std::size_t>(2, times / what.threads);
        service<tls_server> server{tls_server(options(what.certificate))};
        const clients all(what, own, server.port());
        const double before = thread_cpu_ms();
        const std::size_t count = what.threads * what.times;
        server.run_until(count, true);
        const double cpu = (thread_cpu_ms() - before) / static_cast<double>(count);
        const std::vector<double> took = all.milliseconds();
        std::printf("| %s | %zu | %.2f | %.2f | %.2f |\n", name, what.threads, took[took.size() / 2],
                    took[took.size() * 99 / 100], cpu);
    }

    template <class Server>
    double idle_bytes(Server server, const job& what) const {
        service<Server> s(std::move(server));
        s.keep_room(what.times + 2);
        // The first one brings what all share.
        const clients first({.version = what.version, .tls = what.tls, .stay = true, .certificate = what.certificate},
                            own, s.port());
        s.run_until(1, false);
        first.milliseconds();
        const std::size_t before = heap_bytes();
        const clients all(what, own, s.port());
        s.run_until(1 + what.times, false);
        all.milliseconds();
        return static_cast<double>(heap_bytes() - before) / static_cast<double>(what.times);
    }

    double bare_idle_bytes(const job& what) const {
        const hotpool::detail::ssl_ctx_ptr context(SSL_CTX_new(TLS_server_method()));
        use(context.get(), own);
        SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
        SSL_CTX_set_read_ahead(context.get(), 1);
        if (what.certificate) {
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), SSL_CTX_get0_certificate(context.get()));
            SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("b"), 1);
        }
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        if (::bind(listener, reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(listener, 128) != 0 ||
            ::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size) != 0)
            fail("listen");
        std::vector<hotpool::detail::ssl_ptr> kept;
        kept.reserve(what.times + 1);
        const auto serve = [&](std::size_t count) {
            for (; count != 0; --count) {
                SSL* const ssl = SSL_new(context.get());
                kept.emplace_back(ssl);
                SSL_set_fd(ssl, ::accept(listener, nullptr, nullptr));
                if (SSL_accept(ssl) != 1 || SSL_write(ssl, "!", 1) != 1) fail("bare accept");
                SSL_free_buffers(ssl);
            }
        };
        const auto port = ntohs(name.sin_port);
        const clients first({.version = what.version, .stay = true, .certificate = what.certificate}, own, port);
        serve(1);
        first.milliseconds();
        const std::size_t before = heap_bytes();
        const clients all(what, own, port);
        serve(what.times);
        all.milliseconds();
        const double each = static_cast<double>(heap_bytes() - before) / static_cast<double>(what.times);
        for (const auto& ssl : kept) ::close(SSL_get_fd(ssl.get()));
        ::close(listener);
        return each;
    }

    void idle(const char* name, job what) const {
        what.stay = true;
        what.times = std::min<std::size_t>(times, 200);
        const double bare = bare_idle_bytes(what);
        const double ours = idle_bytes(tls_server(options(what.certificate)), what);
        job plain = what;
        plain.tls = plain.certificate = false;
        const double socket = idle_bytes(tcp_server(), plain);
        std::printf("| %s | %.0f | %.0f | %.0f | %.0f |\n", name, ours, bare, socket, ours - bare - socket);
    }
};

}  // namespace

int main(int argc, char** argv) {
    const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
    const bench b{.times = quick ? 100u : 2'000u};
    std::printf(
        "## TLS, accepting\n\nFrom connecting to the server's first byte as clients see it, and the processor "
        "time of the server's one thread.\n\n"
        "| handshake | at once | median ms | p99 ms | server's CPU ms |\n| --- | --- | --- | --- | --- |\n");
    b.handshakes("TLS 1.3, in full", {});
    b.handshakes("TLS 1.3, resumed", {.resume = true});
    b.handshakes("TLS 1.3, with a client's certificate", {.certificate = true});
    b.handshakes("TLS 1.2, in full", {.version = TLS1_2_VERSION});
    b.handshakes("TLS 1.2, resumed", {.version = TLS1_2_VERSION, .resume = true});
    b.handshakes("TLS 1.3, in full", {.threads = 50});
    std::printf(
        "\nHeap of an idle connection in bytes, buffers freed: a `tls_stream` that waits for bytes, bare "
        "OpenSSL with the same settings, a `tcp_stream` that waits. `sizeof(tls_stream)`: %zu.\n\n"
        "| connection | ours | bare OpenSSL | plain TCP | what is left |\n| --- | --- | --- | --- | --- |\n",
        sizeof(tls_stream<net::io_context::executor_type>));
    b.idle("TLS 1.3", {});
    b.idle("TLS 1.2", {.version = TLS1_2_VERSION});
    b.idle("TLS 1.3, with a client's certificate", {.certificate = true});
}
