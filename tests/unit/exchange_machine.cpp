// An exchange as a machine: every ending of it, in whatever pieces request and response travel.
#include "hotpool/exchange/exchange_machine.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/catch.hpp"
#include "unit/http_corpus.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using hotpool::detail::collect;
using hotpool::detail::exchange_machine;
using ending = exchange_machine::outcome;

namespace {

constexpr std::size_t everything = 1'000'000;
constexpr time_point noon{1h};

/// The other end of the connection.
struct peer {
    std::string says{};                  ///< once it has `heard` so many bytes, or the request is whole
    std::error_code ends{};              ///< what the stream ends with behind that; none: it is silent
    std::size_t takes = everything;      ///< bytes of each write
    std::size_t breaks_at = everything;  ///< writing fails when so many bytes have been taken
    std::size_t heard = everything;
};

struct played {
    ending how = ending::none;
    std::error_code error;
    retire_reason reason = retire_reason::none;
    unsigned status = 0;
    std::string body;
    std::string unparsed;
    bool reusable = false;
    bool request_complete = false;

    friend bool operator==(const played&, const played&) = default;
};

/// One exchange, and what its driver does.
class play {
public:
    play(const request_builder& request, const peer& other, collect what = collect::whole, bool reused = false,
         const exchange_options& options = {})
        : peer_(other), machine(options, what) {
        REQUIRE(machine.start(request, "host", nullptr, reused) == errc{});
    }

    /// Goes on until the exchange is over or has to wait for what does not come.
    /// @param pieces where the peer's bytes are cut
    void run(const std::vector<std::size_t>& pieces) {
        while (step(pieces)) {
        }
    }
    /// False when there is nothing to be done.
    bool step(const std::vector<std::size_t>& pieces = {}) {
        switch (machine.next()) {
            case exchange_machine::order::write: write(pieces); return true;
            case exchange_machine::order::await_answer:
                CHECK_FALSE(answer_awaited);
                answer_awaited = true;
                return true;
            case exchange_machine::order::read: return read(pieces);
            case exchange_machine::order::end: break;
        }
        return false;
    }

    played result() {
        played p;
        p.how = machine.ended();
        p.error = machine.error();
        p.reason = machine.reason();
        if (p.how == ending::failed || p.how == ending::none) return p;
        p.reusable = machine.request_allows_reuse() && machine.parser().keep_alive();
        p.unparsed = machine.unparsed();
        const response reply = machine.take();
        p.request_complete = reply.request_complete();
        p.status = reply.status();
        p.body = reply.body();
        return p;
    }

private:
    const peer peer_;
    std::size_t spoken_ = 0;

    void write(const std::vector<std::size_t>& pieces) {
        // What the peer says early is heeded before more is written.
        const bool speaks = sent.size() >= peer_.heard && spoken_ < peer_.says.size();
        if (machine.is_partly_written() && speaks && read(pieces)) return;
        if (sent.size() >= peer_.breaks_at) return machine.write_failed(errc::connection_reset);
        const std::string offered = std::string(machine.front()) + std::string(machine.body());
        REQUIRE_FALSE(offered.empty());
        const std::size_t bytes = std::min({offered.size(), peer_.takes, peer_.breaks_at - sent.size()});
        sent += offered.substr(0, bytes);
        machine.wrote(bytes);
    }
    bool read(const std::vector<std::size_t>& pieces) {
        const std::string_view rest = std::string_view(peer_.says).substr(spoken_);
        char* const room = machine.room(64);
        if (rest.empty()) {
            if (peer_.ends) return machine.stream_ended(peer_.ends), true;
            machine.nothing_came();
            return false;
        }
        const auto cut = std::find_if(pieces.begin(), pieces.end(), [&](std::size_t at) { return at > spoken_; });
        std::size_t bytes = std::min(rest.size(), machine.room_size());
        if (cut != pieces.end()) bytes = std::min(bytes, *cut - spoken_);
        std::memcpy(room, rest.data(), bytes);
        spoken_ += bytes;
        machine.received(bytes);
        return true;
    }

public:
    exchange_machine machine;
    std::string sent;
    bool answer_awaited = false;
};

played outcome_of(const request_builder& request, const peer& other, collect what = collect::whole,
                  bool reused = false) {
    play whole(request, other, what, reused);
    whole.run({});
    return whole.result();
}

/// The same in every two-way split and byte by byte, whatever the peer takes at once.
bool comes_to_the_same(const request_builder& request, peer other, collect what, bool reused, const played& expected) {
    for (const std::size_t portion : {everything, std::size_t{1}, std::size_t{7}}) {
        other.takes = portion;
        for (std::size_t cut = 1; cut <= other.says.size(); ++cut) {
            play split(request, other, what, reused);
            split.run({cut});
            if (!(split.result() == expected)) return false;
        }
        std::vector<std::size_t> each;
        for (std::size_t at = 1; at <= other.says.size(); ++at) each.push_back(at);
        play bytewise(request, other, what, reused);
        bytewise.run(each);
        if (!(bytewise.result() == expected)) return false;
    }
    return true;
}

request_builder put_hello() {
    request_builder put("PUT", "/");
    put.body(std::string("hello"));
    return put;
}

const std::string hi = ok("Content-Length: 2\r\n\r\nhi");

}  // namespace

