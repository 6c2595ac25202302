// The machine of one HTTP connection: requests in, replies out, in order. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/forwarded.hpp"
#include "hotpool/inbound/http_options.hpp"
#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/refusal.hpp"
#include "hotpool/inbound/reply.hpp"
#include "hotpool/inbound/reply_queue.hpp"
#include "hotpool/inbound/request.hpp"
#include "hotpool/inbound/request_collector.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"

namespace hotpool::inbound {

/// Who keeps the books of a session's connection: its members that begin with `request_`, as `connection` has them.
template <class B>
concept session_books = requires(B b, const ip_address& client, request_outcome outcome, reply_said said) {
    { b.peer() } -> std::convertible_to<const ip_endpoint&>;
    { b.request_begun() } -> std::same_as<close_reason>;
    { b.draining_for() } -> std::same_as<duration>;
    { b.request_offered(metering::on) } -> std::same_as<admission_verdict>;
    { b.request_offered(client, metering::on) } -> std::same_as<admission_verdict>;
    b.request_received();
    b.reply_progressed();
    { b.last_request() } -> std::same_as<close_reason>;
    b.request_ended(outcome, said);
    b.request_followed(outcome);
};

/// What a session asks of its driver.
enum class session_task : std::uint8_t {
    wait,            ///< nothing, until something is told
    read,            ///< wait for bytes: tell `bytes_came` or `connection_ended`
    write,           ///< write from `head` and `body`: tell `written`, `write_waits` or `connection_ended`
    call,            ///< have the handler answer `present`: tell `answered`, then or later
    watch,           ///< until the answer comes, notice when the client leaves: tell `connection_ended`
    limit_idleness,  ///< tell `idle_time_over` after `http_options::drain_idle_time`
    close,           ///< end the connection in order, for `ends_for`; nothing else follows
    leave,           ///< let go of the connection, which others are ending; nothing else follows
};

/// Tell it what happened, then perform what `next` hands out until that is `wait`, `close` or `leave`.
///
/// A session reads, and collects one request; has it answered; writes the reply, and turns to the next request, which may
/// be here already. A reply is written together with those before it as long as the next request is here and they are
/// small. While bytes are being written none are added: an answer that comes then is kept.
///
/// Where an input or `next` throws `std::bad_alloc`, nothing of it is lost but the connection: tell `memory_ran_out`.
/// @threads distinct objects only
/// @lifetime the options and proxies outlive it
class session_machine {
public:
    session_machine(const http_options& options, const trusted_proxies& proxies) noexcept
        : options_(options), proxies_(proxies), in_(options.limits) {}
    session_machine(const session_machine&) = delete;
    session_machine& operator=(const session_machine&) = delete;

    // --- reading

    /// Where the next bytes belong, for `room_size` of them. Nothing is borrowed while nothing comes: asked for when
    /// there is something to read.
    /// @errors throws `std::bad_alloc`, nothing has changed then
    char* room() { return in_.room(in_.wanted_room(block_bytes)); }
    std::size_t room_size() const noexcept { return in_.room_size(); }
    void bytes_came(std::size_t bytes) noexcept {
        in_.received(bytes);
        reading_ = false;
    }

    // --- writing

    std::string_view head() const noexcept { return out_.head(); }
    std::string_view body() const noexcept { return out_.body(); }
    template <session_books Books>
    void written(Books& books, std::size_t bytes) {
        waits_to_write_ = false;
        out_.written(bytes);
        if (!out_.empty()) return;
        flushing_ = false;
        if (!std::exchange(slow_, false) || phase_ != phase::answering) return;
        books.request_received();  // it is worked on, and no reply is in the way any more
        if (const std::shared_ptr<reply> r = std::move(early_)) compose(books, std::move(*r), outcome_);
    }
    /// Nothing more could be written for now, or others have their turn: `written` follows.
    template <session_books Books>
    void write_waits(Books& books) {
        waits_to_write_ = true;
        if (phase_ == phase::reading) return;
        books.reply_progressed();
        slow_ = true;
    }

    // --- answers

    /// What `call` is about. It stays as it is until it has been answered, whoever does that and wherever, also when the
    /// connection ends meanwhile.
    const request& present() const noexcept { return *present_; }
    /// While `call` is carried out: nothing is being written then.
    /// @errors throws `std::bad_alloc`; it is not answered then
    template <session_books Books, class Reply>
    void answered(Books& books, Reply&& r) {
        if (phase_ == phase::answering) compose(books, std::forward<Reply>(r), request_outcome::served);
    }
    /// Later.
    /// @param r null: it was not answered, and never will be
    template <session_books Books>
    void answered_later(Books& books, std::shared_ptr<reply> r) {
        if (phase_ != phase::answering) return;
        if (r == nullptr) return not_answered(books);
        outcome_ = request_outcome::served;
        if (waits_to_write_)
            early_ = std::move(r);
        else
            compose(books, std::move(*r), outcome_);
    }
    /// Nobody will answer it: a handler threw, or let its responder go.
    template <session_books Books>
    void not_answered(Books& books) {
        if (phase_ != phase::answering) return;
        if (waits_to_write_) {
            early_ = std::make_shared<reply>(failure());
            outcome_ = request_outcome::failed;
        } else {
            compose(books, failure(), request_outcome::failed);
        }
    }

