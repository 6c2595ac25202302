// Runs one cell: sets an operation up, starts it, ends something, and judges what has become of it.
#include "support/ends_cell.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <thread>
#include <utility>

namespace hotpool::test {

std::string cell::name() const {
    const std::string what =
        ending != nullptr ? std::string(ending->name) : "memory_refused_" + std::to_string(refused);
    return std::string(operation->name) + " / " + what + " / " + name_of(executor) + " / " + name_of(thread);
}

namespace {

using namespace std::chrono_literals;

std::string text_of(const std::error_code& e) { return e ? "\"" + e.message() + "\"" : "success"; }

class cell_run {
public:
    cell_run(ends_world& w, const cell& c, stage_plan plan)
        : world_(w),
          cell_(c),
          op_(*c.operation),
          s_(c.executor, c.thread, w.server, w.black_hole.endpoint(), std::move(plan)) {}

    void set_up() {
        world_.server.hold();
        op_.set_up(s_);
        stalled_ = world_.server.stalled();
    }
    /// Starts the operation, and lets it come to where it waits.
    void start() {
        if (cell_.ending != nullptr && cell_.ending->while_starting)
            start_and_throw();
        else
            s_.loop.call([this] { op_.start(s_); });
        require_pending();
    }
    void end() { cell_.ending->act(s_); }

    void judge() {
        const expectation expected = cell_.ending->expect(op_, cell_.executor, cell_.thread);
        switch (expected.what) {
            case fate::gone: return judge_gone();
            case fate::goes_on: return judge_regular_end();
            case fate::ends: break;
            case fate::makes_no_sense: throw cell_failure("it makes no sense");
        }
        if (op_.has(takes_no_handler)) return judge_reply(false);
        if (expected.may_go_on && !s_.loop.until([this] { return s_.completed(); }, 5ms)) return judge_regular_end();
        await_completion();
        require(std::find(expected.errors.begin(), expected.errors.end(), s_.out->error) != expected.errors.end(),
                "completes with " + text_of(s_.out->error));
    }

    /// The pool or the acceptor serves the next one, and lets everything go.
    void serve_next() {
        if (!s_.own) return;
        world_.server.release();
        release_belongings();
        if (s_.own->pool && is_in_use()) next_exchange();
        if (s_.own->acceptor && is_in_use()) next_accept();
    }
    void close() {
        world_.server.release();  // who has much to send is not gone before that has been read
        if (s_.own && s_.own->pool) close_pool();
        if (s_.own) {
            s_.loop.call([this] {
                s_.own->client.reset();
                s_.own->server.reset();
            });
            s_.own.reset();
        }
        require(s_.loop.run_dry(), "the loop never runs out of work");
        s_.loop.destroy();
        judge_counts(cell_.ending != nullptr && expected_fate() == fate::gone ? 0 : 1);
        s_.signal.emit(net::cancellation_type::all);
        s_.open_question.reset();
        s_.peers.clear();
        const time_point limit = clock_type::now() + ends_loop::patience;
        while (world_.server.live() != 0) {
            require(clock_type::now() < limit, "a socket is left open");
            std::this_thread::yield();
        }
    }

    // --- memory

    /// @return whether the initiation has come through
    bool start_with(memory_limit& limit) {
        bool begun = true;
        try {
            const memory_limit::scope scarce(&limit);
            op_.start(s_);
        } catch (const std::bad_alloc&) {
            begun = false;
        }
        s_.loop.limit_memory(limit);
        return begun;
    }
    void judge_with(memory_limit& limit, bool begun) {
        s_.loop.settle();
        if (!begun) {
            s_.loop.forget_limit();
            require(s_.out->handlers == 0, "the initiation has thrown, and keeps the handler");
            expected_completions_ = 0;
            return;
        }
        if (s_.completed()) {
            // It has been told at once.
        } else if (op_.finish != nullptr) {
            op_.finish(s_);
        } else {
            const memory_limit::scope scarce(&limit);
            try {
                s_.signal.emit(net::cancellation_type::terminal);
            } catch (const std::bad_alloc&) {
            }
        }
        if (!op_.has(takes_no_handler)) {
            await_completion();
            const std::error_code& e = s_.out->error;
            require(!e || e == op_.outcome || e == std::errc::not_enough_memory || e == errc::cancelled ||
                        e == errc::resolve_failed ||  // the stage's own source drops its answer then
                        (op_.family == ends_family::warm && e == errc::warm_incomplete) ||
                        (op_.has(has_acceptor) && e == errc::resources_short),
                    "completes with " + text_of(e));
        } else {
            judge_reply(true);
        }
        s_.loop.forget_limit();
    }

private:
    fate expected_fate() const { return cell_.ending->expect(op_, cell_.executor, cell_.thread).what; }

