// One connection of an HTTP server: requests in, replies out, in order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/method.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/reply_queue.hpp"
#include "hotpool/inbound/detail/request_collector.hpp"
#include "hotpool/inbound/forwarded.hpp"
#include "hotpool/inbound/http_options.hpp"
#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/refusal.hpp"
#include "hotpool/inbound/reply.hpp"
#include "hotpool/inbound/request.hpp"
#include "hotpool/inbound/responder.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

/// What all sessions of a server share.
struct http_service {
    std::function<void(const request&, responder)> handler;
    http_options options;
    trusted_proxies proxies;
    std::atomic<bool> stopped{false};
};

/// Reads a request, has it answered, writes the reply, and so on; requests behind it wait in the block or in the socket.
/// Lives while an operation, a responder or a posted answer holds it; its connection ends with its last operation.
/// @threads the connection's executor, except for the answers of responders
template <class Connection>
class http_session final : public answer_target {
public:
    using executor_type = typename Connection::executor_type;

    static void start(Connection c, std::shared_ptr<const http_service> service) {
        const ref self(new http_session(std::move(c), std::move(service)));
        hotpool::detail::post_to(self->executor_, [self] { self->begin(); });
    }

    void add_ref() noexcept override { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    void answer(const reply& r) override {
        if (answering_here()) return compose(r, request_outcome::served);
        answer_later(r);
    }
    void answer(reply&& r) override {
        if (answering_here()) return compose(std::move(r), request_outcome::served);
        answer_later(std::move(r));
    }
    void unanswered() noexcept override {
        if (answering_here()) return compose(failure(), request_outcome::failed);
        post_answer(failure(), request_outcome::failed);
    }

private:
    /// Keeps the session alive.
    class ref {
    public:
        explicit ref(http_session* adopted) noexcept : session_(adopted) {}
        ref(const ref& other) noexcept : session_(other.session_) { session_->add_ref(); }
        ref(ref&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
        ref& operator=(ref) = delete;
        ~ref() {
            if (session_ != nullptr) session_->release();
        }
        http_session* operator->() const noexcept { return session_; }
        http_session& operator*() const noexcept { return *session_; }

    private:
        http_session* session_;
    };
    ref self() noexcept {
        add_ref();
        return ref(this);
    }

    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, executor_type>;

    struct on_readable {
        ref session;
        void operator()(const std::error_code& error) { session->readable(error); }
    };
    struct on_read {
        ref session;
        void operator()(const std::error_code& error, std::size_t bytes) { session->read(error, bytes); }
    };
    struct on_written {
        ref session;
        void operator()(const std::error_code& error, std::size_t bytes) { session->written(error, bytes); }
    };
    struct ignore_end {
        void operator()(const std::error_code&) const noexcept {}
    };

    enum class phase : std::uint8_t {
        reading,    ///< a request is awaited or on its way
        answering,  ///< the handler, or whoever has the responder, has it
        answered,   ///< its reply is made, and being written
        over,       ///< nothing is left to be done
    };

    http_session(Connection c, std::shared_ptr<const http_service> service)
        : connection_(std::move(c)),
          executor_(connection_.get_executor()),
          service_(std::move(service)),
          in_(service_->options.limits) {}
    ~http_session() = default;

    void begin() {
        connection_.on_drain([this] { drain(); });
        connection_.request_awaited();
        read_on();
    }

    // --- requests

    /// Waits with as little as possible: nothing is borrowed while nothing comes.
    void read_on() {
        if (in_.empty()) {
            in_.release();
            out_.release();
        }
        connection_.async_wait_readable(on_readable{self()});
    }
    void readable(const std::error_code& error) {
        if (phase_ == phase::over) return;
        if (error) {
            leave();
            return;
        }
        char* const begin = in_.room(in_.wanted_room(block_bytes));
        const net::mutable_buffer room(begin, in_.room_size());
        const io_result r = connection_.try_read(room);
        if (r.want != io_want::none) return connection_.async_read_some(room, on_read{self()});
        read(r.error, r.bytes);
    }
    void read(const std::error_code& error, std::size_t bytes) {
        if (phase_ == phase::over) return;
        if (error) {
            leave();
            return;
        }
        in_.received(bytes);
        advance();
    }

    /// Goes on until it must wait: for bytes, for an answer, or for room to write.
    void advance() {
        while (phase_ == phase::reading) {
            switch (in_.advance()) {
                case request_collector::verdict::need_more:
                    if (!in_.empty() && !begin_request()) return;
                    if (write()) read_on();
                    return;
                case request_collector::verdict::head:
                    if (!begin_request()) return;
                    judge();
                    break;
                case request_collector::verdict::complete: handle(); break;
                case request_collector::verdict::failed:
                    if (!begin_request()) return;
                    ends_for_ = close_reason::protocol_error;
                    compose(reply(refusal_status(in_.error())).close(), request_outcome::failed);
                    break;
            }
            if (phase_ == phase::answered && !finish()) return;
        }
        // Whoever answers may take his time: those before are not to wait for him.
        if (phase_ == phase::answering) write();
    }

    /// Tells of the request's first byte, once.
    bool begin_request() {
        if (std::exchange(begun_, true)) return true;
        late_ = draining_;
        if (connection_.request_begun() == close_reason::none) return true;
        // The acceptor is ending the connection: whoever reads or writes is told why.
        leave();
        return false;
    }

    /// The head is there: whether its request is admitted, and whether its body is to come.
    void judge() {
        const http::request_head& head = in_.parser().head();
        if (late_) return compose(make_refusal(503, service_->options.drain_retry_after).close(), request_outcome::refused);
        const admission_verdict verdict = offer(head);
        if (!verdict.admitted())
            return compose(make_refusal(refusal_status(verdict.refused), verdict.retry_after), request_outcome::refused);
        if (head.method(in_.head_text()) == "CONNECT")
            return compose(reply(501).close(), request_outcome::failed);
        if (in_.parser().expects_continue() && !in_.has_unparsed()) out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
    admission_verdict offer(const http::request_head& head) {
        client_ = connection_.peer().address;
        if (!service_->proxies.contains(client_)) return connection_.request_offered();
        client_ = client_address(client_, head.fields(in_.head_text()), service_->options.proxy_field, service_->proxies);
        return connection_.request_offered(client_);
    }

    void handle() {
        connection_.request_received();
        const request whole(in_.parser().head(), in_.head_text(), in_.body_text(), connection_.peer(), client_);
        phase_ = phase::answering;
        http_session* const outer = std::exchange(answering(), this);
        add_ref();
        try {
            service_->handler(whole, responder(this));
        } catch (...) {
            // Its responder has been destroyed with it, unless it went elsewhere: somebody answers.
        }
        answering() = outer;
    }

    // --- answers

    static http_session*& answering() noexcept {
        static thread_local http_session* session = nullptr;
        return session;
    }
    bool answering_here() const noexcept { return answering() == this; }
    static reply failure() { return std::move(reply(500).close()); }

    void answer_later(reply r) { post_answer(std::move(r), request_outcome::served); }
    void post_answer(reply r, request_outcome outcome) {
        hotpool::detail::post_to(executor_, [session = self(), r = std::move(r), outcome]() mutable {
            if (session->phase_ != phase::answering) return;
            session->outcome_ = outcome;
            if (session->writing_)
                session->early_ = std::make_unique<reply>(std::move(r));
            else
                session->go_on_with(std::move(r));
        });
    }
    void go_on_with(reply&& r) {
        compose(std::move(r), outcome_);
        if (finish()) advance();
    }

    template <class Reply>
    void compose(Reply&& r, request_outcome outcome) {
        if (r.error() != http::no_error) return compose(failure(), request_outcome::failed);
        const request_parser& parser = in_.parser();
        const bool whole = parser.complete();  // otherwise what follows is nobody's
        const bool stays = whole && parser.keep_alive() && !r.closes() && !draining_ &&
                           connection_.last_request() == close_reason::none;
        out_.add(std::forward<Reply>(r), {.head_only = whole && parser.head().method(in_.head_text()) == "HEAD",
                                          .keep_alive = stays,
                                          .http_1_0 = parser.head().version_minor == 0});
        outcome_ = outcome;
        stays_ = stays;
        phase_ = phase::answered;
    }

    /// Writes the reply, and is then done with its request.
    /// @return false: it must wait, or the connection is over
    bool finish() {
        if (stays_ && in_.has_unparsed() && out_.has_room()) return follow_on();
        if (!write()) return false;
        connection_.request_ended(outcome_, stays_ ? reply_said::it_stays : reply_said::nothing);
        begun_ = false;
        in_.next();
        if (!stays_) return say_goodbye(ends_for_);
        phase_ = phase::reading;
        if (draining_) end_idleness(service_->options.drain_idle_time);  // told while the reply was being written
        return phase_ == phase::reading;
    }

    /// The next request is here, or has begun to come: the replies to both are written together.
    bool follow_on() {
        connection_.request_followed(outcome_);
        late_ = draining_;
        in_.next();
        phase_ = phase::reading;
        return true;
    }

    // --- writing

    /// @return whether all is written; if not, it goes on by itself, or the connection is over
    bool write() {
        while (!out_.empty()) {
            const io_result r = connection_.try_write(out_.head(), out_.body());
            if (r.error) return leave();
            if (r.want != io_want::none) {
                if (phase_ != phase::reading) connection_.reply_progressed();
                writing_ = true;
                connection_.async_write_some(out_.head(), out_.body(), on_written{self()});
                return false;
            }
            out_.written(r.bytes);
        }
        return true;
    }
    void written(const std::error_code& error, std::size_t bytes) {
        if (phase_ == phase::over) return;
        if (error) {
            leave();
            return;
        }
        writing_ = false;
        out_.written(bytes);
        if (!write()) return;
        if (phase_ == phase::answering) {
            connection_.request_received();  // it is worked on, and no reply is in the way any more
            if (const std::unique_ptr<reply> r = std::move(early_)) go_on_with(std::move(*r));
        } else if (phase_ == phase::reading || finish()) {
            advance();
        }
    }

    // --- the end

    void drain() {
        draining_ = true;
        if (is_idle()) end_idleness(service_->options.drain_idle_time);
    }
    bool is_idle() const noexcept { return phase_ == phase::reading && !begun_; }
    void end_idleness(duration after) {
        if (after == duration::zero()) {
            say_goodbye(close_reason::drained);
            return;
        }
        timer_ = std::make_unique<timer_type>(executor_, after);
        timer_->async_wait([session = self()](const std::error_code& error) {
            if (!error && session->is_idle()) session->say_goodbye(close_reason::drained);
        });
    }

    /// @return false
    bool say_goodbye(close_reason why) {
        connection_.async_close(why, ignore_end{});
        return leave();
    }
    bool leave() {
        phase_ = phase::over;
        timer_.reset();
        connection_ = Connection();
        return false;
    }

    static constexpr std::size_t block_bytes = 4 * 1024;

    std::atomic<std::uint32_t> references_{1};
    Connection connection_;
    const executor_type executor_;
    const std::shared_ptr<const http_service> service_;
    request_collector in_;
    reply_queue out_;
    std::unique_ptr<reply> early_;  // an answer that came while others were being written
    std::unique_ptr<timer_type> timer_;  // until the drain ends its idleness
    ip_address client_;
    request_outcome outcome_ = request_outcome::served;
    close_reason ends_for_ = close_reason::connection_close;
    phase phase_ = phase::reading;
    bool begun_ = false;     // the acceptor has been told of the present request
    bool late_ = false;      // the present request began when the server was draining
    bool draining_ = false;
    bool writing_ = false;   // and waiting for room: nothing may be added
    bool stays_ = true;      // the connection may carry another request
};

}  // namespace hotpool::inbound::detail