    /// Whether somebody has still to answer `present`.
    bool is_answering() const noexcept { return phase_ == phase::answering; }

    /// Whether a request is coming, and no reply is on its way: the next bytes the client gets may be about it.
    bool is_receiving() const noexcept {
        return phase_ == phase::reading && begun_ && out_.empty() && !waits_to_write_;
    }

    /// What requests and replies take here, beyond the block that every connection with a request may have.
    std::size_t memory() const noexcept {
        const std::size_t all = in_.memory() + out_.memory() + (early_ ? early_->body_view().size() : 0);
        return all > 2 * block_bytes ? all : 0;
    }

    // --- the end

    /// The server leaves: what is under way, and what begins within `http_options::drain_grace`, is answered, and says so.
    void drain_told() noexcept { draining_ = true; }
    void idle_time_over() noexcept {
        if (is_idle()) close_for(close_reason::drained);
    }
    /// It can neither be read nor written any more.
    void connection_ended() noexcept {
        if (!is_over()) phase_ = phase::leaving;
    }
    void memory_ran_out() noexcept {
        if (!is_over()) close_for(close_reason::resources);
    }
    /// Why `close` is asked for.
    close_reason ends_for() const noexcept { return ends_for_; }
    /// Whether `close` or `leave` has been handed out: nothing that is told means anything then.
    bool is_over() const noexcept { return phase_ == phase::over; }

    /// What is to be done next.
    template <session_books Books>
    session_task next(Books& books) {
        for (;;) {
            if (phase_ >= phase::closing) return end();
            if (waits_to_write_) return session_task::wait;
            if (flushing_) return session_task::write;  // to its end, before anything is added
            std::optional<session_task> task;
            switch (phase_) {
                case phase::reading: task = reading_ ? while_idle() : collect(books); break;
                case phase::answering: task = out_.empty() ? while_answering() : flush(); break;
                case phase::answered: task = follow(books); break;
                case phase::closing:
                case phase::leaving:
                case phase::over: break;
            }
            if (task) return *task;
        }
    }

private:
    enum class phase : std::uint8_t {
        reading,    ///< a request is awaited or on its way
        answering,  ///< the handler, or whoever has the responder, has it
        answered,   ///< its reply is made, and being written
        closing,    ///< `close` is to be handed out
        leaving,    ///< `leave` is to be handed out
        over,
    };
    using verdict = detail::request_collector::verdict;

    static reply failure() { return std::move(reply(500).close()); }

    session_task flush() noexcept {
        flushing_ = true;
        return session_task::write;
    }
    session_task end() noexcept {
        switch (std::exchange(phase_, phase::over)) {
            case phase::closing: return session_task::close;
            case phase::leaving: return session_task::leave;
            default: return session_task::wait;
        }
    }
    void close_for(close_reason why) noexcept {
        ends_for_ = why;
        phase_ = phase::closing;
    }

    // --- requests