    void start_and_throw() {
        std::atomic<bool> over = false;
        net::post(s_.loop.executor(), [&] {
            op_.start(s_);
            over = true;
            throw thrown_by_handler();
        });
        require(s_.loop.until([&] { return over.load(); }), "the operation is never started");
    }
    void require_pending() {
        const auto is_silent = [&] { return world_.server.stalled() > stalled_ || s_.completed(); };
        if (op_.has(stalls_server)) require(s_.loop.until(is_silent), "the request never comes");
        s_.loop.settle();
        // What has a limit of time may be over on a slow machine.
        if (s_.completed() && !op_.has(limited) && !s_.plan.reclaiming)
            throw cell_failure("is over before its time, with " + text_of(s_.out->error));
    }

    void judge_gone() {
        require(s_.out->completions == 0, "completes without a context");
        require(s_.out->handlers == 0, "a handler is left that nobody can call");
    }
    /// It can still end by itself, or at least be cancelled.
    void judge_regular_end() {
        if (s_.completed() && !op_.has(limited)) throw cell_failure("completes with " + text_of(s_.out->error));
        if (op_.finish != nullptr) {
            op_.finish(s_);
            if (op_.has(takes_no_handler)) return judge_reply(true);
            await_completion();
            require(s_.out->error == op_.outcome, "goes on, but ends with " + text_of(s_.out->error));
        } else {
            s_.loop.call([this] { s_.signal.emit(net::cancellation_type::terminal); });
            await_completion();
            require(s_.out->error == errc::cancelled, "cancelled, it ends with " + text_of(s_.out->error));
        }
    }
    void await_completion() {
        require(s_.loop.until([this] { return s_.completed(); }), "never completes");
        s_.loop.settle();
        require(s_.out->completions == 1, "completes twice");
        require(s_.out->elsewhere == 0, "completes elsewhere than on the pool's executor");
        require(s_.loop.until([this] { return s_.out->handlers == 0; }), "keeps its handler after calling it");
    }
    /// What the peer sees: an answer, or the end.
    void judge_reply(bool regular) {
        std::string seen;
        bool ended = false;
        const auto look = [&] {
            char bytes[1024];
            const auto got = ::recv(s_.peers.front().fd(), bytes, sizeof bytes, MSG_DONTWAIT);
            if (got > 0) seen.append(bytes, static_cast<std::size_t>(got));
            ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
            return ended || seen.find("\r\n\r\n") != seen.npos;
        };
        require(s_.loop.until(look), "the peer sees neither an answer nor the end");
        if (regular)
            require(seen.find("200 OK") != seen.npos && seen.find("/first") != seen.npos, "the peer sees: " + seen);
        else
            require(ended || seen.find(" 500 ") != seen.npos, "the peer sees: " + seen);
        expected_completions_ = 0;
    }

    bool is_in_use() const {
        if (op_.has(drains)) return false;
        if (cell_.ending == nullptr) return true;
        const std::string_view name = cell_.ending->name;
        return !name.starts_with("pool_") && !name.starts_with("acceptor_");
    }
    void release_belongings() {
        s_.loop.call([this] {
            s_.out->drop();
            s_.own->reader = {};
            s_.own->lease = {};
            s_.own->beside = {};
            s_.own->connection = {};
            s_.responder = {};
        });
    }

