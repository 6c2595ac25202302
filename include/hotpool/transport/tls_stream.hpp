// A TLS connection, read and written without blocking.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/socket_bio.hpp"
#include "hotpool/transport/tls_bare_records.hpp"
#include "hotpool/transport/tls_end.hpp"
#include "hotpool/transport/tls_handshake.hpp"
#include "hotpool/transport/tls_resumption.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool {

/// One TLS connection: OpenSSL directly on a non-blocking socket. `stream` says what each member does.
///
/// A read hands out the record that has come, and those behind it only if they are here already and there is
/// room: it makes one system call, unless a record arrives in pieces. Session tickets and key updates are
/// read and answered on the way; they are no bytes, and only so many may come (`max_bare_records`): a peer that sends
/// more is not listened to any longer, which is `errc::tls_record_flood`. So one read takes a bounded time, whatever comes.
/// An end of the connection without close_notify is `errc::tls_truncated`.
/// @threads distinct objects only
template <class Executor>
class tls_stream {
public:
    using executor_type = Executor;
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;

    static constexpr bool holds_buffers = true;

    explicit tls_stream(const executor_type& executor) : state_(std::make_unique<state>(executor)) {}
    /// A session on a connected socket, still to be shaken hands on.
    /// @param socket connected and non-blocking
    /// @param end whose it is, a client's or a server's; not null
    /// @param error `errc::tls_setup_failed` if OpenSSL fails; the stream may then only be destroyed
    tls_stream(socket_type socket, std::shared_ptr<const detail::tls_end> end, std::error_code& error)
        : state_(std::make_unique<state>(std::move(socket))) {
        state_->end = std::move(end);
        error = state_->set_up() ? std::error_code{} : errc::tls_setup_failed;
    }

    executor_type get_executor() noexcept { return socket().get_executor(); }
    socket_type& socket() noexcept { return state_->link.socket; }

    /// Goes on with the handshake: wants something, fails as an opening does, or is through.
    io_result try_handshake() noexcept {
        ERR_clear_error();  // the reason of a failure is read from the queue
        state_->link.blocked = io_want::none;
        const bool done = SSL_do_handshake(ssl()) == 1;
        const bool over = done || state_->bare.are_too_many();
        if (!over && state_->link.blocked != io_want::none) return {.want = state_->link.blocked};
        if (done) state_->bare.handshake_over(clock_type::now());
        const bool lost = state_->link.ended || state_->link.failed;
        const detail::tls_end& end = *state_->end;
        const std::error_code error =
            done ? end.completed(*ssl(), state_->resumption) : end.failed(*ssl(), lost, state_->resumption);
        ERR_clear_error();
        return {.error = error};
    }
    /// Whether any byte of the peer's has come.
    bool has_received() const noexcept { return BIO_number_read(SSL_get_rbio(ssl())) != 0; }
    /// Whether the handshake failed and may well succeed on a new connection, which will bring no earlier session.
    bool deserves_another_try() const noexcept { return state_->resumption.rejected(); }

    io_result try_read(net::mutable_buffer room) noexcept {
        if (state_->held_back) return {.error = state_->held_back};
        io_result first = read_record(room);
        if (first.bytes == 0) return first;
        room += first.bytes;
        state_->link.may_receive = false;
        while (room.size() != 0 && SSL_has_pending(ssl()) == 1) {
            const io_result next = read_record(room);
            state_->held_back = next.error;
            if (next.bytes == 0) break;
            first.bytes += next.bytes;
            room += next.bytes;
        }
        state_->link.may_receive = true;
        return first;
    }

    io_result try_write(net::const_buffer head, net::const_buffer body = {}) noexcept {
        if (head.size() == 0) return write_all(body);
        if (body.size() == 0) return write_all(head);
        io_result begun = head.size() < max_record_bytes ? write_joined(head, body) : write_all(head);
        if (begun.bytes < head.size()) return begun;
        body += begun.bytes - head.size();
        // What goes wrong with the rest is told by the next call.
        if (body.size() != 0) begun.bytes += write_all(body).bytes;
        return begun;
    }

