// Each fault of an origin alone: early answers, what becomes of a question, and a certificate that is wanted.
#include "support/fault_stage.hpp"

#include <chrono>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Where all of a request had left before its answer came, the connection was kept, and is found closed by the next one.
template <class Stage>
bool the_next_is_answered(Stage& s) {
    for (int tries = 0; tries < 2; ++tries)
        if (s.send(post_of(2)).body() == body_of(2)) return true;
    return false;
}

}  // namespace

TEMPLATE_TEST_CASE("post_that_is_answered_early_has_been_processed_once", "[faults]", over_tcp, over_tls) {
    const fault how = GENERATE(fault::early_success, fault::early_close);
    CAPTURE(to_string(how));
    const descriptors_kept no_leak;
    fault_stage<TestType> s;
    s.arm(how);
    const answer a = s.send(post_of(1));
    // An origin that goes while there is something to read may take its answer with it.
    if (how == fault::early_success || !a.error) {
        CHECK(a.body() == body_of(1));
    } else {
        CHECK_FALSE(says_unprocessed(a.error));
    }
    CHECK(the_next_is_answered(s));
    CHECK(s.pool.stats().total.opened == (how == fault::early_success ? 1 : 2));
    CHECK(s.bench.tally.of(how) == 1);
    CHECK(s.times_in_the_end(1) == 1);
    CHECK(s.times_in_the_end(2) == 1);
}

TEMPLATE_TEST_CASE("post_that_is_refused_early_has_not_been_processed", "[faults]", over_tcp, over_tls) {
    fault_stage<TestType> s;
    s.arm(fault::early_refusal);
    const answer a = s.send(post_of(1));
    if (!a.error) {
        CHECK(a.reply.status() == 413);
        CHECK(a.body() == body_of(1));
    }
    CHECK(the_next_is_answered(s));
    CHECK(s.pool.stats().total.opened == 2);
    CHECK(s.times_in_the_end(1) == 0);
}

TEMPLATE_TEST_CASE("post_that_asks_first_is_sent_whether_it_is_told_so_or_not", "[faults]", over_tcp, over_tls) {
    const fault how = GENERATE(fault::none, fault::consent_withheld, fault::expectation_failed);
    CAPTURE(to_string(how));
    fault_stage<TestType> s;
    s.arm(how);
    const answer a = s.send(post_of(1).expect_continue());
    INFO(a.error.message());
    CHECK(a.reply.status() == 200);
    CHECK(a.body() == body_of(1));
    CHECK(s.pool.stats().total.opened == (how == fault::expectation_failed ? 2 : 1));
    CHECK(s.times_in_the_end(1) == 1);
}

TEST_CASE("post_to_an_origin_that_wants_another_certificate_is_not_processed", "[faults]") {
    const bool in_tls12 = GENERATE(false, true);
    CAPTURE(in_tls12);
    const descriptors_kept no_leak;
    fault_stage<over_tls> s;
    s.bench.served().office().arm_handshake({.wants_certificate = true, .speaks_tls12 = in_tls12});
    CHECK(s.send(post_of(1)).error == errc::client_certificate_refused);
    CHECK(the_next_is_answered(s));
    CHECK(s.times_in_the_end(1) == 0);
    CHECK(s.times_in_the_end(2) == 1);
}