    void next_exchange() {
        s_.found = true;
        if (s_.open_question) (*s_.open_question)({}, {s_.here()});
        s_.own->pool->resume();
        if (op_.has(waits_in_pool)) s_.own->pool->network_changed();
        const request_builder request("GET", "/ok");
        std::error_code error;
        std::atomic<bool> done = false;
        // Where an opening may be stuck, only a second caller has the pool begin another one.
        std::atomic<bool> second_served = !op_.has(waits_in_pool);
        if (!second_served)
            s_.loop.call([&] { s_.own->pool->async_get([&](std::error_code, ends_lease) { second_served = true; }); });
        ends_lease lease = s_.get();
        s_.loop.call([&] {
            async_exchange(lease, request, [&](std::error_code e, response) {
                error = e;
                done = true;
            });
        });
        require(s_.loop.until([&] { return done.load(); }), "the next exchange never completes");
        require(!error, "the next exchange fails: " + error.message());
        s_.loop.call([&] { s_.own->pool->put(std::move(lease)); });
        require(s_.loop.until([&] { return second_served.load(); }), "another get never completes");
    }
    void next_accept() {
        client_socket peer(s_.own->acceptor->port());
        require(peer.is_connected(), "the next peer cannot connect");
        if (s_.own->server || op_.has(has_responder)) {
            if (!s_.own->server) return;
            peer.write("GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            s_.peers.push_back(std::move(peer));
            require(s_.loop.until([&] {
                char byte = 0;
                return ::recv(s_.peers.back().fd(), &byte, 1, MSG_DONTWAIT) == 1;
            }),
                    "the next request is never answered");
            return;
        }
        std::atomic<bool> done = false;
        std::error_code error;
        inbound::tcp_connection got;
        s_.loop.call([&] {
            s_.own->acceptor->async_accept([&](std::error_code e, inbound::tcp_connection c) {
                error = e;
                got = std::move(c);
                done = true;
            });
        });
        require(s_.loop.until([&] { return done.load(); }), "the next accept never completes");
        require(!error, "the next accept fails: " + error.message());
        s_.loop.call([&] { got = {}; });
    }

    void close_pool() {
        s_.loop.end([this] { s_.own->pool->close(); });
        const auto empty = [this] {
            const connection_counts now = s_.own->pool->stats().now;
            return now.total() == 0 && now.waiting == 0;
        };
        require(s_.loop.until(empty), "is left in the closed pool: " + s_.own->pool->describe());
    }
    void judge_counts(int completions) {
        if (op_.has(takes_no_handler)) return;
        completions = std::min(completions, expected_completions_);
        require(s_.out->completions == completions, std::to_string(s_.out->completions) + " completions at the end");
        require(s_.out->handlers == 0, "a handler is left at the end");
    }

    ends_world& world_;
    const cell& cell_;
    const operation_row& op_;
    int stalled_ = 0;
    int expected_completions_ = 1;
    stage s_;
};

template <class Steps>
std::string failure_of(Steps steps) {
    try {
        steps();
        return {};
    } catch (const cell_failure& f) {
        return f.what();
    } catch (const std::exception& e) {
        return std::string("throws ") + e.what();
    }
}

}  // namespace

cell_result run_cell(ends_world& world, const cell& which) {
    return {failure_of([&] {
        stage_plan plan;
        which.ending->prepare(plan);
        cell_run run(world, which, std::move(plan));
        run.set_up();
        run.start();
        run.end();
        run.judge();
        run.serve_next();
        run.close();
    })};
}

cell_result run_memory_cell(ends_world& world, const cell& which) {
    memory_limit limit(which.refused);
    cell_result result;
    // On a new thread, since one that has been at work keeps memory.
    std::thread([&] {
        result.failure = failure_of([&] {
            cell_run run(world, which, {});
            run.set_up();
            const bool begun = run.start_with(limit);
            run.judge_with(limit, begun);
            run.serve_next();
            run.close();
        });
    }).join();
    result.memory_was_refused = limit.has_refused();
    return result;
}

}  // namespace hotpool::test
