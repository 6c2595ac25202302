// What a session does with an HTTP connection, without one.
#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/inbound/session_machine.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

std::string get(std::string_view target, std::string_view fields = "") {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) + "\r\n";
}
std::string post(std::string_view body, std::string_view fields = "") {
    return "POST / HTTP/1.1\r\nHost: test\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string ok(std::string_view body, std::string_view fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" +
           std::string(body);
}

/// Notes what it is told; says what a test wants it to.
struct noting_books {
    ip_endpoint from{*ip_address::parse("192.0.2.1"), 1234};
    close_reason begins = close_reason::none;
    close_reason last = close_reason::none;
    admission_verdict verdict{};
    std::string told;

    void note(std::string_view what) { told += (told.empty() ? "" : " ") + std::string(what); }
    const ip_endpoint& peer() const { return from; }
    duration drained_for{};
    duration draining_for() const { return drained_for; }
    close_reason request_begun() {
        note("begun");
        return begins;
    }
    admission_verdict request_offered(metering counts) {
        note(counts == metering::on ? "offered" : "offered:free");
        return {verdict.refused, verdict.retry_after, {}};
    }
    admission_verdict request_offered(const ip_address& client, metering counts) {
        note((counts == metering::on ? "offered:" : "offered:free:") + client.to_string());
        return {verdict.refused, verdict.retry_after, {}};
    }
    void request_received() { note("received"); }
    void reply_progressed() { note("progressed"); }
    close_reason last_request() const { return last; }
    void request_ended(request_outcome outcome, reply_said said) {
        note(std::string("ended:") + name(outcome) + (said == reply_said::it_stays ? ":stays" : ""));
    }
    void request_followed(request_outcome outcome) { note(std::string("followed:") + name(outcome)); }

    static const char* name(request_outcome outcome) {
        return outcome == request_outcome::served    ? "served"
               : outcome == request_outcome::refused ? "refused"
                                                     : "failed";
    }
};
static_assert(session_books<noting_books>);

const char* name(session_task task) {
    switch (task) {
        case session_task::wait: return "wait";
        case session_task::read: return "read";
        case session_task::write: return "write";
        case session_task::call: return "call";
        case session_task::watch: return "watch";
        case session_task::limit_idleness: return "limit";
        case session_task::close: return "close";
        case session_task::leave: return "leave";
    }
    return "";
}

/// A session with a peer that reads `takes` bytes at a time, and a handler that answers at once unless told otherwise.
struct bench {
    explicit bench(http_options o = {}, trusted_proxies p = {}) : options(o), proxies(std::move(p)) {}

    /// Performs what is asked for until there is nothing more.
    std::string run() {
        std::string tasks;
        for (;;) {
            const session_task task = machine.next(books);
            tasks += (tasks.empty() ? "" : " ") + std::string(name(task));
            if (task == session_task::call) call();
            if (task == session_task::write) write();
            if (task == session_task::close || task == session_task::leave) {
                CHECK(machine.is_over());
                CHECK(machine.next(books) == session_task::wait);
                return tasks;
            }
            if (task == session_task::wait) return tasks;
        }
    }
    void receive(std::string_view bytes) {
        while (!bytes.empty()) {
            char* const room = machine.room();
            const std::size_t size = std::min(bytes.size(), machine.room_size());
            std::memcpy(room, bytes.data(), size);
            machine.bytes_came(size);
            bytes.remove_prefix(size);
        }
    }
    std::string come(std::string_view bytes) {
        receive(bytes);
        return run();
    }
    void call() {
        const request& r = machine.present();
        asked = std::string(r.method()) + ' ' + std::string(r.target()) + ' ' + std::string(r.body());
        clients.push_back(r.client().to_string());
        if (answers) machine.answered(books, answers(r));
    }
    void write() {
        if (takes == 0) return machine.write_waits(books);
        const std::string all = std::string(machine.head()) + std::string(machine.body());
        REQUIRE_FALSE(all.empty());
        const std::size_t size = std::min(takes, all.size());
        out += all.substr(0, size);
        machine.written(books, size);
        if (gulps) takes = 0;
    }
    /// The peer takes this much of what waits to be written.
    std::string take(std::size_t bytes) {
        const std::string all = std::string(machine.head()) + std::string(machine.body());
        out += all.substr(0, bytes);
        machine.written(books, std::min(bytes, all.size()));
        return run();
    }
    std::string answer_later(reply r) {
        machine.answered_later(books, std::make_shared<reply>(std::move(r)));
        return run();
    }
    std::string told() { return std::exchange(books.told, {}); }
    std::string wrote() { return std::exchange(out, {}); }