TEST_CASE("exchange_ends_by_what_request_and_peer_have_done", "[exchange]") {
    const request_builder get("GET", "/");
    const request_builder post("POST", "/");
    const request_builder put = put_hello();
    const std::error_code closed = errc::connection_closed;
    const std::error_code reset = errc::connection_reset;
    struct row {
        const char* sentence;
        const request_builder& request;
        peer other;
        bool reused;
        ending how;
        std::error_code error;
        retire_reason reason;
    };
    using enum retire_reason;
    const std::error_code no_error;
    const std::vector<row> rows{
        {"a response", get, {.says = hi}, false, ending::complete, no_error, none},
        {"a response behind an interim one",
         get,
         {.says = "HTTP/1.1 103 EH\r\n\r\n" + hi},
         false,
         ending::complete,
         no_error,
         none},
        {"a response that ends with the stream",
         get,
         {.says = ok("\r\nhi"), .ends = closed},
         false,
         ending::complete,
         no_error,
         none},
        {"a silent peer", get, {}, false, ending::none, no_error, none},
        {"lost before it was written, reused", get, {.breaks_at = 0}, true, ending::none, no_error, none},
        {"closed before it was written, reused",
         get,
         {.ends = closed, .breaks_at = 0},
         true,
         ending::failed,
         errc::stale_connection,
         transport_error},
        {"reset before it was written, fresh",
         get,
         {.ends = closed, .breaks_at = 0},
         false,
         ending::failed,
         reset,
         transport_error},
        {"closed after it was written, idempotent",
         get,
         {.ends = closed},
         true,
         ending::failed,
         errc::response_missing,
         peer_closed},
        {"reset after it was written, idempotent", get, {.ends = reset}, true, ending::failed, reset, transport_error},
        {"closed after it was written, not idempotent",
         post,
         {.ends = closed},
         true,
         ending::failed,
         errc::maybe_processed,
         peer_closed},
        {"reset while it was written, not idempotent",
         post,
         {.ends = reset, .breaks_at = 3},
         true,
         ending::failed,
         errc::maybe_processed,
         transport_error},
        {"closed inside the head",
         get,
         {.says = hi.substr(0, 20), .ends = closed},
         false,
         ending::failed,
         errc::response_truncated,
         peer_closed},
        {"closed inside the body",
         post,
         {.says = hi.substr(0, hi.size() - 1), .ends = closed},
         false,
         ending::failed,
         errc::response_truncated,
         peer_closed},
        {"reset inside the body",
         get,
         {.says = ok("\r\nhi"), .ends = reset},
         false,
         ending::failed,
         errc::response_truncated,
         transport_error},
        {"an answer although writing failed",
         put,
         {.says = hi, .ends = closed, .breaks_at = 10},
         false,
         ending::complete,
         no_error,
         none},
        {"nonsense", get, {.says = "nonsense\r\n\r\n"}, false, ending::failed, errc::bad_status_line, protocol_error},
        {"a switch nobody asked for",
         get,
         {.says = "HTTP/1.1 101 SP\r\n\r\n"},
         false,
         ending::failed,
         errc::upgrade_not_requested,
         protocol_error},
    };
    for (const row& r : rows) {
        CAPTURE(r.sentence);
        const played p = outcome_of(r.request, r.other, collect::whole, r.reused);
        CHECK(p.how == r.how);
        CHECK(p.error == r.error);
        CHECK(p.reason == r.reason);
        CHECK(comes_to_the_same(r.request, r.other, collect::whole, r.reused, p));
    }
}

