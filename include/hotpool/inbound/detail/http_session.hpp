// The driver of an HTTP connection: reads, writes and calls the handler as `session_machine` says.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/mutex.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/gone_hook.hpp"
#include "hotpool/inbound/detail/http_service.hpp"
#include "hotpool/inbound/detail/peer_op.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/inbound/http_options.hpp"
#include "hotpool/inbound/memory_ceiling.hpp"
#include "hotpool/inbound/reply.hpp"
#include "hotpool/inbound/request.hpp"
#include "hotpool/inbound/responder.hpp"
#include "hotpool/inbound/session_machine.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"
#include "hotpool/inbound/turn_share.hpp"
#include "hotpool/io/context_end.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/reserved_memory.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/peer_presence.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

/// Lives while an operation, a responder or a posted answer holds it, and as long as its connection; that ends with its
/// last operation. Where memory is out, the connection ends, for `close_reason::resources`. A responder may outlive the
/// connection and the execution context: nobody is there any more then.
/// @threads the connection's executor, except for the answers of responders
template <class Connection>
class http_session final : public answer_target, private memory_holder, private hotpool::detail::context_guest {
public:
    using executor_type = typename Connection::executor_type;

    static void start(Connection c, std::shared_ptr<http_service> service) noexcept {
        try {
            const ref self(new http_session(c, std::move(service)));
            self->begin_later();
        } catch (...) {  // of memory
            c.close(close_reason::resources);
        }
    }

