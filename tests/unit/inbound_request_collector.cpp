// Requests laid out in one block, whatever pieces they come in, and replies on their way out of another.
#include "hotpool/inbound/reply_queue.hpp"
#include "hotpool/inbound/request_collector.hpp"
#include "support/catch.hpp"
#include "unit/inbound_request_corpus.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;
using inbound::reply;
using inbound::detail::reply_queue;
using block_collector = inbound::detail::request_collector;
using verdict = block_collector::verdict;

namespace {

/// The bodies of all requests in `text`, which comes in pieces of up to `most` bytes.
std::vector<std::string> bodies_of(std::string_view text, std::size_t most, std::mt19937& random) {
    block_collector in{http::limits{}};
    std::vector<std::string> bodies;
    std::string head;
    for (;;) {
        switch (in.advance()) {
            case verdict::need_more: {
                if (text.empty()) return bodies;
                char* const room = in.room(most);
                const std::size_t size = std::min(text.size(), 1 + random() % most);
                REQUIRE(in.room_size() >= size);
                std::memcpy(room, text.data(), size);
                in.received(size);
                text.remove_prefix(size);
                break;
            }
            case verdict::head: head = in.head_text(); break;
            case verdict::complete:
                CHECK(in.head_text() == head);  // it has moved as a whole
                bodies.emplace_back(in.body_text());
                in.next();
                CHECK(in.empty() == !in.has_next());
                in.release();
                break;
            case verdict::failed: FAIL(make_error_code(in.error()).message());
        }
    }
}

}  // namespace

TEST_CASE("requests_are_laid_out_the_same_in_any_pieces") {
    std::mt19937 random(1);
    std::string text;
    std::vector<std::string> wanted;
    for (int round = 0; round < 3; ++round)
        for (const accepted_request& r : accepted_requests()) {
            text += r.text;
            wanted.push_back(r.wanted.body);
        }
    for (const std::size_t most : {1, 2, 7, 50, 4096})
        for (int round = 0; round < 20; ++round) CHECK(bodies_of(text, most, random) == wanted);
}

TEST_CASE("what_is_refused_says_why") {
    block_collector in{http::limits{}};
    std::memcpy(in.room(1), "(", 1);
    in.received(1);
    CHECK_FALSE(in.empty());
    CHECK(in.advance() == verdict::failed);
    CHECK(make_error_code(in.error()) == errc::bad_request_line);
}

TEST_CASE("room_is_asked_for_what_a_body_still_needs_within_bounds") {
    block_collector in{http::limits{}};
    const std::string head = post("Content-Length: 100000\r\n\r\n");
    CHECK(in.wanted_room(100) == 100);
    std::memcpy(in.room(head.size()), head.data(), head.size());
    in.received(head.size());
    REQUIRE(in.advance() == verdict::head);
    CHECK(in.wanted_room(100) == 64 * 1024);
}

TEST_CASE("replies_leave_in_order_large_bodies_without_a_copy_in_any_pieces") {
    const auto shared = std::make_shared<const std::string>(20'000, 's');
    for (const std::size_t step : {1u, 10u, 1000u, 100'000u}) {
        reply_queue out;
        std::string wanted, seen;
        const auto add = [&](auto&& r, const std::string& body) {
            CHECK(out.has_room());
            out.add(std::forward<decltype(r)>(r), {});
            wanted += "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        };
        out.append("HTTP/1.1 100 Continue\r\n\r\n");
        wanted = "HTTP/1.1 100 Continue\r\n\r\n";
        const reply small = std::move(reply().body("small"));
        add(small, "small");
        add(reply(), "");
        const std::string own(20'000, 'o');
        for (int kind = 0; kind < 3; ++kind) {
            reply large = std::move(kind == 0 ? reply().body(shared) : reply().body(own));
            if (kind == 1)
                add(std::as_const(large), own);
            else
                add(std::move(large), kind == 0 ? *shared : own);
            CHECK_FALSE(out.has_room());
            CHECK((out.body().data() == shared->data()) == (kind == 0));
            while (!out.empty()) {
                const std::size_t of_head = std::min(step, out.head().size());
                const std::size_t of_body = std::min(step - of_head, out.body().size());
                seen.append(out.head().data(), of_head);
                seen.append(out.body().data(), of_body);
                out.written(of_head + of_body);
            }
            CHECK(seen == wanted);
        }
        CHECK(shared.use_count() == 1);
    }
}
