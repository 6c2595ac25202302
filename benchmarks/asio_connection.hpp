// A connection of a bare Asio row: open, one response checked, so that its responses are known to be so many bytes.
#pragma once

#include <asio.hpp>
#include <asio/ssl.hpp>

#include <system_error>
#include <type_traits>

#include "bench.hpp"

namespace bench {

using tcp_socket = asio::ip::tcp::socket;
using tls_socket = asio::ssl::stream<tcp_socket>;

inline void connect(tcp_socket& socket, const job& job) {
    asio::connect(socket, asio::ip::tcp::resolver{socket.get_executor()}.resolve(job.host, job.port));
    socket.set_option(asio::ip::tcp::no_delay{true});
}

template <class Stream>
Stream connected(asio::io_context& context, const job& job) {
    if constexpr (std::is_same_v<Stream, tls_socket>) {
        asio::ssl::context tls{asio::ssl::context::tls_client};
        tls.load_verify_file(job.ca_file);
        tls.set_verify_mode(asio::ssl::verify_peer);
        tls_socket stream{context, tls};
        connect(stream.next_layer(), job);
        stream.handshake(asio::ssl::stream_base::client);
        return stream;
    } else {
        Stream socket{context};
        connect(socket, job);
        return socket;
    }
}

template <class Stream>
class asio_connection {
public:
    asio_connection(asio::io_context& context, const job& job)
        : stream_{connected<Stream>(context, job)}, request_{request_bytes(job)}, buffer_(job.body_bytes + 4096) {
        asio::write(stream_, request());
        std::size_t have = 0;
        while (response_size_ == 0 || have < response_size_) {
            have += stream_.read_some(room() + have);
            if (response_size_ == 0) response_size_ = response_bytes({buffer_.data(), have}, job);
        }
        stream_.lowest_layer().non_blocking(true);
    }

    Stream& stream() { return stream_; }
    asio::const_buffer request() const { return asio::buffer(request_); }
    asio::mutable_buffer room() { return asio::buffer(buffer_); }
    std::size_t response_size() const { return response_size_; }

private:
    Stream stream_;
    std::string request_;
    std::vector<char> buffer_;
    std::size_t response_size_ = 0;
};

}  // namespace bench