TEST_CASE("every_accepted_response_completes_its_exchange", "[exchange]") {
    for (const accepted_response& r : accepted_responses()) {
        if (r.when.kind != request_kind::plain || r.when.upgrade_requested) continue;
        CAPTURE(r.sentence);
        const request_builder get("GET", "/");
        peer other{.says = r.text};
        if (r.when.eof) other.ends = errc::connection_closed;
        const played p = outcome_of(get, other);
        CHECK(p.how == ending::complete);
        CHECK(p.status == static_cast<unsigned>(r.wanted.status));
        CHECK(p.body == r.wanted.body);
        CHECK(p.reusable == r.wanted.keep_alive);
        CHECK(comes_to_the_same(get, other, collect::whole, false, p));
    }
}

TEST_CASE("head_is_handed_out_where_a_body_follows", "[exchange]") {
    const request_builder get("GET", "/");
    const played some = outcome_of(get, {.says = ok("Content-Length: 5\r\n\r\nhe")}, collect::head);
    CHECK(some.how == ending::head);
    CHECK(some.status == 200);
    CHECK(some.body.empty());
    const played none = outcome_of(get, {.says = ok("Content-Length: 0\r\n\r\n")}, collect::head);
    CHECK(none.how == ending::complete);
    const played large = outcome_of(get, {.says = ok("Content-Length: 99999999999\r\n\r\n")}, collect::head);
    CHECK(large.how == ending::head);
}

TEST_CASE("switched_exchange_keeps_the_first_bytes_of_the_other_protocol", "[exchange]") {
    request_builder upgrade("GET", "/");
    upgrade.header("Connection", "upgrade").header("Upgrade", "chat");
    const played p =
        outcome_of(upgrade, {.says = "HTTP/1.1 101 SP\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\nhello"});
    CHECK(p.how == ending::switched);
    CHECK(p.unparsed == "hello");
}

TEST_CASE("request_leaves_whole_whatever_the_peer_takes_at_once", "[exchange]") {
    const request_builder put = put_hello();
    play all(put, {.says = hi});
    all.run({});
    CHECK(all.sent.ends_with("\r\n\r\nhello"));
    CHECK(all.answer_awaited);
    for (std::size_t portion = 1; portion < all.sent.size(); ++portion) {
        play some(put, {.says = hi, .takes = portion});
        some.run({});
        CHECK(some.sent == all.sent);
        CHECK(some.result().reusable);
    }
}

TEST_CASE("final_response_other_than_2xx_ends_the_writing", "[exchange]") {
    const request_builder put = put_hello();
    const std::string no = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno";
    for (const collect what : {collect::whole, collect::head}) {
        for (std::size_t heard = 1; heard < 40; ++heard) {
            play early(put, {.says = no, .takes = 1, .heard = heard}, what);
            early.run({});
            CHECK(early.sent.size() == heard);
            const played p = early.result();
            CHECK(p.how == (what == collect::whole ? ending::complete : ending::head));
            CHECK(p.body == (what == collect::whole ? "no" : ""));
            CHECK_FALSE(p.reusable);  // the peer waits for the rest of the request
            CHECK_FALSE(p.request_complete);
        }
    }
}

TEST_CASE("early_2xx_lets_the_request_go_on", "[exchange]") {
    const request_builder put = put_hello();
    play usual(put, {.says = hi});
    usual.run({});
    for (const collect what : {collect::whole, collect::head}) {
        for (std::size_t heard = 1; heard < 40; ++heard) {
            for (std::size_t cut = 1; cut <= hi.size(); ++cut) {
                CAPTURE(heard, cut);
                play early(put, {.says = hi, .takes = 1, .heard = heard}, what);
                early.run({cut});
                CHECK(early.sent == usual.sent);
                const played p = early.result();
                CHECK(p.how == (what == collect::whole ? ending::complete : ending::head));
                CHECK(p.body + p.unparsed == "hi");
                CHECK(p.reusable);
                CHECK(p.request_complete);
            }
        }
    }
}

