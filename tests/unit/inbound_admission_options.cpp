// The numbers of an admission: what is refused, and what the environment says.
#include <chrono>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

#include <hotpool/inbound/admission_options.hpp>

#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using variables = std::map<std::string, std::string>;

admission_options read(const variables& set, const admission_options& base = {}) {
    return admission_options::from_environment(base, [&set](const char* name) {
        const auto found = set.find(name);
        return found != set.end() ? found->second.c_str() : nullptr;
    });
}

std::string complaint(const variables& set) {
    return refusal_of([&] { (void)read(set); });
}

std::string complaint(const admission_options& options) {
    return refusal_of([&] { validate(options); });
}

}  // namespace

TEST_CASE("admission_options_are_checked_by_field_and_rule", "[inbound]") {
    const std::string prefix = "hotpool::inbound::admission_options::";
    CHECK(complaint(admission_options{}) == "accepted");
    CHECK(complaint({.max_connections_per_group = 0, .max_connections = 0, .max_handshakes = 0}) == "accepted");
    CHECK(complaint({.max_requests_per_group = 0, .request_window = 1ns, .busy_retry_after = 0s}) == "accepted");
    CHECK(complaint({.request_window = 24h * 366, .max_groups = 1}) == "accepted");
    CHECK(complaint({.groups = {.v4_prefix_length = 33}}) ==
          "hotpool::inbound::grouping::v4_prefix_length must be at most 32");
    CHECK(complaint({.request_window = 0s}) == prefix + "request_window must be more than 0");
    CHECK(complaint({.request_window = -1s}) == prefix + "request_window must be more than 0");
    CHECK(complaint({.request_window = 24h * 366 + 1ns}) == prefix + "request_window must be at most 366 days");
    CHECK(complaint({.busy_retry_after = -1ns}) == prefix + "busy_retry_after must not be negative");
    CHECK(complaint({.max_groups = 0}) == prefix + "max_groups must be 1 or more");
    CHECK(complaint({.max_groups = (std::size_t{1} << 31) + 1}) == prefix + "max_groups must be at most 2^31");
}

TEST_CASE("an_environment_that_says_nothing_changes_nothing", "[inbound]") {
    const admission_options base{.max_connections_per_group = 3, .request_window = 5min};
    CHECK(read({}, base) == base);
    CHECK(read({{"MAX_CONNECTIONS", "5"}, {"max_connections_per_ip", "6"}}, base) == base);
}

TEST_CASE("the_environment_sets_connections_and_requests_per_address", "[inbound]") {
    const admission_options base{.max_connections = 77, .request_window = 5min};
    const admission_options connections = read({{"MAX_CONNECTIONS_PER_IP", "25"}}, base);
    CHECK(connections.max_connections_per_group == 25);
    CHECK(connections.request_window == 5min);
    CHECK(connections.max_connections == 77);
    const admission_options requests = read({{"MAX_REQUESTS_PER_IP_PER_HOUR", "5000"}}, base);
    CHECK(requests.max_requests_per_group == 5000);
    CHECK(requests.request_window == 1h);
    CHECK(requests.max_connections_per_group == 10);
    const admission_options both =
        read({{"MAX_CONNECTIONS_PER_IP", "4294967295"}, {"MAX_REQUESTS_PER_IP_PER_HOUR", "0"}});
    CHECK(both.max_connections_per_group == 4294967295u);
    CHECK(both.max_requests_per_group == 0);
}

TEST_CASE("what_is_no_plain_decimal_number_is_refused_by_the_name_of_its_variable", "[inbound]") {
    for (const char* const name : {"MAX_CONNECTIONS_PER_IP", "MAX_REQUESTS_PER_IP_PER_HOUR"})
        for (const char* const text : {"", " ", "-1", "+1", " 1", "1 ", "1\n", "0x10", "010", "00", "1e3", "1.0",
                                       "1,000", "ten", "4294967296", "99999999999999999999999", "1;2", "\xd9\xa1"}) {
            INFO(name << "=" << text);
            CHECK(complaint({{name, text}}) ==
                  "the environment variable " + std::string(name) + " is \"" + text +
                      "\", but must be a decimal number from 0 to 4294967295 without zeros "
                      "in front");
        }
}

TEST_CASE("the_environment_of_the_process_is_read_if_no_other_is_given", "[inbound]") {
    REQUIRE(::setenv("MAX_CONNECTIONS_PER_IP", "12", 1) == 0);
    REQUIRE(::unsetenv("MAX_REQUESTS_PER_IP_PER_HOUR") == 0);
    CHECK(admission_options::from_environment().max_connections_per_group == 12);
    CHECK(admission_options::from_environment({.max_requests_per_group = 5}).max_requests_per_group == 5);
    REQUIRE(::setenv("MAX_CONNECTIONS_PER_IP", "twelve", 1) == 0);
    CHECK_THROWS_AS(admission_options::from_environment(), std::invalid_argument);
    REQUIRE(::unsetenv("MAX_CONNECTIONS_PER_IP") == 0);
    CHECK(admission_options::from_environment() == admission_options{});
}