    bool is_idle() const noexcept { return phase_ == phase::reading && !begun_; }
    /// Bytes are awaited already.
    std::optional<session_task> while_idle() noexcept {
        if (!draining_ || !is_idle() || std::exchange(idleness_limited_, true)) return session_task::wait;
        if (options_.drain_idle_time != duration::zero()) return session_task::limit_idleness;
        close_for(close_reason::drained);
        return std::nullopt;
    }
    session_task while_answering() noexcept {
        return std::exchange(watched_, true) ? session_task::wait : session_task::watch;
    }
    template <class Books>
    std::optional<session_task> collect(Books& books) {
        switch (in_.advance()) {
            case verdict::need_more:
                if (!in_.empty() && !begin(books)) return std::nullopt;
                if (!out_.empty()) return flush();
                if (in_.empty()) {
                    in_.release();
                    out_.release();
                }
                reading_ = true;
                return session_task::read;
            case verdict::head:
                if (begin(books)) judge(books);
                return std::nullopt;
            case verdict::complete: return call(books);
            case verdict::failed: break;
        }
        if (!begin(books)) return std::nullopt;
        ends_for_ = close_reason::protocol_error;
        compose(books, reply(refusal_status(in_.error())).close(), request_outcome::failed);
        return std::nullopt;
    }
    /// Tells of the request's first byte, once. False if the connection is being ended.
    template <class Books>
    bool begin(Books& books) {
        if (std::exchange(begun_, true)) return true;
        late_ = begins_late(books);
        if (books.request_begun() == close_reason::none) return true;
        phase_ = phase::leaving;
        return false;
    }
    template <class Books>
    bool begins_late(const Books& books) const {
        return draining_ && books.draining_for() >= options_.drain_grace;
    }
    /// The head is there: whether its request is admitted, and whether its body is to come.
    template <class Books>
    void judge(Books& books) {
        const http::request_head& head = in_.parser().head();
        if (late_)
            return compose(books, make_refusal(503, options_.drain_retry_after).close(), request_outcome::refused);
        const admission_verdict said = offer(books, head);
        if (!said.admitted())
            return compose(books, make_refusal(refusal_status(said.refused), said.retry_after),
                           request_outcome::refused);
        if (head.method(in_.head_text()) == "CONNECT")
            return compose(books, reply(501).close(), request_outcome::failed);
        if (in_.parser().expects_continue() && !in_.has_unparsed()) out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
    template <class Books>
    admission_verdict offer(Books& books, const http::request_head& head) {
        const std::string_view text = in_.head_text();
        metering counts = is_unmetered(head.target(text)) ? metering::off : metering::on;
        client_ = books.peer().address.unmapped();
        if (!proxies_.contains(client_)) return books.request_offered(counts);
        // What a proxy asks for itself, such as whether the server is well, is nobody's request.
        if (!head.fields(text).find(to_string(options_.proxy_field))) counts = metering::off;
        client_ = client_address(client_, head.fields(text), options_.proxy_field, proxies_);
        return books.request_offered(client_, counts);
    }
    bool is_unmetered(std::string_view target) const noexcept {
        const auto& paths = options_.unmetered_paths;
        return !paths.empty() && std::find(paths.begin(), paths.end(), path_of(target)) != paths.end();
    }
    template <class Books>
    session_task call(Books& books) {
        books.request_received();
        present_ = hotpool::detail::access::make<request>(in_.parser().head(), in_.head_text(), in_.body_text(),
                                                          books.peer(), client_);
        phase_ = phase::answering;
        watched_ = false;
        return session_task::call;
    }

    // --- replies

    template <class Books, class Reply>
    void compose(Books& books, Reply&& r, request_outcome outcome) {
        if (r.error() != http::no_error) return compose(books, failure(), request_outcome::failed);
        const request_parser& parser = in_.parser();
        const bool whole = parser.complete();  // otherwise what follows is nobody's
        const bool stays =
            whole && parser.keep_alive() && !r.closes() && !draining_ && books.last_request() == close_reason::none;
        out_.add(std::forward<Reply>(r), {.head_only = whole && parser.head().method(in_.head_text()) == "HEAD",
                                          .keep_alive = stays,
                                          .http_1_0 = parser.head().version_minor == 0});
        outcome_ = outcome;
        stays_ = stays;
        phase_ = phase::answered;
    }
    /// The reply is made: it is written, unless the next one can be written together with it.
    template <class Books>
    std::optional<session_task> follow(Books& books) {
        const bool together = stays_ && in_.has_next() && out_.has_room();
        if (!together && !out_.empty()) return flush();
        if (together)
            books.request_followed(outcome_);
        else
            books.request_ended(outcome_, stays_ ? reply_said::it_stays : reply_said::nothing);
        begun_ = together;
        late_ = together && begins_late(books);
        in_.next();
        phase_ = phase::reading;
        if (!stays_)
            close_for(ends_for_);
        else if (!together && draining_ && options_.drain_idle_time == duration::zero())
            close_for(close_reason::drained);  // told while the reply was being written
        return std::nullopt;
    }

    static constexpr std::size_t block_bytes = 4 * 1024;

    const http_options& options_;
    const trusted_proxies& proxies_;
    detail::request_collector in_;
    detail::reply_queue out_;
    std::shared_ptr<reply> early_;  // an answer that came while others were being written
    std::optional<request> present_;
    ip_address client_;
    request_outcome outcome_ = request_outcome::served;
    close_reason ends_for_ = close_reason::connection_close;
    phase phase_ = phase::reading;
    bool begun_ = false;  // the books know of the present request
    bool late_ = false;   // the present request began long after the server began to drain
    bool draining_ = false;
    bool reading_ = false;   // bytes are awaited
    bool watched_ = false;   // `watch` was handed out for the present request
    bool flushing_ = false;  // a write was handed out, and something of it is left
    bool waits_to_write_ = false;
    bool slow_ = false;  // the books were told that a reply is being written while the request is worked on
    bool stays_ = true;  // the connection may carry another request
    bool idleness_limited_ = false;
};

}  // namespace hotpool::inbound
