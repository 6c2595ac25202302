// Failures of accept: what each says, how long the pauses are, when a listener is given up.
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include "hotpool/inbound/accept_backoff.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

std::error_code error(int value) { return {value, std::system_category()}; }

std::string complaint(const accept_backoff_options& options) {
    return refusal_of([&] { accept_backoff{options}; });
}

}  // namespace

TEST_CASE("errors_of_accept_are_told_apart", "[inbound]") {
    for (const int e : {0, EAGAIN, EWOULDBLOCK, EINTR}) CHECK(fault_of(e) == accept_fault::nothing);
    for (const int e :
         {ECONNABORTED, ECONNRESET, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, ENOPROTOOPT})
        CHECK(fault_of(e) == accept_fault::connection);
    for (const int e : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) CHECK(fault_of(e) == accept_fault::shortage);
    for (const int e : {EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP}) CHECK(fault_of(e) == accept_fault::listener);
    CHECK(fault_of(EDOM) == accept_fault::unknown);
}

TEST_CASE("accept_that_found_nothing_waits_and_counts_for_nothing", "[inbound]") {
    accept_backoff b;
    for (int i = 0; i < 1000; ++i) CHECK(b.accept_failed(error(EAGAIN)).verdict == accept_verdict::wait);
    CHECK(b.accept_failed(error(ECONNABORTED)).verdict == accept_verdict::go_on);
    CHECK_FALSE(b.is_pausing());
}

TEST_CASE("pauses_double_from_50_ms_to_a_second", "[inbound]") {
    accept_backoff b;
    for (const duration pause : {50ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        const accept_answer answer = b.accept_failed(error(EMFILE));
        CHECK(answer.verdict == accept_verdict::pause);
        CHECK(answer.pause == pause);
    }
    CHECK(b.is_pausing());
    b.accepted();
    CHECK_FALSE(b.is_pausing());
    CHECK(b.accept_failed(error(ENOBUFS)).pause == 50ms);
}

TEST_CASE("shortage_that_lasts_does_not_cost_the_listener", "[inbound]") {
    accept_backoff b;
    for (int i = 0; i < 10'000; ++i) CHECK(b.accept_failed(error(EMFILE)).verdict == accept_verdict::pause);
}

TEST_CASE("a_hundred_errors_in_a_row_are_the_listeners_fault", "[inbound]") {
    const int value = GENERATE(ECONNABORTED, EDOM);
    accept_backoff b;
    for (int i = 0; i < 99; ++i) CHECK(b.accept_failed(error(value)).verdict != accept_verdict::dead);
    b.accept_failed(error(EMFILE));  // says nothing of it
    b.accept_failed(error(EAGAIN));
    const accept_answer answer = b.accept_failed(error(value));
    CHECK(answer.verdict == accept_verdict::dead);
    CHECK(answer.pause > 0s);
    // Another listener has as many tries.
    for (int i = 0; i < 99; ++i) CHECK(b.accept_failed(error(value)).verdict != accept_verdict::dead);
}

TEST_CASE("connection_that_was_accepted_ends_the_row", "[inbound]") {
    accept_backoff b({.max_errors_in_a_row = 2});
    for (int i = 0; i < 10; ++i) {
        CHECK(b.accept_failed(error(EPROTO)).verdict == accept_verdict::go_on);
        b.accepted();
    }
    CHECK(b.accept_failed(error(EPROTO)).verdict == accept_verdict::go_on);
    CHECK(b.accept_failed(error(EPROTO)).verdict == accept_verdict::dead);
}

TEST_CASE("socket_that_does_not_listen_is_given_up_at_once", "[inbound]") {
    accept_backoff b;
    const accept_answer first = b.accept_failed(error(EBADF));
    CHECK(first.verdict == accept_verdict::dead);
    CHECK(first.pause == 50ms);
    CHECK(b.accept_failed(error(EINVAL)).pause == 100ms);  // opened anew in vain
}

TEST_CASE("errors_that_are_unknown_pause", "[inbound]") {
    accept_backoff b;
    CHECK(b.accept_failed(error(EDOM)).verdict == accept_verdict::pause);
}

TEST_CASE("pauses_out_of_range_are_refused_by_name", "[inbound]") {
    CHECK(complaint({}) == "accepted");
    CHECK(complaint({.first = 1s, .limit = 1s, .max_errors_in_a_row = 1}) == "accepted");
    CHECK(complaint({.first = 0s}).find("accept_backoff_options::first must") != std::string::npos);
    CHECK(complaint({.first = 2s}).find("accept_backoff_options::limit must") != std::string::npos);
    CHECK(complaint({.max_errors_in_a_row = 0}).find("::max_errors_in_a_row must") != std::string::npos);
}