    template <class Handler>
    void async_wait(io_want want, Handler&& handler) {
        socket().async_wait(detail::wait_type(want), std::forward<Handler>(handler));
    }
    void cancel() noexcept {
        std::error_code ignored;
        socket().cancel(ignored);
    }

    bool has_buffered() const noexcept { return state_->held_back || SSL_has_pending(ssl()) == 1; }
    /// @cost frees about 33 KB; the next read and the next write each allocate their half again
    void release_buffers() noexcept { SSL_free_buffers(ssl()); }

    /// Says that nothing more will be written, as far as it can at once; what the peer sends can still be read.
    void end_writing() noexcept {
        say_goodbye();
        std::error_code ignored;
        socket().shutdown(net::socket_base::shutdown_send, ignored);
    }
    void close() noexcept {
        say_goodbye();
        std::error_code ignored;
        socket().close(ignored);
    }
    void abort() noexcept {
        std::error_code ignored;
        socket().set_option(net::socket_base::linger(true, 0), ignored);
        socket().close(ignored);
    }

    bool is_open() const noexcept { return state_->link.socket.is_open(); }
    typename socket_type::native_handle_type native_handle() noexcept { return socket().native_handle(); }
    /// Where the stream is connected to; the default endpoint when it is not.
    net::ip::tcp::endpoint remote_endpoint() const noexcept {
        std::error_code error;
        return state_->link.socket.remote_endpoint(error);
    }
    /// Where it comes from, on this machine.
    net::ip::tcp::endpoint local_endpoint() const noexcept {
        std::error_code error;
        return state_->link.socket.local_endpoint(error);
    }

    /// OpenSSL's object, for what is not offered here; null in a closed stream.
    SSL* ssl() const noexcept { return state_->ssl.get(); }
    /// As OpenSSL spells it: "TLSv1.3".
    std::string_view version() const noexcept { return SSL_get_version(ssl()); }
    std::string_view cipher() const noexcept { return SSL_get_cipher_name(ssl()); }
    /// The protocol that the server chose; empty if it chose none.
    std::string_view alpn() const noexcept { return detail::selected_protocol(*ssl()); }
    /// Whether the handshake went on with an earlier connection's session. The peer's certificate is then the one
    /// that was verified there.
    bool resumed() const noexcept { return SSL_session_reused(ssl()) == 1; }
    /// The name of the `tls_profile` that it was opened with; empty if the options had none.
    /// @lifetime as long as the stream
    std::string_view profile() const noexcept { return state_->end ? state_->end->profile() : std::string_view{}; }
    /// Null if the peer showed none. `certificate_view` says what is in it.
    /// @lifetime as long as the stream
    X509* peer_certificate() const noexcept { return SSL_get0_peer_certificate(ssl()); }

private:
    using bio = detail::socket_bio<socket_type>;
    static constexpr std::size_t max_record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;

    // Stays in place while the stream moves: OpenSSL points to the link.
    struct state {
        explicit state(const executor_type& executor) : link(executor) {}
        explicit state(socket_type s) noexcept : link(std::move(s)) {}
        state(const state&) = delete;
        state& operator=(const state&) = delete;
        // OpenSSL spoils the session of a connection that ends without a goodbye. An end that this side chose says
        // nothing against it.
        ~state() {
            if (ssl != nullptr && SSL_is_init_finished(ssl.get()) == 1)
                SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        }

