// Idle connections of bare Asio: a socket, a socket with a wait on it, which is how a close is noticed, and
// asio::ssl::stream.
#include <array>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/ssl.hpp>
#include <asio/write.hpp>
#include <deque>

#include "bench_memory.hpp"

namespace bench {

namespace {

using asio::ip::tcp;

template <class Stream>
void fetch(Stream& stream, const job& job) {
    asio::write(stream, asio::buffer(request_bytes(job)));
    std::array<char, 4096> response;
    std::size_t received = 0;
    for (std::size_t size = 0; size == 0 || received < size;) {
        received += stream.read_some(asio::buffer(response) + received);
        if (size == 0) size = response_bytes({response.data(), received}, job);
    }
}

tcp::endpoint endpoint_of(const job& job) {
    return {asio::ip::make_address(job.host), static_cast<asio::ip::port_type>(std::stoi(job.port))};
}

template <bool Watched>
class sockets final : public idle_set {
public:
    explicit sockets(const job& job) : job_{job} {}

    void grow_to(std::size_t connections) override {
        while (sockets_.size() < connections) {
            tcp::socket& added = sockets_.emplace_back(context_);
            added.connect(endpoint_of(job_));
            fetch(added, job_);
            if (Watched) added.async_wait(tcp::socket::wait_read, [](std::error_code) {});
        }
        context_.poll();
    }

private:
    job job_;
    asio::io_context context_{1};
    std::deque<tcp::socket> sockets_;
};

class tls_streams final : public idle_set {
public:
    explicit tls_streams(const job& job) : job_{job} {
        tls_.load_verify_file(job.ca_file);
        tls_.set_verify_mode(asio::ssl::verify_peer);
    }

    void grow_to(std::size_t connections) override {
        while (streams_.size() < connections) {
            auto& added = streams_.emplace_back(context_, tls_);
            added.set_verify_callback(asio::ssl::host_name_verification{job_.host});
            added.lowest_layer().connect(endpoint_of(job_));
            added.handshake(asio::ssl::stream_base::client);
            fetch(added, job_);
        }
    }

private:
    job job_;
    asio::io_context context_{1};
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    std::deque<asio::ssl::stream<tcp::socket>> streams_;
};

}  // namespace

void add_idle_asio(std::vector<idle_kind>& kinds) {
    kinds.push_back({"asio", layer::plain, "bare Asio socket", open_idle<sockets<false>>});
    kinds.push_back({"asio-watched", layer::plain, "bare Asio socket, watched", open_idle<sockets<true>>});
    kinds.push_back({"asio-ssl", layer::tls, "asio::ssl::stream", open_idle<tls_streams>});
}

}  // namespace bench
