// Requests with large and withheld bodies, and origins that answer before they have read them.
#include "support/http_test.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr std::size_t large = 8'000'000;

/// `size` bytes made as they are asked for; counts how many were.
http::body_source generated(std::size_t size, std::shared_ptr<std::size_t> pulled = std::make_shared<std::size_t>()) {
    return [size, pulled](std::span<char> room) {
        const std::size_t bytes = std::min(room.size(), size - *pulled);
        std::memset(room.data(), 'g', bytes);
        *pulled += bytes;
        return bytes;
    };
}

std::size_t read_chunks(server_connection& c) {
    for (std::size_t total = 0;;) {
        const std::size_t size = std::stoul(c.read_until("\r\n"), nullptr, 16);
        if (c.read_exactly(size + 2).substr(size) != "\r\n") throw connection_over();
        if (size == 0) return total;
        total += size;
    }
}

request_builder expecting(std::string_view method, std::string body) {
    request_builder request(method, "/");
    request.body(std::move(body)).expect_continue();
    return request;
}

}  // namespace

TEMPLATE_TEST_CASE("streamed_body_arrives_whole_at_a_slow_reader", "[http]", over_tcp, over_tls) {
    fact blocked;
    stage<TestType> s([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        blocked.await();  // everything in between is full by now
        c.write(ok(std::to_string(read_chunks(c))));
        const std::string head = c.read_until("\r\n\r\n");
        c.write(ok(std::to_string(c.read_exactly(declared_length(head)).size())));
        c.stay();
    });
    const auto pulled = std::make_shared<std::size_t>();
    request_builder chunked("PUT", "/");
    chunked.body_source(generated(large, pulled));
    auto lease = s.get();
    answer a;
    s.start(lease, chunked, a);
    s.settle();
    CHECK(a.completions == 0);
    CHECK(*pulled < large);  // no more is pulled than can be written
    blocked.state();
    REQUIRE(s.finish(a));
    CHECK_FALSE(a.error);
    CHECK(a.body() == std::to_string(large));

    request_builder known("PUT", "/");
    known.body_source(generated(large), large);
    CHECK(s.exchange(lease, known).body() == std::to_string(large));
    lease = {};
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("final_response_other_than_2xx_ends_an_upload_under_way", "[http]", over_tcp, over_tls) {
    const bool streamed = GENERATE(false, true);
    const std::string text =
        GENERATE(std::string("HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large"),
                 std::string("HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n"));
    stage<TestType> s([&text](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(text);
        c.stay();
    });
    request_builder upload("POST", "/");
    if (streamed)
        upload.body_source(generated(large * 4));
    else
        upload.body(std::string(large * 4, 'x'));
    const answer a = s.fetch(upload);
    REQUIRE_FALSE(a.error);
    CHECK(a.body() == "too large");
    CHECK_FALSE(a.reply.request_complete());
    CHECK(s.ended_for(retire_reason::connection_close));  // the rest of the request was not sent
}

TEMPLATE_TEST_CASE("upload_goes_on_behind_an_early_2xx", "[http]", over_tcp, over_tls) {
    const bool streamed = GENERATE(false, true);
    const std::string text = GENERATE(ok("early"), std::string("HTTP/1.1 204 No Content\r\n\r\n"),
                                      std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                  "5\r\nearly\r\n0\r\n\r\n"));
    std::size_t taken = 0;
    fact through;
    stage<TestType> s([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(text);
        taken = streamed ? read_chunks(c) : c.read_exactly(large).size();
        through.state();
        read_request(c);
        c.write(ok("next"));
        c.stay();
    });
    request_builder upload("POST", "/");
    if (streamed)
        upload.body_source(generated(large));
    else
        upload.body(std::string(large, 'x'));
    SECTION("collected whole") {
        const answer a = s.fetch(upload);
        REQUIRE_FALSE(a.error);
        CHECK(a.body() == (text.find("204") == text.npos ? "early" : ""));
        CHECK(a.reply.request_complete());
    }
    SECTION("handed out as it comes") {
        auto lease = s.get();
        typename stage<TestType>::reader_type reader;
        bool done = false;
        async_start_exchange(lease, upload, [&](std::error_code e, auto r) {
            CHECK_FALSE(e);
            reader = std::move(r);
            done = true;
        });
        REQUIRE(s.until([&] { return done; }));
        CHECK(reader.head().request_complete());
        std::string body;
        done = false;
        reader.async_read_all([&](std::error_code, std::string all) {
            body = std::move(all);
            done = true;
        });
        REQUIRE(s.until([&] { return done; }));
        CHECK(body == (text.find("204") == text.npos ? "early" : ""));
        s.pool.put(std::move(lease));
    }
    REQUIRE(through.await());
    CHECK(taken == large);
    CHECK(s.one_idle());
    CHECK(s.fetch(request_builder("GET", "/")).body() == "next");
}

