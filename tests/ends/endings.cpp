// What can end around a pending operation, and what is documented to become of it.
#include "support/ends_endings.hpp"

#include <utility>

namespace hotpool::test {

namespace {

using namespace std::chrono_literals;
using row = operation_row;
using f = ends_family;

const std::error_code none;

// --- cancellation

template <net::cancellation_type type>
void cancel(stage& s) {
    s.loop.end([&] { s.signal.emit(type); });
}
expectation cancelled(const row& o, executor_kind, ending_thread) {
    if (o.has(takes_no_handler)) return no_sense("an answer has no handler");
    if (o.family == f::connection_close) return ends_with({none, errc::cancelled});
    return ends_with({errc::cancelled});
}
void nothing(stage&) {}
expectation without_slot(const row& o, executor_kind, ending_thread) {
    if (o.finish == nullptr) return no_sense("nothing but time ends it");
    return goes_on();
}

// --- the peer

void cut_by_peer(stage& s) {
    if (s.peers.empty())
        s.server.cut();
    else
        s.peers.front().reset();
}
expectation cut(const row& o, executor_kind, ending_thread) {
    if (!o.has(on_connection | has_peer)) return no_sense("it has no peer");
    switch (o.family) {
        case f::exchange:
        case f::client:
            return ends_with(
                {errc::response_missing, errc::response_truncated, errc::connection_reset, errc::maybe_processed});
        case f::reading:
        case f::body_close: return ends_with({errc::response_truncated, errc::connection_reset});
        case f::acceptor_drain: return goes_on();  // until somebody reads
        case f::connection_close: return ends_with({none});
        case f::reply: return no_sense("nobody is there to see the answer");
        // A wait may end without anything to read.
        default: return ends_with({none, errc::connection_reset, errc::connection_closed});
    }
}

// --- the lease

template <class Act>
void on_lease(stage& s, Act act) {
    s.loop.end([&] { act(s.own->lease); });
}
expectation lease_over(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_lease)) return no_sense("the caller holds no lease");
    if (o.family == f::pool_drain) return ends_with({none});
    return ends_with({errc::cancelled, errc::lease_empty});
}
expectation lease_elsewhere(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_lease)) return no_sense("the caller holds no lease");
    return goes_on();
}
expectation lease_detached(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_lease)) return no_sense("the caller holds no lease");
    return o.family == f::pool_drain ? ends_with({none}) : goes_on();
}
expectation lease_reclaimed(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_lease)) return no_sense("the caller holds no lease");
    if (o.has(limited)) return no_sense("its limit comes first");
    if (o.has(spends_reader)) return no_sense("a lease with a deadline is not reclaimed");
    if (o.family == f::pool_drain) return ends_with({none});
    return {fate::ends, {}, {errc::lease_reclaimed}, true};
}
void wait_for_reclaim(stage& s) {
    require(s.loop.until([&] { return s.reclaimed.load(); }), "the lease is never reclaimed");
}

// --- the reader

expectation reader_over(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_reader)) return no_sense("it has no reader");
    if (o.has(spends_reader)) return goes_on();
    return ends_with({errc::cancelled, errc::lease_empty});
}
expectation reader_elsewhere(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_reader)) return no_sense("it has no reader");
    return goes_on();
}
void close_reader_in_order(stage& s) {
    auto own = s.own;
    s.loop.end([&] { s.own->reader.async_close([own](std::error_code) {}); });
}

// --- the pool

expectation pool_over(const row& o, errc refusal) {
    if (!o.has(has_pool)) return no_sense("it has no pool");
    if (o.has(pauses)) return no_sense("it asks the pool only after its pause");
    if (o.family == f::warm) return ends_with({refusal, errc::warm_incomplete});
    if (o.has(waits_in_pool)) return ends_with({refusal});
    return goes_on();
}
expectation pool_closed(const row& o, executor_kind, ending_thread) { return pool_over(o, errc::pool_closed); }
expectation pool_drained(const row& o, executor_kind, ending_thread) { return pool_over(o, errc::pool_draining); }
expectation pool_cut(const row& o, executor_kind, ending_thread) {
    const expectation e = pool_over(o, errc::pool_draining);
    if (e.what != fate::goes_on) return e;
    if (o.has(limited)) return no_sense("its limit comes first");
    if (o.family == f::pool_drain) return ends_with({errc::drain_timed_out});
    return ends_with({errc::request_timed_out, errc::request_unsent});
}
void destroy_pool(stage& s) {
    s.loop.end([&] { s.own->pool.reset(); });
}
template <int milliseconds>
void drain_pool(stage& s) {
    s.loop.end([&] { s.own->pool->async_drain(std::chrono::milliseconds(milliseconds), [](std::error_code) {}); });
}