    void add_ref() noexcept override { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    void answer(const reply& r) override { answer_with(r); }
    void answer(reply&& r) override { answer_with(std::move(r)); }
    void unanswered() noexcept override {
        static_cast<void>(gone_.take());
        if (answering_here()) return guarded([this] { machine_.not_answered(connection_); });
        try {
            post_answer(nullptr);
        } catch (...) {  // of memory, where the executor needs some: nobody would ever answer
            const std::lock_guard lock(mutex_);
            if (executor_) (*state_)->end(close_reason::resources, errc::resources_short, ending::orderly);
        }
    }

    bool client_gone() noexcept override {
        if (gone_.is_gone()) return true;
        const std::lock_guard lock(mutex_);
        return !executor_ || (*state_)->presence() != hotpool::detail::peer_presence::there;
    }
    void on_client_gone(std::function<void()> hook) override { gone_.set(std::move(hook)); }

private:
    using ref = hotpool::detail::counted_ref<http_session>;
    using state_type = typename Connection::state_type;
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, executor_type>;
    using memory_type = hotpool::detail::reserved_memory<128, 1>;

    /// What is posted to the executor, in memory of the session's own.
    template <class Function>
    struct posted {
        using allocator_type = hotpool::detail::reserved_allocator<std::byte, memory_type>;
        allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
        void operator()() { function(); }

        Function function;  // keeps the session
        memory_type* memory;
    };
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

    http_session(Connection& c, std::shared_ptr<http_service> service)
        : state_(*c.state_),
          connection_(std::move(c)),
          executor_(connection_.get_executor()),
          service_(std::move(service)),
          machine_(service_->options, service_->proxies) {}
    ~http_session() { account(0, true); }

    template <class Function>
    void post(Function function) {
        hotpool::detail::post_to(*executor_, posted<Function>{std::move(function), &memory_});
    }

    // --- what is told

    void begin_later() noexcept {
        try {
            this->arrive(*executor_);
            add_ref();  // the context's, until it has ended or the session is over
            post([session = self()] { session->begin(); });
        } catch (...) {
            connection_.close(close_reason::resources);
            let_go();
        }
    }
    void begin() {
        tell([this] {
            connection_.on_drain([this] {
                const ref keep = self();
                tell([this] { machine_.drain_told(); });
            });
            (*state_)->on_stir([session = self()] { session->tell([&] { session->look(); }); });
            (*state_)->set_last_words(&http_last_words);
            connection_.request_awaited();
        });
    }
    void readable(const std::error_code& error) {
        tell([&] {
            if (error) return machine_.connection_ended();
            char* const begin = machine_.room();
            const net::mutable_buffer room(begin, share(machine_.room_size()));
            const io_result r = connection_.try_read(room);
            if (r.want != io_want::none) return connection_.async_read_some(room, on_read{self()});
            came(r.error, r.bytes);
        });
    }
    void read(const std::error_code& error, std::size_t bytes) {
        tell([&] { came(error, bytes); });
    }
    void came(const std::error_code& error, std::size_t bytes) {
        if (error)
            machine_.connection_ended();
        else
            machine_.bytes_came(bytes);
    }
    void written(const std::error_code& error, std::size_t bytes) {
        tell([&] {
            if (error)
                machine_.connection_ended();
            else
                machine_.written(connection_, bytes);
        });
    }

    template <class Input>
    void tell(Input input) {
        if (machine_.is_over()) return;
        guarded(input);
        bool goes_on = true;
        while (goes_on) guarded([&] { goes_on = perform(machine_.next(connection_)); });
        if (!machine_.is_over()) account(machine_.memory(), machine_.is_answering());
    }
    template <class Function>
    void guarded(Function function) noexcept {
        try {
            function();
        } catch (...) {  // of memory
            machine_.memory_ran_out();
        }
    }

    // --- memory

    /// @param in_use also of a request that has outlived its connection in the hands of a handler
    void account(std::size_t bytes, bool in_use) noexcept {
        if (bytes == this->bytes() && (bytes == 0 || in_use == this->is_in_use())) return;
        const time_point now = base::coarse_now();
        {
            const std::lock_guard lock(service_->memory_mutex);
            service_->memory.keeps(*this, bytes, in_use, now);
        }
        while (const auto one = next_to_leave(now)) (*one)->end_for_memory();
    }
    /// Who is not in use has not let go, and so is held by the context.
    std::optional<ref> next_to_leave(time_point now) noexcept {
        const std::lock_guard lock(service_->memory_mutex);
        memory_holder* const h = service_->memory.next_to_leave(now);
        return h == nullptr ? std::nullopt : std::optional<ref>(std::in_place, *static_cast<http_session*>(h));
    }
    /// By any thread.
    void end_for_memory() noexcept {
        const std::lock_guard lock(mutex_);
        if (!executor_) return;
        try {
            post([session = self()] { session->tell([&] { session->too_much_memory(); }); });
        } catch (...) {  // of memory
            (*state_)->end(close_reason::memory_limit, errc::resources_short, ending::orderly);
        }
    }
    void too_much_memory() {
        if (!machine_.is_answering())
            return start_linger(&**state_, close_reason::memory_limit, errc::resources_short, ignore_end{},
                                machine_.is_receiving());
        const std::lock_guard lock(service_->memory_mutex);
        service_->memory.stays(*this);
    }

    // --- what is asked for

    /// False if there is nothing more.
    bool perform(session_task task) {
        switch (task) {
            case session_task::wait: return false;
            case session_task::read: connection_.async_wait_readable(on_readable{self()}); return true;
            case session_task::write: write(); return true;
            case session_task::call: call(); return true;
            case session_task::watch: (*state_)->watch(true); return true;
            case session_task::limit_idleness: limit_idleness(); return true;
            case session_task::close: say_goodbye(); break;
            case session_task::leave: break;
        }
        gone_.run();
        let_go();
        return false;
    }
    /// Nothing is kept that belongs to the execution context: a responder may outlive that.
    void let_go() noexcept {
        timer_.reset();
        gone_.over();
        connection_ = Connection();
        account(machine_.memory(), true);
        {
            const std::lock_guard lock(mutex_);
            executor_.reset();
        }
        state_.reset();
        if (this->leave()) release();
    }
    /// A large body takes turns with what else the loop does: what is written asynchronously completes in another one.
    void write() {
        const std::size_t now = share(machine_.body().size());
        const net::const_buffer head = net::buffer(machine_.head()), body = net::buffer(machine_.body(), now);
        if (machine_.body().size() == now) {
            const io_result r = connection_.try_write(head, body);
            if (r.error) return machine_.connection_ended();
            if (r.want == io_want::none) return machine_.written(connection_, r.bytes);
        }
        machine_.write_waits(connection_);
        connection_.async_write_some(head, body, on_written{self()});
    }
    /// How much of so many bytes is read or written in this turn.
    std::size_t share(std::size_t bytes) noexcept {
        if (bytes <= turn_share::large) return bytes;
        const time_point now = base::coarse_now();
        const std::lock_guard lock(service_->turn_mutex);
        return std::min(bytes, service_->turns.of(turn_, now));
    }
    void call() {
        http_session* const outer = std::exchange(answering(), this);
        add_ref();
        try {
            service_->handler(machine_.present(),
                              hotpool::detail::access::make<responder>(static_cast<answer_target*>(this)));
        } catch (...) {
            // Its responder has been destroyed with it, unless it went elsewhere: somebody answers.
        }
        answering() = outer;
    }
    void limit_idleness() {
        after(service_->options.drain_idle_time, [](http_session& s) { s.machine_.idle_time_over(); });
    }
    /// @param what `void(http_session&)`, without a state
    template <class What>
    void after(duration pause, What what) {
        timer_ = std::make_unique<timer_type>(*executor_, pause);
        timer_->async_wait([session = self(), what](const std::error_code& error) {
            if (!error) session->tell([&] { what(*session); });
        });
    }
    void say_goodbye() noexcept {
        try {
            connection_.async_close(machine_.ends_for(), ignore_end{});
        } catch (...) {
            connection_.close(machine_.ends_for());
        }
    }

    // --- a client that leaves while its request is worked on

    /// Bytes that lie there unread hide what follows, and are not read before the answer: it is looked at now and then.
    void look() {
        using hotpool::detail::peer_presence;
        const peer_presence now = (*state_)->heed_presence();
        if (now == peer_presence::gone) return machine_.connection_ended();
        if (!machine_.is_answering()) return;
        if (now == peer_presence::half_closed) gone_.run();
        after(now == peer_presence::there ? look_interval : reset_interval, [](http_session& s) { s.look(); });
    }

    // --- answers

    /// Whose handler runs on this thread.
    static http_session*& answering() noexcept {
        static thread_local http_session* session = nullptr;
        return session;
    }
    bool answering_here() const noexcept { return answering() == this; }

    template <class Reply>
    void answer_with(Reply&& r) {
        auto hook = gone_.take();  // at once: as soon as it is answered, there may be one of the next request
        try {
            if (answering_here()) return machine_.answered(connection_, std::forward<Reply>(r));
            post_answer(std::allocate_shared<reply>(base::recycling_allocator<reply>(), std::forward<Reply>(r)));
        } catch (...) {  // of memory: it is not answered
            if (hook) gone_.set(std::move(hook));
            throw;
        }
    }
    void post_answer(std::shared_ptr<reply> r) {
        const std::lock_guard lock(mutex_);
        if (!executor_) return;  // nobody is there any more
        post([session = self(), r = std::move(r)]() mutable {
            session->tell([&] {
                (*session->state_)->watch(false);
                session->timer_.reset();
                session->machine_.answered_later(session->connection_, std::move(r));
            });
        });
    }

    // --- the end of the execution context

    void context_ended() noexcept override {
        const ref registered(this);
        machine_.connection_ended();
        static_cast<void>(machine_.next(connection_));  // it is over
        let_go();
    }
    const void* guest_executor() const noexcept override { return &*executor_; }

    ref self() noexcept { return ref(*this); }

    std::atomic<std::uint32_t> references_{1};
    static constexpr duration look_interval = std::chrono::milliseconds(100);
    static constexpr duration reset_interval = std::chrono::seconds(1);  // for one that may only read on

    base::mutex mutex_;  // held by those who answer from elsewhere
    gone_hook gone_;
    std::optional<hotpool::detail::counted_ref<state_type>> state_;  // until it lets go
    Connection connection_;
    std::optional<executor_type> executor_;  // likewise
    const std::shared_ptr<http_service> service_;
    session_machine machine_;
    turn_share::member turn_;
    std::unique_ptr<timer_type> timer_;  // until the drain ends its idleness
    memory_type memory_;
};

}  // namespace hotpool::inbound::detail