TEMPLATE_TEST_CASE("body_that_comes_back_piece_by_piece_is_collected_during_the_upload", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(large) + "\r\n\r\n");
        constexpr std::size_t piece = 10'000;
        static_assert(large % piece == 0);
        for (std::size_t done = 0; done < large; done += piece) c.write(std::string(c.read_exactly(piece).size(), 'X'));
        c.stay();
    });
    request_builder upload("POST", "/");
    upload.body(std::string(large, 'x'));
    const answer a = s.fetch(upload);
    REQUIRE_FALSE(a.error);
    CHECK((a.reply.body() == std::string(large, 'X')));
    CHECK(a.reply.request_complete());
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("origin_that_answers_and_takes_no_more_is_not_waited_for", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(ok("early"));
        c.stay();
    });
    request_builder upload("POST", "/");
    upload.body(std::string(large * 4, 'x'));
    const answer a = s.fetch(upload, {.upload_stall_timeout = std::chrono::milliseconds(30)});
    REQUIRE_FALSE(a.error);
    CHECK(a.body() == "early");
    CHECK_FALSE(a.reply.request_complete());
    CHECK(s.ended_for(retire_reason::connection_close));
}

TEMPLATE_TEST_CASE("origin_that_talks_on_and_takes_no_more_is_not_waited_for_either", "[http]", over_tcp, over_tls) {
    std::atomic<int> pieces{0};
    stage<TestType> s([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (; pieces < 200; ++pieces) {
            c.write("1\r\nx\r\n");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    request_builder upload("POST", "/");
    upload.body(std::string(large * 4, 'x'));
    auto lease = s.get();
    bool done = false;
    async_start_exchange(lease, upload, {.upload_stall_timeout = std::chrono::milliseconds(100)},
                         [&](std::error_code e, auto reader) {
                             CHECK_FALSE(e);
                             CHECK_FALSE(reader.head().request_complete());
                             done = true;
                         });
    REQUIRE(s.until([&] { return done; }));
    CHECK(pieces < 200);
}

TEMPLATE_TEST_CASE("response_of_an_origin_that_leaves_during_the_upload_is_delivered", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(ok("enough", "Connection: close\r\n"));
        c.close_notify();
        c.end_sending();
        c.stay();
    });
    request_builder upload("POST", "/");
    upload.body(std::string(large * 4, 'x'));
    const answer a = s.fetch(upload);
    CHECK_FALSE(a.error);
    CHECK(a.body() == "enough");
    CHECK_FALSE(a.reply.request_complete());
    CHECK(s.ended_for(retire_reason::connection_close));
}

TEMPLATE_TEST_CASE("interim_response_does_not_end_an_upload", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        const std::string head = c.read_until("\r\n\r\n");
        c.write("HTTP/1.1 102 Processing\r\n\r\n");
        c.write(ok(std::to_string(c.read_exactly(declared_length(head)).size())));
        c.stay();
    });
    request_builder upload("POST", "/");
    upload.body(std::string(large * 4, 'x'));
    CHECK(s.fetch(upload).body() == std::to_string(large * 4));
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("failing_source_ends_the_exchange_by_its_error", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) { c.stay(); });
    request_builder request("PUT", "/");
    SECTION("at once") {
        request.body_source([](std::span<char>, std::error_code& e) {
            e = std::make_error_code(std::errc::io_error);
            return std::size_t{0};
        });
        CHECK(s.fetch(request).error == std::errc::io_error);
    }
    SECTION("later") {
        request.body_source([n = 0](std::span<char> room, std::error_code& e) mutable {
            if (++n == 10) e = std::make_error_code(std::errc::io_error);
            return room.size();
        });
        CHECK(s.fetch(request).error == std::errc::io_error);
    }
    SECTION("short of what was said") {
        request.body_source(generated(10), 11);
        CHECK(s.fetch(request).error == errc::body_source_failed);
    }
    SECTION("beyond what was said") {
        request.body_source(generated(12), 11);
        CHECK(s.fetch(request).error == errc::body_source_failed);
    }
    CHECK(s.ended_for(retire_reason::not_clean));
}

