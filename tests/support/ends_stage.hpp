// What an operation of the matrix has around it, and the handler that counts.
#pragma once

#include <asio/cancellation_signal.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/hotpool.hpp"
#include "hotpool/inbound.hpp"
#include "support/ends_loop.hpp"
#include "support/ends_server.hpp"
#include "support/inbound_test.hpp"

namespace hotpool::test {

/// Why a cell has failed.
struct cell_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline void require(bool kept, const std::string& rule) {
    if (!kept) throw cell_failure(rule);
}

using ends_client = http_client<tcp_pool>;
using ends_reader = ends_client::reader_type;
using ends_lease = tcp_pool::lease_type;

/// What has become of an operation. Outlives its context.
struct outcome {
    std::atomic<int> completions = 0;
    std::atomic<int> elsewhere = 0;  ///< of these, not on the executor
    std::atomic<int> handlers = 0;   ///< that exist
    std::error_code error;           // of the last completion, as what it brought
    ends_lease lease;
    ends_reader reader;
    inbound::tcp_connection connection;

    void keep(ends_lease l) { lease = std::move(l); }
    void keep(ends_reader r) { reader = std::move(r); }
    void keep(inbound::tcp_connection c) { connection = std::move(c); }
    template <class Other>
    void keep(const Other&) {}
    void drop() {
        reader = {};
        lease = {};
        connection = {};
    }
};

/// What the caller of an operation owns; in some cells the handler does, as a coroutine's frame would.
struct belongings {
    std::unique_ptr<tcp_pool> pool;
    std::optional<ends_client> client;
    std::unique_ptr<request_builder> request;
    exchange_options exchange;
    ends_lease beside;  ///< taken so that others have to wait
    ends_lease lease;   ///< the one that the operation works on
    ends_reader reader;
    std::unique_ptr<inbound::tcp_acceptor> acceptor;
    std::unique_ptr<inbound::http_server<inbound::tcp_acceptor>> server;
    inbound::tcp_connection connection;
    std::array<char, 64> buffer{};
};

class ends_handler {
public:
    using cancellation_slot_type = net::cancellation_slot;

    ends_handler(std::shared_ptr<outcome> o, const ends_loop& l, net::cancellation_slot s,
                 std::shared_ptr<belongings> owned)
        : outcome_(std::move(o)), loop_(&l), slot_(s), owned_(std::move(owned)) {
        ++outcome_->handlers;
    }
    ends_handler(ends_handler&& other) noexcept
        : outcome_(other.outcome_), loop_(other.loop_), slot_(other.slot_), owned_(std::move(other.owned_)) {
        ++outcome_->handlers;
    }
    ~ends_handler() { --outcome_->handlers; }

    cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }

    template <class... Results>
    void operator()(std::error_code error, Results... results) {
        outcome_->error = error;
        (outcome_->keep(std::move(results)), ...);
        if (!loop_->runs_here()) ++outcome_->elsewhere;
        ++outcome_->completions;
    }

private:
    std::shared_ptr<outcome> outcome_;
    const ends_loop* loop_;
    net::cancellation_slot slot_;
    std::shared_ptr<belongings> owned_;
};

/// What a cell is about, and may be changed before its operation is set up.
struct stage_plan {
    bool with_slot = true;
    bool handler_owns = false;
    bool crowded = false;     ///< another lease of the pool is out
    bool reclaiming = false;  ///< the pool takes leases back that are out for long
    pool_options options{.max_connections = 3,
                         .connect_timeout = std::chrono::seconds(20),
                         .drain_timeout = std::chrono::milliseconds(20)};
};

class stage {
public:
    stage(executor_kind kind, ending_thread where, stalling_server& s, const net::ip::tcp::endpoint& nowhere,
          stage_plan p)
        : server(s), black_hole(nowhere), plan(std::move(p)), loop(kind, where) {}
    ~stage() {
        loop.halt();
        out->drop();
    }
    stage(const stage&) = delete;

    /// A pool whose addresses come from `source`, or are the server's.
    void make_pool(endpoint_source source = nullptr) {
        pool_services services{.endpoints = std::move(source)};
        if (plan.reclaiming) {
            plan.options.leak_after = std::chrono::milliseconds(15);
            plan.options.reclaim_leaked = true;
            services.listener = [this](const pool_event& e) {
                if (e.kind == pool_event_kind::lease_reclaimed) reclaimed = true;
            };
        }
        own->pool = std::make_unique<tcp_pool>(loop.executor(), origin{"127.0.0.1", std::to_string(server.port())},
                                               plan.options, tcp_options{}, std::move(services));
    }
    /// Answers with an address that never accepts, until `found`.
    endpoint_source lost_source() {
        return [this](endpoint_answer answer) {
            if (found) return answer({}, {here()});
            answer({}, {{*ip_address::parse("127.0.0.1"), black_hole.port()}});
        };
    }
    /// Does not answer until `found`.
    endpoint_source silent_source() {
        return [this](endpoint_answer answer) {
            if (found) return answer({}, {here()});
            open_question.emplace(std::move(answer));
            asked = true;
        };
    }
    ip_endpoint here() const { return {*ip_address::parse("127.0.0.1"), server.port()}; }

    ends_lease get() {
        std::atomic<bool> done = false;
        std::error_code error;
        ends_lease got;
        loop.call([&] {
            own->pool->async_get([&](std::error_code e, ends_lease l) {
                error = e;
                got = std::move(l);
                done = true;
            });
        });
        require(loop.until([&] { return done.load(); }), "a get never completes");
        require(!error, "a get fails: " + error.message());
        return got;
    }

    /// The handler of the operation; asked for once.
    ends_handler handler() {
        return {out, loop, plan.with_slot ? signal.slot() : net::cancellation_slot(),
                plan.handler_owns ? own : nullptr};
    }
    bool completed() const noexcept { return out->completions != 0; }

    stalling_server& server;
    const net::ip::tcp::endpoint black_hole;
    stage_plan plan;
    std::atomic<bool> found = false;
    std::atomic<bool> asked = false;
    std::atomic<bool> reclaimed = false;
    net::cancellation_signal signal;  // outlives the context, as do an answer that comes late, and peers
    std::optional<endpoint_answer> open_question;
    std::vector<client_socket> peers;
    std::shared_ptr<outcome> out = std::make_shared<outcome>();
    ends_loop loop;
    std::shared_ptr<belongings> own = std::make_shared<belongings>();
    inbound::responder responder;  // not the handler's: it is what the session waits for
    const inbound::request* asked_for = nullptr;
};

}  // namespace hotpool::test