TEST_CASE("early_2xx_is_delivered_although_the_request_is_cut", "[exchange]") {
    const request_builder put = put_hello();
    for (const collect what : {collect::whole, collect::head}) {
        const auto cut = [&](std::string says, auto how) {
            play p(put, {.says = std::move(says), .takes = 1, .heard = 30}, what);
            while (p.sent.size() < 31) p.step();
            CHECK(p.machine.is_answered_early());
            how(p.machine);
            CHECK_FALSE(p.machine.is_answered_early());
            CHECK(p.machine.next() == exchange_machine::order::end);
            const played r = p.result();
            CHECK(r.how == (what == collect::whole ? ending::complete : ending::head));
            CHECK_FALSE(r.error);
            CHECK_FALSE(r.reusable);
            CHECK_FALSE(r.request_complete);
            return r.body + r.unparsed;
        };
        CHECK(cut(hi, [](auto& m) { m.stream_ended(errc::connection_closed); }) == "hi");
        CHECK(cut(hi, [](auto& m) { m.stream_ended(errc::connection_reset); }) == "hi");
        CHECK(cut(hi, [](auto& m) { m.write_failed(errc::connection_reset); }) == "hi");
        CHECK(cut(hi, [](auto& m) { m.origin_overdue(); }) == "hi");
    }
    // What belongs to nobody does not pile up.
    play flood(put, {.says = hi, .takes = 1, .heard = 30});
    while (flood.sent.size() < 31) flood.step();
    *flood.machine.room(10) = 'x';
    flood.machine.received(1);
    CHECK(flood.machine.next() == exchange_machine::order::end);
    CHECK(flood.result().unparsed == "x");
    // Nor does what is for others to read.
    play kept(put, {.says = ok("Content-Length: 999999\r\n\r\n"), .takes = 1, .heard = 30}, collect::head);
    while (kept.sent.size() < 31) kept.step();
    std::size_t received = 0;
    while (kept.machine.is_answered_early()) {
        std::memset(kept.machine.room(4096), 'x', 4096);
        kept.machine.received(4096);
        received += 4096;
    }
    CHECK(received > 64 * 1024);
    CHECK(received <= 68 * 1024);
    CHECK(kept.result().unparsed.size() == received);
}

TEST_CASE("early_2xx_does_not_outlive_a_cancellation", "[exchange]") {
    const request_builder put = put_hello();
    play whole(put, {.says = hi, .takes = 1, .heard = 30});
    while (whole.sent.size() < 31) whole.step();
    whole.machine.cancelled();
    CHECK(whole.result().error == errc::cancelled);
    play late(put, {.says = hi, .takes = 1, .heard = 30});
    while (late.sent.size() < 31) late.step();
    late.machine.lease_expired();  // it is there
    CHECK(late.result().body == "hi");
    play head(put, {.says = hi, .takes = 1, .heard = 30}, collect::head);
    while (head.sent.size() < 31) head.step();
    head.machine.lease_expired();
    CHECK(head.result().error == errc::request_timed_out);
}

