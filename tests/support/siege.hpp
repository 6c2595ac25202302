// Good clients of a server beside bad ones: what they meet, what becomes of the bad ones, and what is left.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/siege_enemy.hpp"
#include "support/siege_guest.hpp"
#include "support/siege_kinds.hpp"
#include "support/siege_server.hpp"

namespace hotpool::test {

using siege_kinds = std::vector<siege_kind>;

/// The kinds that mean something over this transport.
template <class Kind>
siege_kinds all_siege_kinds() {
    siege_kinds all;
    for (std::size_t i = 0; i < siege_kind_count; ++i)
        if (const auto kind = static_cast<siege_kind>(i); Kind::handshakes || kind != siege_kind::bare_records)
            all.push_back(kind);
    return all;
}

/// What a round was like.
struct siege_round {
    siege_figures good;
    std::uint64_t bad_connections = 0;
    std::size_t most_memory = 0;
};

/// Two good clients stay for ever, at an address that some of the bad ones share; two come anew now and then, at another.
/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class siege_party {
public:
    struct visits {
        std::uint64_t arrivals = 0, goodbyes = 0;
    };

    explicit siege_party(std::uint16_t port) {
        rules.port = port;
        for (int i = 0; i < 4; ++i)
            guests_.push_back(
                std::make_unique<siege_guest<Kind>>(rules, i < 2 ? siege_shared_address : "127.0.0.2", i < 2 ? 0 : 32));
    }

    /// Bad clients of these kinds come all the while; none of them is left on return, and the good ones rest.
    /// @param looks `void()`, called each millisecond
    template <class Looks>
    siege_round round(const siege_kinds& kinds, duration span, Looks looks) {
        siege_round seen;
        const enemies bad = come(kinds);
        go_on();
        const time_point end = clock_type::now() + span;
        while (clock_type::now() < end) {
            looks();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        seen.good = take_figures();
        // They stay while the last of the bad ones are dealt with.
        for (auto& enemy : bad) enemy->stop();
        rest();
        take_figures();
        for (auto& enemy : bad) seen.bad_connections += enemy->connections();
        return seen;
    }

    using enemies = std::vector<std::unique_ptr<siege_enemy<Kind>>>;
    enemies come(const siege_kinds& kinds) const {
        enemies all;
        for (const siege_kind kind : kinds) all.push_back(std::make_unique<siege_enemy<Kind>>(kind, rules.port));
        return all;
    }
    void go_on() {
        for (auto& guest : guests_) guest->go_on();
    }
    void rest() {
        for (auto& guest : guests_) guest->rest();
    }
    void leave() { guests_.clear(); }
    visits count() const {
        visits all;
        for (const auto& guest : guests_) {
            all.arrivals += guest->arrivals();
            all.goodbyes += guest->goodbyes();
        }
        return all;
    }

    siege_guests_rules rules;

private:
    siege_figures take_figures() {
        std::vector<duration> all;
        for (auto& guest : guests_) {
            const std::vector<duration> times = guest->take_times();
            all.insert(all.end(), times.begin(), times.end());
        }
        return siege_figures::of(std::move(all));
    }

    std::vector<std::unique_ptr<siege_guest<Kind>>> guests_;
};

/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class siege {
public:
    siege() : server_(std::make_unique<siege_server<Kind>>()), party_(server_->acceptor.port()) {
        // Everybody is there before anybody bad is.
        round({}, short_while);
    }

    violations& broken() noexcept { return party_.rules.broken; }

    /// Bad clients of these kinds come all the while; nobody is left of them on return, and their ends have been held
    /// against what they must be.
    siege_round round(const siege_kinds& kinds, duration span) {
        round_.clear();
        for (const siege_kind kind : kinds) round_ += to_string(kind) + std::string(", ");
        const tally before = count();
        std::size_t most_memory = 0;
        siege_round seen =
            party_.round(kinds, span, [&] { most_memory = std::max(most_memory, server_->memory_bytes()); });
        seen.most_memory = most_memory;
        judge(kinds, before, seen);
        server_->acceptor.unblock(ip_block(ip_address::parse(siege_shared_address).value()));
        return seen;
    }

    /// Another server takes the place of this one, while everybody is there. No request is lost.
    void deploy(const siege_kinds& kinds) {
        party_.rules.servers_change = true;
        const auto enemies = party_.come(kinds);
        party_.go_on();
        std::this_thread::sleep_for(3 * short_while);
        auto over = server_->drain(std::chrono::seconds(10));
        const std::unique_ptr<siege_server<Kind>> next = take_over(party_.rules.port);
        if (!next) return broken().note("the next server cannot take over");
        if (over.wait_for(plenty) != std::future_status::ready)
            broken().note("the drain does not end: " + describe(server_->stats()));
        else if (const std::error_code cut = over.get())
            broken().note("somebody had to be cut: " + cut.message());
        for (auto& enemy : enemies) enemy->stop();
        std::this_thread::sleep_for(short_while);
        party_.rest();
        if (!eventually([&] { return server_->is_spent(); }))
            broken().note("something is left of the drained server: " + describe(server_->stats()));
        if (next->stats().total.served == 0) broken().note("nobody has come to the next server");
        finish(*next);
    }
    /// The good ones leave too.
    void finish() { finish(*server_); }

private:
    struct tally {
        inbound::inbound_counters total;
        typename siege_party<Kind>::visits visits;
        int told_gone = 0;
    };

    tally count() const { return {server_->stats().total, party_.count(), server_->told_gone()}; }
    void judge(const siege_kinds& kinds, const tally& before, const siege_round& seen) {
        // Guests that are between two visits are not there.
        const bool quiet = eventually([&] {
            const tally now = count();
            const inbound::inbound_stats s = server_->stats();
            return s.now.total() == now.visits.arrivals - now.visits.goodbyes && s.lingering_refusals == 0;
        });
        if (!quiet) broken().note(round_ + "a bad client is still there: " + describe(server_->stats()));
        if (!eventually([&] { return server_->memory_bytes() == 0; })) broken().note("memory is still kept");
        // In one turn of the loop each body may come to take twice as much, and each newcomer's 64 KiB.
        if (seen.most_memory > 2 * siege_limits::memory_bytes + siege_limits::handshakes * 64 * 1024)
            broken().note("too much memory was kept: " + std::to_string(seen.most_memory));

        siege_outcome right;
        for (const siege_kind kind : kinds) right |= siege_outcome_of(kind, Kind::handshakes);
        const tally after = count();
        std::uint64_t came = after.total.accepted - before.total.accepted;
        for (std::size_t i = 0; i < inbound::close_reason_count; ++i) {
            const auto why = static_cast<inbound::close_reason>(i);
            std::uint64_t n = after.total.closed[i] - before.total.closed[i];
            if (why == inbound::close_reason::peer_closed) n -= after.visits.goodbyes - before.visits.goodbyes;
            expect(n, right.must_end.has(why), right.may_end.has(why), std::string("ended for ") + to_string(why));
        }
        for (std::size_t i = 0; i < inbound::refuse_reason_count; ++i) {
            const auto why = static_cast<inbound::refuse_reason>(i);
            const std::uint64_t n = after.total.refused[i] - before.total.refused[i];
            came += n;
            expect(n, right.must_refuse.has(why), right.may_refuse.has(why),
                   std::string("refused for ") + to_string(why));
        }
        const std::uint64_t expected = seen.bad_connections + after.visits.arrivals - before.visits.arrivals;
        if (came != expected)
            broken().note(round_ + std::to_string(came) + " connections were counted instead of " +
                          std::to_string(expected));
        expect(after.total.refused_requests - before.total.refused_requests, right.refuses_requests, false,
               "requests refused");
        expect(static_cast<std::uint64_t>(after.told_gone - before.told_gone), right.tells_handlers, false,
               "handlers told");
    }
    void expect(std::uint64_t count, bool must, bool may, const std::string& what) {
        if (must ? count == 0 : !may && count != 0) broken().note(round_ + std::to_string(count) + ' ' + what);
    }
    void finish(siege_server<Kind>& server) {
        party_.leave();
        if (!eventually([&] { return server.is_spent(); }))
            broken().note("something is left: " + describe(server.stats()));
    }
    /// As soon as the port is free.
    static std::unique_ptr<siege_server<Kind>> take_over(std::uint16_t port) {
        std::unique_ptr<siege_server<Kind>> next;
        eventually([&] {
            try {
                next = std::make_unique<siege_server<Kind>>(port);
            } catch (const std::system_error&) {
            }
            return next != nullptr;
        });
        return next;
    }

    static constexpr duration short_while = std::chrono::milliseconds(100);

    std::string round_;  // in words
    std::unique_ptr<siege_server<Kind>> server_;
    siege_party<Kind> party_;
};

}  // namespace hotpool::test