TEMPLATE_TEST_CASE("body_follows_the_origins_consent", "[http][continue]", over_tcp, over_tls) {
    const std::string body(GENERATE(std::size_t{4}, std::size_t{1'000'000}), 'b');
    std::atomic<bool> withheld{false};
    fact asked;
    stage<TestType> s([&](server_connection& c) {
        const std::string head = c.read_until("\r\n\r\n");
        asked.await();
        withheld = head.ends_with("Expect: 100-continue\r\n\r\n");
        c.write("HTTP/1.1 100 Continue\r\n\r\n");
        c.write(ok(c.read_exactly(declared_length(head))));
        c.stay();
    });
    const request_builder request = expecting("PUT", body);
    exchange_options patient;
    patient.continue_timeout = plenty;
    auto lease = s.get();
    answer a;
    s.start(lease, request, a, patient);
    s.settle();
    asked.state();
    REQUIRE(s.finish(a));
    CHECK_FALSE(a.error);
    CHECK((a.reply.body() == body));
    CHECK(withheld);
    lease = {};
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("refused_expectation_sends_no_body", "[http][continue]", over_tcp, over_tls) {
    std::atomic<bool> more_came{false};
    stage<TestType> s([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        more_came = !c.peer_has_closed();
    });
    exchange_options patient;
    patient.continue_timeout = plenty;
    CHECK(s.fetch(expecting("PUT", "body"), patient).reply.status() == 417);
    CHECK(s.ended_for(retire_reason::connection_close));
    CHECK_FALSE(more_came);
}

TEMPLATE_TEST_CASE("body_is_sent_when_the_origin_does_not_say_yes_in_time", "[http][continue]", over_tcp, over_tls) {
    stage<TestType> s([&](server_connection& c) {
        for (;;) c.write(ok(c.read_exactly(declared_length(c.read_until("\r\n\r\n")))));
    });
    exchange_options hasty;
    hasty.continue_timeout = std::chrono::milliseconds(5);
    CHECK(s.fetch(expecting("PUT", "one"), hasty).body() == "one");
    CHECK(s.fetch(expecting("PUT", "two"), hasty).body() == "two");
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("end_while_consent_is_awaited_is_a_loss", "[http][continue]", over_tcp, over_tls) {
    exchange_options patient;
    patient.continue_timeout = plenty;
    stage<TestType> s([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.close_notify();
        c.end_sending();
        c.stay();
    });
    CHECK(s.fetch(expecting("PUT", "body"), patient).error == errc::response_missing);
    CHECK(s.ended_for(retire_reason::peer_closed));
}

TEMPLATE_TEST_CASE("client_sends_a_request_once_more_without_asking_where_asking_is_refused", "[client][continue]",
                   over_tcp, over_tls) {
    const bool always = GENERATE(false, true);
    std::atomic<int> requests{0};
    stage<TestType> s([&](server_connection& c) {
        for (;;) {
            const std::string head = c.read_until("\r\n\r\n");
            ++requests;
            const bool asked = head.find("Expect: 100-continue") != head.npos;
            if (!asked) c.read_exactly(declared_length(head));
            c.write(asked || always ? "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n" : ok("taken"));
        }
    });
    const answer a = send(s, expecting("POST", "body"), client_options{.continue_timeout = plenty / 2});
    REQUIRE_FALSE(a.error);
    CHECK(requests == 2);
    CHECK(a.reply.status() == (always ? 417 : 200));
    CHECK(a.body() == (always ? "" : "taken"));
    CHECK(a.reply.request_complete());
}

TEMPLATE_TEST_CASE("request_whose_body_has_been_taken_is_not_sent_again_for_a_417", "[client][continue]", over_tcp,
                   over_tls) {
    std::atomic<int> taken{0};
    stage<TestType> s([&](server_connection& c) {
        for (;;) {
            const std::string head = c.read_until("\r\n\r\n");
            c.write("HTTP/1.1 100 Continue\r\n\r\n");
            c.read_exactly(declared_length(head));
            ++taken;
            c.write("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    const answer a = send(s, expecting("POST", "body"), client_options{.continue_timeout = plenty / 2});
    CHECK(a.reply.status() == 417);
    CHECK(taken == 1);
}
