// A life of a connection, disturbed at its 1st, 2nd, 3rd … step: one answer for each question, no place lost.
#include <asio/bind_cancellation_slot.hpp>

#include <array>
#include <string>

#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Two callers: each gets, writes, reads an answer and puts; the second waits for the first.
class play {
public:
    play()
        : pool(io.get_executor(), mock_origin, {.max_connections = 1, .backoff_first = 1us, .backoff_limit = 1us},
               {&net}) {
        for (actor& a : actors) a.get(*this);
    }
    ~play() {
        pool.close();
        finish();
        for (actor& a : actors) {
            CHECK(a.gets == 1);
            CHECK(a.writes == a.writes_begun);
            CHECK(a.reads == a.reads_begun);
            a.lease = {};
        }
        CHECK(run_dry(io));
        CHECK(is_spent(pool));
        CHECK(net.open_links() == 0);
    }

    /// One handler, or one move of the network where there is none. False when nothing moves any more.
    bool step() {
        io.restart();
        if (io.poll_one() != 0) return true;
        for (mock_opening& o : net.openings)
            if (o.pending()) {
                o.succeed();
                return true;
            }
        for (const auto& link : net.links) {
            if (link->closed || link->written.empty()) continue;
            link->written.clear();
            link->feed("pong");
            return true;
        }
        return false;
    }
    void finish() {
        while (step() || opening_is_due()) {
        }
    }
    /// Somebody waits for the end of a pause between openings.
    bool opening_is_due() {
        return pool.stats().now.waiting != 0 && run_until(
                                                    io, [this] { return net.pending() != 0; }, 1s);
    }

    struct actor {
        void get(play& p) {
            p.pool.async_get(
                net::bind_cancellation_slot(signal.slot(), [this, &p](std::error_code error, mock_pool::lease_type l) {
                    ++gets;
                    if (error) return;
                    lease = std::move(l);
                    write(p);
                }));
        }
        void write(play& p) {
            ++writes_begun;
            lease.async_write_some(
                net::buffer("ping", 4),
                net::bind_cancellation_slot(signal.slot(), [this, &p](std::error_code error, std::size_t) {
                    ++writes;
                    if (error || !lease) return end(p);
                    read(p);
                }));
        }
        void read(play& p) {
            ++reads_begun;
            lease.async_read_some(
                net::buffer(room),
                net::bind_cancellation_slot(signal.slot(), [this, &p](std::error_code error, std::size_t n) {
                    ++reads;
                    if (!error && n == 4) ++pongs;
                    end(p);
                }));
        }
        void end(play& p) {
            if (lease) p.pool.put(std::move(lease));
        }

        net::cancellation_signal signal;
        mock_pool::lease_type lease;
        std::string room = std::string(8, '\0');
        int gets = 0, writes = 0, writes_begun = 0, reads = 0, reads_begun = 0, pongs = 0;
    };

    net::io_context io;
    mock_network net;
    mock_pool pool;
    std::array<actor, 2> actors;
};

struct disturbance {
    const char* name;
    void (*act)(play&);
    bool spares_the_other;  ///< the second caller is served all the same
};

const disturbance all[] = {
    {"first is cancelled", [](play& p) { p.actors[0].signal.emit(net::cancellation_type::terminal); }, true},
    {"second is cancelled", [](play& p) { p.actors[1].signal.emit(net::cancellation_type::terminal); }, false},
    {"both are cancelled",
     [](play& p) {
         for (auto& a : p.actors) a.signal.emit(net::cancellation_type::all);
     },
     false},
    {"the opening fails",
     [](play& p) {
         for (auto& o : p.net.openings) o.fail();
     },
     false},
    {"the peer closes",
     [](play& p) {
         for (auto& l : p.net.links) l->finish();
     },
     false},
    {"the peer resets",
     [](play& p) {
         for (auto& l : p.net.links) l->finish(errc::connection_reset);
     },
     false},
    {"the peer talks out of turn",
     [](play& p) {
         for (auto& l : p.net.links) l->feed("?");
     },
     false},
    {"writes block for a while",
     [](play& p) {
         for (auto& l : p.net.links) l->takes_writes = false;
         for (auto& l : p.net.links) l->accept_writes();
     },
     true},
    {"the pool is closed", [](play& p) { p.pool.close(); }, false},
    {"the pool is drained", [](play& p) { p.pool.async_drain(1h, [](std::error_code) {}); }, false},
    {"the pool is drained without mercy", [](play& p) { p.pool.async_drain(0s, [](std::error_code) {}); }, false},
    {"the first discards", [](play& p) { p.actors[0].lease.discard(); }, false},
    {"the first detaches", [](play& p) { p.actors[0].lease.detach(); }, false},
    {"a third takes what is idle", [](play& p) { p.pool.put(p.pool.try_get()); }, true},
    {"warmed", [](play& p) { p.pool.async_warm(1, [](std::error_code) {}); }, true},
};

}  // namespace

TEST_CASE("undisturbed_play_runs_to_its_end", "[pool]") {
    play p;
    p.finish();
    CHECK(p.actors[0].pongs == 1);
    CHECK(p.actors[1].pongs == 1);
    CHECK(p.net.links.size() == 1);
    CHECK(p.pool.stats().now == connection_counts{.idle = 1});
}

TEST_CASE("every_disturbance_at_every_step_leaves_one_answer_and_no_lost_place", "[pool]") {
    for (const disturbance& d : all) {
        int last = 0;
        for (int at = 0; at <= last; ++at) {
            CAPTURE(d.name, at);
            play p;
            int step = 0;
            while (step < at && p.step()) ++step;
            if (step == at) last = at + 1;  // there may be one more
            d.act(p);
            p.finish();
            CHECK(p.pool.stats().now.total() <= 1);
            if (d.spares_the_other) CHECK(p.actors[1].pongs == 1);
        }
        CHECK(last > 6);
    }
}

TEST_CASE("two_disturbances_at_any_two_steps_lose_nothing", "[pool]") {
    for (const disturbance& first : all)
        for (const disturbance& second : all)
            for (int at = 0; at < 10; ++at)
                for (int between = 0; between < 4; ++between) {
                    CAPTURE(first.name, at, second.name, between);
                    play p;
                    for (int step = 0; step < at; ++step) p.step();
                    first.act(p);
                    for (int step = 0; step < between; ++step) p.step();
                    second.act(p);
                }
}