        bool set_up() noexcept {
            ssl = end->make_session(resumption);
            detail::bio_ptr both_ways = bio::make(link);
            const bool complete = ssl != nullptr && both_ways != nullptr;
            if (complete) {
                BIO* const owned = both_ways.release();
                SSL_set_bio(ssl.get(), owned, owned);
                bare = detail::tls_bare_records(end->max_bare_records());
                SSL_set_msg_callback(ssl.get(), &message_seen);
                SSL_set_msg_callback_arg(ssl.get(), &bare);
            }
            ERR_clear_error();
            return complete;
        }
        // OpenSSL tells of each record's head before it looks at the rest, and drops what comes behind a goodbye. There is
        // no other way to end a read that goes on from one record to the next.
        static void message_seen(int is_write, int, int kind, const void*, std::size_t, SSL* session,
                                 void* counted) noexcept {
            if (is_write != 0 || kind != SSL3_RT_HEADER) return;
            auto& records = *static_cast<detail::tls_bare_records*>(counted);
            if (records.record_begun() && !records.bare_came(clock_type::now()))
                SSL_set_shutdown(session, SSL_get_shutdown(session) | SSL_RECEIVED_SHUTDOWN);
        }

        typename bio::link link;
        std::shared_ptr<const detail::tls_end> end;
        detail::ssl_ptr ssl;
        detail::tls_resumption resumption;
        detail::tls_bare_records bare;
        std::error_code held_back;  // what went wrong behind bytes that had to be handed out first
    };

    // Where something was said before; OpenSSL refuses to after a failure.
    void say_goodbye() noexcept {
        const bool due = ssl() != nullptr && SSL_is_init_finished(ssl()) == 1;
        // Called again, it would read.
        if (due && (SSL_get_shutdown(ssl()) & SSL_SENT_SHUTDOWN) == 0) SSL_shutdown(ssl());
        ERR_clear_error();
    }

    io_result read_record(net::mutable_buffer room) noexcept {
        std::size_t bytes = 0;
        state_->link.blocked = io_want::none;
        if (SSL_read_ex(ssl(), room.data(), room.size(), &bytes) != 1) return why_not();
        state_->bare.bytes_came(bytes);
        return {.bytes = bytes};
    }

    // OpenSSL writes one record a call; as many as the socket takes.
    io_result write_all(net::const_buffer data) noexcept {
        std::size_t total = 0;
        while (data.size() != 0) {
            std::size_t bytes = 0;
            state_->link.blocked = io_want::none;
            if (SSL_write_ex(ssl(), data.data(), data.size(), &bytes) != 1) {
                const io_result failed = why_not();
                return total != 0 ? io_result{.bytes = total} : failed;
            }
            total += bytes;
            data += bytes;
        }
        return {.bytes = total};
    }

    // A small head and its body, or the begin of a large one, share a record and so a system call.
    io_result write_joined(net::const_buffer head, net::const_buffer body) noexcept {
        std::array<unsigned char, max_record_bytes> record;
        const std::size_t from_body = std::min(body.size(), record.size() - head.size());
        std::memcpy(record.data(), head.data(), head.size());
        std::memcpy(record.data() + head.size(), body.data(), from_body);
        return write_all(net::const_buffer(record.data(), head.size() + from_body));
    }

    // Why the call of OpenSSL before failed: the socket would block, or it is over.
    io_result why_not() noexcept {
        const auto& link = state_->link;
        if (state_->bare.are_too_many()) {
            ERR_clear_error();
            return {.error = errc::tls_record_flood};
        }
        if (link.blocked != io_want::none) return {.want = link.blocked};
        // The queue may hold older errors of others, but the last one is of an alert that has come just now.
        const bool ended = (SSL_get_shutdown(ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
        if (ended && SSL_is_server(ssl()) == 0 && detail::is_client_refusal(ERR_peek_last_error())) {
            ERR_clear_error();
            return {.error = errc::client_certificate_refused};
        }
        if (link.failed) return {.error = errc::connection_reset};
        ERR_clear_error();
        // A fatal alert sets this flag too, but then the session is in no good state.
        if (ended && SSL_is_init_finished(ssl()) == 1) return {.error = errc::connection_closed};
        return {.error = link.ended ? errc::tls_truncated : errc::tls_failed};
    }

    std::unique_ptr<state> state_;
};

}  // namespace hotpool