// --- the accepted connection and its acceptor

template <class Act>
void on_accepted(stage& s, Act act) {
    s.loop.end([&] { act(s.own->connection); });
}
expectation connection_over(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_connection)) return no_sense("the caller holds no accepted connection");
    if (o.family == f::acceptor_drain || o.family == f::connection_close) return ends_with({none, errc::cancelled});
    return ends_with({errc::cancelled});
}
expectation connection_dropped(const row& o, executor_kind k, ending_thread w) {
    // Once it is being closed, nobody needs the handle.
    if (o.family == f::connection_close) return goes_on();
    return connection_over(o, k, w);
}
expectation connection_elsewhere(const row& o, executor_kind, ending_thread) {
    if (!o.has(has_connection)) return no_sense("the caller holds no accepted connection");
    return goes_on();
}
/// @param late whether the connections are ended, and not only told
expectation acceptor_over(const row& o, errc of_accept, errc of_connection, bool late) {
    if (!o.has(has_acceptor)) return no_sense("it has no acceptor");
    if (o.family == f::accept) return ends_with({of_accept});
    if (!late) return goes_on();
    switch (o.family) {
        case f::acceptor_drain: return ends_with({none, errc::drain_timed_out});
        case f::connection_close: return ends_with({none, of_connection});
        case f::reply: return ends_with({none});
        default: return ends_with({of_connection});
    }
}
expectation acceptor_closed(const row& o, executor_kind, ending_thread) {
    return acceptor_over(o, errc::acceptor_closed, errc::acceptor_closed, true);
}
expectation acceptor_drained(const row& o, executor_kind, ending_thread) {
    return acceptor_over(o, errc::acceptor_draining, errc::connection_drained, false);
}
expectation acceptor_cut(const row& o, executor_kind, ending_thread) {
    return acceptor_over(o, errc::acceptor_draining, errc::connection_drained, true);
}
expectation group_blocked(const row& o, executor_kind, ending_thread) {
    if (o.family == f::accept) return no_sense("nobody is there to be blocked");
    if (o.family == f::acceptor_drain) return no_sense("a blocked connection ends in order, by its peer or its time");
    if (o.family == f::connection_close) return goes_on();  // it is ending already
    return acceptor_over(o, errc::group_blocked, errc::group_blocked, true);
}
template <int milliseconds>
void drain_acceptor(stage& s) {
    s.loop.end([&] { s.own->acceptor->async_drain(std::chrono::milliseconds(milliseconds), [](std::error_code) {}); });
}
void block_group(stage& s) {
    const auto address = *ip_address::parse("127.0.0.1");
    s.loop.end([&] { s.own->acceptor->block(inbound::peer_group(address), 1h); });
    s.own->acceptor->unblock(inbound::peer_group(address));
}
expectation server_destroyed(const row& o, executor_kind, ending_thread) {
    return o.has(has_responder) ? goes_on() : no_sense("it has no HTTP server");
}
expectation responder_over(const row& o, executor_kind, ending_thread) {
    return o.has(has_responder) ? ends_with({none}) : no_sense("it has no responder");
}

// --- everything

void destroy_context(stage& s) {
    s.loop.halt();
    s.responder = {};
    s.own.reset();
    s.loop.destroy();
}
expectation context_over(const row&, executor_kind k, ending_thread w) {
    if (k == executor_kind::thread_pool && w == ending_thread::same)
        return no_sense("a context is not destroyed by a thread of its own");
    return gone();
}
expectation context_over_owner(const row& o, executor_kind k, ending_thread w) {
    if (o.has(takes_no_handler)) return no_sense("an answer has no handler");
    return context_over(o, k, w);
}