    http_options options;
    trusted_proxies proxies;
    noting_books books;
    session_machine machine{options, proxies};
    std::function<reply(const request&)> answers = [](const request& r) {
        return std::move(reply().body(std::string(r.target()) + std::string(r.body())));
    };
    std::size_t takes = static_cast<std::size_t>(-1);
    bool gulps = false;
    std::string asked;
    std::vector<std::string> clients;
    std::string out;
};

}  // namespace

TEST_CASE("a_request_is_read_answered_and_written", "[inbound]") {
    bench b;
    CHECK(b.run() == "read wait");
    CHECK(b.told().empty());
    CHECK(b.come(get("/a")) == "call write read wait");
    CHECK(b.asked == "GET /a ");
    CHECK(b.wrote() == ok("/a"));
    CHECK(b.told() == "begun offered received ended:served:stays");
    CHECK(b.come(post("body")) == "call write read wait");
    CHECK(b.wrote() == ok("/body"));
}

TEST_CASE("a_request_may_come_in_any_pieces", "[inbound]") {
    const std::string text = post("some body", "X: y\r\n") + get("/next");
    const std::string wanted = ok("/some body") + ok("/next");
    for (std::size_t first = 0; first <= text.size(); ++first) {
        bench b;
        b.run();
        b.come(text.substr(0, first));
        b.come(text.substr(first));
        CHECK(b.wrote() == wanted);
    }
    bench b;
    b.run();
    for (const char c : text) b.come({&c, 1});
    CHECK(b.wrote() == wanted);
    CHECK(b.told() == "begun offered received ended:served:stays begun offered received ended:served:stays");
}

TEST_CASE("an_empty_line_behind_a_request_is_none", "[inbound]") {
    const std::vector<std::string> pieces = GENERATE(
        std::vector<std::string>{"\r\n"}, std::vector<std::string>{"\r", "\n"}, std::vector<std::string>{"\r"});
    const bool together = GENERATE(false, true);
    CAPTURE(pieces.size(), together);
    bench b;
    b.run();
    std::string first = post("body");
    if (together) first += pieces.front();
    b.come(first);
    for (std::size_t i = together; i < pieces.size(); ++i) CHECK(b.come(pieces[i]) == "read wait");
    CHECK(b.wrote() == ok("/body"));
    CHECK(b.told() == "begun offered received ended:served:stays");
    SECTION("so a drain does not wait for it") {
        b.machine.drain_told();
        CHECK(b.run() == "limit wait");
        b.machine.idle_time_over();
        CHECK(b.run() == "close");
        CHECK(b.machine.ends_for() == close_reason::drained);
        CHECK(b.told().empty());
    }
    SECTION("and the next one is served") {
        b.come(pieces.back() == "\r" ? "\n" + get("/next") : get("/next"));
        CHECK(b.wrote() == ok("/next"));
        CHECK(b.told() == "begun offered received ended:served:stays");
    }
}