TEST_CASE("withheld_body_goes_out_by_consent_or_when_that_is_overdue", "[exchange]") {
    request_builder put = put_hello();
    put.expect_continue();
    const std::string consent = "HTTP/1.1 100 Continue\r\n\r\n";
    play asked(put, {.says = consent + hi});
    asked.run({consent.size()});
    CHECK(asked.sent.ends_with("\r\n\r\nhello"));
    CHECK(asked.result().reusable);

    play silent(put, {});
    silent.run({});
    CHECK(silent.machine.awaits_consent());
    CHECK(silent.sent.ends_with("\r\n\r\n"));
    silent.machine.origin_overdue();
    CHECK_FALSE(silent.machine.awaits_consent());
    silent.run({});
    CHECK(silent.sent.ends_with("\r\n\r\nhello"));

    play refused(put, {.says = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"});
    refused.run({});
    CHECK(refused.sent.ends_with("\r\n\r\n"));
    CHECK(refused.result().status == 417);
}

TEST_CASE("interruptions_end_an_exchange_in_every_step", "[exchange]") {
    const request_builder put = put_hello();
    for (const std::size_t written : {std::size_t{0}, std::size_t{5}, everything}) {
        for (std::size_t come = 0; come < hi.size(); ++come) {
            if (written != everything && come != 0) continue;
            const auto stopped = [&](auto stop) {
                play p(put, {.says = hi.substr(0, come), .breaks_at = written});
                p.run({});
                if (written == 0) {  // before the first write
                    REQUIRE(p.machine.start(put, "host", nullptr, false) == errc{});
                }
                stop(p.machine);
                CHECK(p.machine.next() == exchange_machine::order::end);
                return p.result();
            };
            const played cancelled = stopped([](exchange_machine& m) { m.cancelled(); });
            CHECK(cancelled.error == errc::cancelled);
            CHECK(cancelled.reason == retire_reason::cancelled);
            const played expired = stopped([](exchange_machine& m) { m.lease_expired(); });
            CHECK(expired.error == (written == 0 ? errc::request_unsent : errc::request_timed_out));
            CHECK(expired.reason == retire_reason::lease_deadline);
            const played refused = stopped([](exchange_machine& m) { m.memory_refused(); });
            CHECK(refused.error == std::errc::not_enough_memory);
            CHECK(refused.reason == retire_reason::not_clean);
        }
    }
    play first(put, {});
    first.machine.spoke_first();
    CHECK(first.result().error == errc::unsolicited_bytes);
}

TEST_CASE("silence_is_limited_by_phases", "[exchange]") {
    const request_builder get("GET", "/");
    const exchange_options limited{.first_byte_timeout = 5s, .between_bytes_timeout = 2s};
    const std::string interim = "HTTP/1.1 103 EH\r\n\r\n";

    play before(get, {}, collect::whole, false, limited);
    CHECK_FALSE(before.machine.limits_silence());  // while it is written
    before.run({});
    REQUIRE(before.machine.limits_silence());
    CHECK(before.machine.waits(noon) == noon + 5s);
    CHECK(before.machine.waits(noon + 1s) == noon + 5s);
    before.machine.silent_too_long();
    CHECK(before.result().error == errc::first_byte_timed_out);

    play between(get, {.says = interim}, collect::whole, false, limited);
    between.run({});
    CHECK(between.machine.waits(noon) == noon + 5s);  // an interim response is no answer

    play inside(get, {.says = hi.substr(0, 5)}, collect::whole, false, limited);
    inside.run({});
    CHECK(inside.machine.waits(noon) == noon + 2s);
    CHECK(inside.machine.waits(noon + 1s) == noon + 2s);
    const std::string_view more = std::string_view(hi).substr(5, 3);
    std::memcpy(inside.machine.room(64), more.data(), more.size());
    inside.machine.received(more.size());
    CHECK(inside.machine.waits(noon + 1s) == noon + 3s);
    inside.machine.silent_too_long();
    CHECK(inside.result().error == errc::response_stalled);

    play unlimited(get, {}, collect::whole, false, {});
    unlimited.run({});
    CHECK_FALSE(unlimited.machine.limits_silence());
    play longest(get, {}, collect::whole, false,
                 {.first_byte_timeout = duration::max(), .between_bytes_timeout = duration::max()});
    longest.run({});
    CHECK(longest.machine.waits(noon) == never);
}

TEST_CASE("source_that_fails_fails_the_exchange", "[exchange]") {
    request_builder put("PUT", "/");
    put.body_source(
        [](std::span<char>, std::error_code& e) {
            e = std::make_error_code(std::errc::io_error);
            return std::size_t{0};
        },
        5);
    const played broken = outcome_of(put, {.says = hi});
    CHECK(broken.error == std::errc::io_error);
    CHECK(broken.reason == retire_reason::not_clean);
    request_builder shorter("PUT", "/");
    shorter.body_source([](std::span<char>) { return std::size_t{0}; }, 5);
    CHECK(outcome_of(shorter, {.says = hi}).error == errc::body_source_failed);
}

TEST_CASE("machine_begins_anew_for_another_try", "[exchange]") {
    const request_builder get("GET", "/");
    play p(get, {.says = hi.substr(0, 9), .ends = errc::connection_closed});
    p.run({});
    CHECK(p.result().error == errc::response_truncated);
    REQUIRE(p.machine.start(get, "host", nullptr, true) == errc{});
    CHECK(p.machine.wrote_nothing());
    CHECK_FALSE(p.machine.response_begun());
    CHECK(p.machine.next() == exchange_machine::order::write);
}