/// A handler of another pool throws out of `run`, which is called again.
void throw_elsewhere(stage& s) {
    auto other = std::make_shared<tcp_pool>(s.loop.executor(), origin{"127.0.0.1", std::to_string(s.server.port())});
    std::atomic<bool> thrown = false;
    s.loop.call([&] {
        other->async_get([other, &thrown](std::error_code, ends_lease) {
            thrown = true;
            throw thrown_by_handler();
        });
    });
    require(s.loop.until([&] { return thrown.load(); }), "the other pool's get never completes");
    s.loop.call([&] { other->close(); });
}
expectation thrown(const row&, executor_kind k, ending_thread) {
    if (k == executor_kind::thread_pool) return no_sense("what a handler throws ends a thread_pool's program");
    return goes_on();
}

}  // namespace

const std::vector<ending_row>& all_endings() {
    using net::cancellation_type;
    static const std::vector<ending_row> rows = {
        {"cancelled_terminal", cancel<cancellation_type::terminal>, cancelled},
        {"cancelled_partial", cancel<cancellation_type::partial>, cancelled},
        {"cancelled_total", cancel<cancellation_type::total>, cancelled},
        {"no_slot", nothing, without_slot, [](stage_plan& p) { p.with_slot = false; }},
        {"peer_cuts", cut_by_peer, cut},

        {"lease_put", [](stage& s) { on_lease(s, [&](ends_lease& l) { s.own->pool->put(std::move(l)); }); },
         lease_over},
        {"lease_dropped", [](stage& s) { on_lease(s, [](ends_lease& l) { l = {}; }); }, lease_over},
        {"lease_discarded", [](stage& s) { on_lease(s, [](ends_lease& l) { l.discard(); }); }, lease_over},
        {"lease_moved", [](stage& s) { on_lease(s, [&](ends_lease& l) { s.own->beside = std::move(l); }); },
         lease_elsewhere},
        {"lease_detached", [](stage& s) { on_lease(s, [](ends_lease& l) { l.detach(); }); }, lease_detached},
        {"lease_reclaimed", wait_for_reclaim, lease_reclaimed, [](stage_plan& p) { p.reclaiming = true; }},

        {"reader_closed", [](stage& s) { s.loop.end([&] { s.own->reader.close(); }); }, reader_over},
        {"reader_dropped", [](stage& s) { s.loop.end([&] { s.own->reader = {}; }); }, reader_over},
        {"reader_moved", [](stage& s) { s.loop.end([&] { s.out->reader = std::move(s.own->reader); }); },
         reader_elsewhere},
        {"reader_closed_in_order", close_reader_in_order, reader_over},

        {"pool_closed", [](stage& s) { s.loop.end([&] { s.own->pool->close(); }); }, pool_closed},
        {"pool_destroyed", destroy_pool, pool_closed},
        {"pool_drained", drain_pool<30'000>, pool_drained},
        {"pool_drain_cuts", drain_pool<5>, pool_cut},

        {"connection_closed", [](stage& s) { on_accepted(s, [](auto& c) { c.close(); }); }, connection_over},
        {"connection_aborted", [](stage& s) { on_accepted(s, [](auto& c) { c.abort(); }); }, connection_over},
        {"connection_dropped", [](stage& s) { on_accepted(s, [](auto& c) { c = {}; }); }, connection_dropped},
        {"connection_moved", [](stage& s) { on_accepted(s, [&](auto& c) { s.out->connection = std::move(c); }); },
         connection_elsewhere},
        {"acceptor_closed", [](stage& s) { s.loop.end([&] { s.own->acceptor->close(); }); }, acceptor_closed},
        {"acceptor_destroyed",
         [](stage& s) {
             s.loop.end([&] {
                 s.own->server.reset();
                 s.own->acceptor.reset();
             });
         },
         acceptor_closed},
        {"acceptor_drained", drain_acceptor<30'000>, acceptor_drained},
        {"acceptor_drain_cuts", drain_acceptor<5>, acceptor_cut},
        {"group_blocked", block_group, group_blocked},
        {"server_destroyed", [](stage& s) { s.loop.end([&] { s.own->server.reset(); }); }, server_destroyed},
        {"responder_dropped", [](stage& s) { s.loop.end([&] { s.responder = {}; }); }, responder_over},

        {"context_destroyed", destroy_context, context_over},
        {"context_destroyed_handler_owns", destroy_context, context_over_owner,
         [](stage_plan& p) { p.handler_owns = true; }},
        {"other_handler_throws", throw_elsewhere, thrown},
        {"starting_handler_throws", nothing, thrown, [](stage_plan& p) { p.crowded = true; }, true},
    };
    return rows;
}

}  // namespace hotpool::test