TEST_CASE("a_second_empty_line_is_no_request_either_but_an_error", "[inbound]") {
    bench b;
    b.run();
    b.come(post("body") + "\r\n");
    b.wrote();
    CHECK(b.come("\r\n") == "write close");
    CHECK(b.wrote().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("small_replies_to_what_came_together_leave_together", "[inbound]") {
    bench b;
    b.run();
    CHECK(b.come(get("/1") + get("/2") + get("/3")) == "call call call write read wait");
    CHECK(b.wrote() == ok("/1") + ok("/2") + ok("/3"));
    CHECK(b.told() ==
          "begun offered received followed:served offered received followed:served offered received "
          "ended:served:stays");
    SECTION("but a large body leaves before the next") {
        const auto large = std::make_shared<const std::string>(50'000, 'x');
        b.answers = [&](const request&) { return std::move(reply().body(large)); };
        CHECK(b.come(get("/1") + get("/2")) == "call write call write read wait");
        CHECK(b.wrote() == ok(*large) + ok(*large));
    }
    SECTION("and whoever waits for an answer does not make those before wait") {
        b.answers = [&](const request& r) {
            if (r.target() == "/2") b.answers = nullptr;
            return std::move(reply().body("first"));
        };
        b.receive(get("/1"));
        b.receive(get("/2"));
        CHECK(b.run() == "call call write read wait");
    }
}

TEST_CASE("an_answer_that_comes_later_is_written_when_it_comes", "[inbound]") {
    bench b;
    b.answers = nullptr;
    b.run();
    CHECK(b.come(get("/a") + get("/b")) == "call watch wait");
    CHECK(b.asked == "GET /a ");
    // The next one is worked on meanwhile.
    CHECK(b.answer_later(std::move(reply().body("late"))) == "call write watch wait");
    CHECK(b.wrote() == ok("late"));
    CHECK(b.asked == "GET /b ");
    b.machine.answered_later(b.books, nullptr);
    CHECK(b.run() == "write close");
    CHECK(b.wrote() == "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(b.machine.ends_for() == close_reason::connection_close);
    CHECK(b.told() == "begun offered received followed:served offered received ended:failed");
}

TEST_CASE("a_request_stays_until_it_is_answered", "[inbound]") {
    bench b;
    b.answers = nullptr;
    b.run();
    CHECK(b.come(post("the body", "X: y\r\n") + get("/next")) == "call watch wait");
    const request& held = b.machine.present();
    const auto check = [&] {
        CHECK(held.target() == "/");
        CHECK(held.header("X") == "y");
        CHECK(held.body() == "the body");
    };
    check();
    SECTION("though the connection ends") {
        b.machine.connection_ended();
        CHECK(b.run() == "leave");
        check();
        b.machine.answered_later(b.books, std::make_shared<reply>());
        CHECK(b.run() == "wait");
        check();
    }
    SECTION("though the server drains") {
        b.machine.drain_told();
        CHECK(b.run() == "wait");
        check();
    }
}

TEST_CASE("an_answer_that_comes_while_others_are_written_waits_for_that", "[inbound]") {
    bench b;
    b.run();
    b.takes = 0;
    b.answers = [&](const request& r) {
        b.answers = nullptr;  // the second one later
        return std::move(reply().body(std::string(r.target())));
    };
    CHECK(b.come(get("/1") + get("/2")) == "call call write wait");
    CHECK(b.told() == "begun offered received followed:served offered received progressed");
    SECTION("until all of it is written") {
        CHECK(b.answer_later(std::move(reply().body("late"))) == "wait");
        b.takes = static_cast<std::size_t>(-1);
        CHECK(b.take(10) == "write write read wait");
        CHECK(b.wrote() == ok("/1") + ok("late"));
        CHECK(b.told() == "received ended:served:stays");
    }
    SECTION("in pieces") {
        CHECK(b.answer_later(std::move(reply().body("late"))) == "wait");
        CHECK(b.take(10) == "write wait");
        CHECK(b.told() == "progressed");
        CHECK(b.take(1000) == "write wait");  // now the late one
        CHECK(b.told() == "received progressed");
        CHECK(b.take(1000) == "read wait");
        CHECK(b.wrote() == ok("/1") + ok("late"));
    }
    SECTION("also where nobody answers") {
        b.machine.answered_later(b.books, nullptr);
        CHECK(b.run() == "wait");
        b.takes = static_cast<std::size_t>(-1);
        CHECK(b.take(1000) == "write close");
        CHECK(b.told() == "received ended:failed");
    }
    SECTION("and one that comes afterwards is written at once") {
        b.takes = static_cast<std::size_t>(-1);
        CHECK(b.take(1000) == "watch wait");
        CHECK(b.told() == "received");  // its work is not held to the time for replies any more
        CHECK(b.answer_later(std::move(reply().body("late"))) == "write read wait");
    }
}

TEST_CASE("what_is_being_written_is_written_to_its_end", "[inbound]") {
    bench b;
    b.run();
    b.takes = 5;
    b.gulps = true;
    CHECK(b.come(get("/1") + get("/2")).substr(0, 15) == "call call write");
    while (!b.machine.head().empty()) b.take(7);
    CHECK(b.wrote() == ok("/1") + ok("/2"));
}

TEST_CASE("what_must_not_be_served_is_refused", "[inbound]") {
    struct refused {
        const char* sentence;
        std::string text;
        refuse_reason why;
        const char* status;
        const char* told;
        bool ends;
    };
    const refused table[] = {
        {"broken", "GET / HTTP/1.1\nHost: a\r\n\r\n", refuse_reason::none, "400", "begun ended:failed", true},
        {"a version of its own", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", refuse_reason::none, "505", "begun ended:failed",
         true},
        {"above the quota", get("/"), refuse_reason::group_requests, "429", "begun offered ended:refused:stays", false},
        {"above the quota, and its body is not here", post("body").substr(0, 52), refuse_reason::group_requests, "429",
         "begun offered ended:refused", true},
        {"denied", get("/"), refuse_reason::denied, "403", "begun offered ended:refused:stays", false},
        {"a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", refuse_reason::none, "501",
         "begun offered ended:failed", true},
    };
    for (const refused& r : table) {
        CAPTURE(r.sentence);
        bench b;
        b.books.verdict.refused = r.why;
        b.run();
        b.come(r.text);
        CHECK(b.asked.empty());
        CHECK(b.out.substr(9, 3) == r.status);
        CHECK(b.told() == r.told);
        CHECK(b.machine.is_over() == r.ends);
        const bool broken = std::string_view(r.told) == "begun ended:failed";
        CHECK(b.machine.ends_for() == (broken ? close_reason::protocol_error : close_reason::connection_close));
    }
}

TEST_CASE("a_connection_that_is_being_ended_begins_no_request", "[inbound]") {
    bench b;
    b.books.begins = close_reason::idle_timeout;
    b.run();
    CHECK(b.come("G") == "leave");
    CHECK(b.wrote().empty());
}

TEST_CASE("the_connection_ends_behind_the_last_reply", "[inbound]") {
    bench b;
    b.run();
    SECTION("for the acceptor") { b.books.last = close_reason::max_requests; }
    SECTION("for the handler") {
        b.answers = [](const request&) { return std::move(reply().body("/a").close()); };
    }
    const std::string more = get("/never");
    SECTION("for the client") {
        CHECK(b.come(get("/a", "Connection: close\r\n") + more) == "call write close");
        CHECK(b.wrote() == ok("/a", "Connection: close\r\n"));
        return;
    }
    CHECK(b.come(get("/a") + more) == "call write close");
    CHECK(b.wrote() == ok("/a", "Connection: close\r\n"));
}

TEST_CASE("who_asks_whether_to_go_on_is_told_so", "[inbound]") {
    bench b;
    b.run();
    const std::string text = post("body", "Expect: 100-continue\r\n");
    const std::string head = text.substr(0, text.size() - 4);
    CHECK(b.come(head) == "write read wait");
    CHECK(b.wrote() == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(b.come("body") == "call write read wait");
    CHECK(b.wrote() == ok("/body"));
    CHECK(b.come(text) == "call write read wait");  // it did not wait for that
    CHECK(b.wrote() == ok("/body"));
}

TEST_CASE("a_trusted_proxy_says_who_asks", "[inbound]") {
    const std::string named = get("/", "X-Forwarded-For: 198.51.100.7\r\n");
    bench trusted({}, trusted_proxies({*ip_block::parse("192.0.2.0/24")}));
    trusted.run();
    trusted.come(named);
    CHECK(trusted.clients == std::vector<std::string>{"198.51.100.7"});
    CHECK(trusted.told().find("offered:198.51.100.7") != std::string::npos);
    bench other;
    other.run();
    other.come(named);
    CHECK(other.clients == std::vector<std::string>{"192.0.2.1"});
}

TEST_CASE("what_the_program_names_and_what_a_proxy_asks_itself_spends_no_quota", "[inbound]") {
    const std::string proxy = "10.0.0.1";
    http_options o;
    o.unmetered_paths = {"/health", "/"};
    const auto offer = [&](const std::string& from, const std::string& target, const std::string& fields = "") {
        bench b(o, trusted_proxies({ip_block(proxy)}));
        b.books.from.address = *ip_address::parse(from);
        b.come(get(target, fields));
        CHECK(b.clients.size() == 1);
        const std::string told = b.told();
        const std::size_t begin = told.find("offered");
        return told.substr(begin, told.find(' ', begin) - begin) + " " + b.clients.front();
    };
    CHECK(offer("192.0.2.1", "/") == "offered:free 192.0.2.1");
    CHECK(offer("192.0.2.1", "/health") == "offered:free 192.0.2.1");
    CHECK(offer("192.0.2.1", "/health?deep=1") == "offered:free 192.0.2.1");
    CHECK(offer("192.0.2.1", "http://test/health") == "offered:free 192.0.2.1");
    CHECK(offer("192.0.2.1", "http://test?a") == "offered:free 192.0.2.1");
    CHECK(offer("192.0.2.1", "/health/") == "offered 192.0.2.1");
    CHECK(offer("192.0.2.1", "/healthy") == "offered 192.0.2.1");
    CHECK(offer("192.0.2.1", "/%68ealth") == "offered 192.0.2.1");
    CHECK(offer("192.0.2.1", "/x?/health") == "offered 192.0.2.1");
    // Nobody but a proxy asks for itself, and it says for whom it asks in one field only.
    CHECK(offer(proxy, "/x") == "offered:free:10.0.0.1 10.0.0.1");
    CHECK(offer(proxy, "/x", "Forwarded: for=192.0.2.1\r\n") == "offered:free:10.0.0.1 10.0.0.1");
    CHECK(offer(proxy, "/x", "X-Forwarded-For: unknown\r\n") == "offered:10.0.0.1 10.0.0.1");
    CHECK(offer(proxy, "/x", "X-Forwarded-For: \r\n") == "offered:10.0.0.1 10.0.0.1");
    CHECK(offer(proxy, "/x", "X-Forwarded-For: 192.0.2.1\r\n") == "offered:192.0.2.1 192.0.2.1");
    CHECK(offer(proxy, "/health", "X-Forwarded-For: 192.0.2.1\r\n") == "offered:free:192.0.2.1 192.0.2.1");
    // And what is handed out is not mapped.
    CHECK(offer(proxy, "/x", "X-Forwarded-For: ::ffff:192.0.2.1\r\n") == "offered:192.0.2.1 192.0.2.1");
    CHECK(offer("::ffff:10.0.0.1", "/x", "X-Forwarded-For: 192.0.2.1\r\n") == "offered:192.0.2.1 192.0.2.1");
    CHECK(offer("::ffff:192.0.2.7", "/x") == "offered 192.0.2.7");
}

TEST_CASE("paths_that_match_nothing_are_refused_by_name", "[inbound]") {
    for (const char* path : {"", "health", "/health?", "*"}) {
        http_options o;
        o.unmetered_paths = {"/", path};
        try {
            validate(o);
            FAIL("it is taken: " << path);
        } catch (const std::invalid_argument& e) {
            CHECK(std::string(e.what()).find("http_options::unmetered_paths") != std::string::npos);
        }
    }
}

TEST_CASE("a_server_that_leaves_ends_its_sessions_in_order", "[inbound]") {
    SECTION("an idle one after a time") {
        bench b;
        b.run();
        b.machine.drain_told();
        CHECK(b.run() == "limit wait");
        b.machine.drain_told();
        CHECK(b.run() == "wait");  // once
        SECTION("if nothing comes") {
            b.machine.idle_time_over();
            CHECK(b.run() == "close");
            CHECK(b.machine.ends_for() == close_reason::drained);
        }
        SECTION("who asks meanwhile is served") {
            b.books.drained_for = 5s - 1ns;
            CHECK(b.come("G") == "read wait");
            b.machine.idle_time_over();
            CHECK(b.run() == "wait");
            b.books.drained_for = 5s;
            CHECK(b.come(get("/").substr(1)) == "call write close");
            CHECK(b.wrote() == ok("/", "Connection: close\r\n"));
        }
        SECTION("who asks later than that is told to come again") {
            b.books.drained_for = 5s;
            CHECK(b.come(get("/")) == "write close");
            CHECK(b.asked.empty());
            CHECK(b.out.substr(9, 3) == "503");
            CHECK(b.out.find("Retry-After: 5") != std::string::npos);
            CHECK(b.told() == "begun ended:refused");
        }
    }
    SECTION("an idle one at once") {
        bench b({.drain_idle_time = 0s});
        b.run();
        b.machine.drain_told();
        CHECK(b.run() == "close");
    }
    SECTION("one whose request has begun behind its reply") {
        bench b;
        b.run();
        CHECK(b.come("GET ") == "read wait");
        b.machine.drain_told();
        CHECK(b.run() == "wait");
        CHECK(b.come(get("/a").substr(4)) == "call write close");
        CHECK(b.wrote() == ok("/a", "Connection: close\r\n"));
    }
    SECTION("one that has said that it stays is idle then") {
        bench b({.drain_idle_time = GENERATE(0s, 1s)});
        b.run();
        b.takes = 0;
        CHECK(b.come(get("/a")) == "call write wait");
        b.machine.drain_told();
        CHECK(b.run() == "wait");
        b.takes = static_cast<std::size_t>(-1);
        CHECK(b.take(1000) == (b.options.drain_idle_time == 0s ? "close" : "read limit wait"));
        CHECK(b.wrote() == ok("/a"));
    }
}

TEST_CASE("a_connection_may_end_at_any_point", "[inbound]") {
    const std::string text = post("body") + get("/");
    for (std::size_t came = 0; came <= text.size(); ++came) {
        for (const bool slow : {false, true}) {
            bench b;
            if (slow) b.takes = 0;
            b.answers = nullptr;
            b.run();
            b.come(text.substr(0, came));
            b.machine.connection_ended();
            CHECK(b.run() == "leave");
            b.machine.connection_ended();
            b.machine.memory_ran_out();
            b.machine.drain_told();
            b.machine.idle_time_over();
            CHECK(b.run() == "wait");
        }
    }
}

TEST_CASE("memory_that_runs_out_ends_the_connection_and_nothing_else", "[inbound]") {
    const std::string text = post(std::string(20'000, 'b')) + post("2", "Expect: 100-continue\r\n");
    const std::string body(100'000, 'x');
    std::size_t failures = 0;
    // Out of memory after so many allocations of one step, for each step.
    for (std::size_t step = 0;; ++step) {
        bool reached = true;
        for (std::uint64_t calls = 0; reached; ++calls) {
            INFO("step " << step << ", memory for " << calls << " allocations");
            bench b;
            reply ready = std::move(reply().body(body));
            std::string_view left = text;
            std::size_t steps = 0;
            bool failed = false;
            const auto guarded = [&](auto input) {
                if (steps++ != step) return input();
                try {
                    const test::scarce_memory memory(calls);
                    input();
                } catch (const std::bad_alloc&) {
                    failed = true;
                    b.machine.memory_ran_out();
                }
            };
            for (;;) {
                session_task task{};
                guarded([&] { task = b.machine.next(b.books); });
                if (failed) break;
                if (task == session_task::call) guarded([&] { b.machine.answered(b.books, std::move(ready)); });
                if (failed) break;
                if (task == session_task::write) b.write();
                if (task == session_task::close) break;
                if (task != session_task::wait) continue;
                if (left.empty()) break;
                char* room = nullptr;
                guarded([&] { room = b.machine.room(); });
                if (failed) break;
                const std::size_t size = std::min(left.size(), b.machine.room_size());
                std::memcpy(room, left.data(), size);
                b.machine.bytes_came(size);
                left.remove_prefix(size);
            }
            reached = steps > step;
            if (!failed) break;
            ++failures;
            CHECK(b.run() == "close");
            CHECK(b.machine.ends_for() == close_reason::resources);
        }
        if (!reached) break;
    }
    CHECK(failures >= 5);  // room to read, to grow, for the reply's head, for its body
}
