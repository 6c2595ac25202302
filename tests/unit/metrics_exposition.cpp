// Metrics as text, byte by byte, and those of a server by the rules of the format.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/inbound/exposition.hpp"
#include "hotpool/metrics/exposition.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using metrics::exposition;
using metrics::metric_type;

namespace {

/// What is left of a line, read from its beginning.
class reader {
public:
    explicit reader(const std::string& line) : rest_(line) {}

    bool skip(const std::string& text) {
        if (rest_.compare(0, text.size(), text) != 0) return false;
        rest_.erase(0, text.size());
        return true;
    }
    std::string take(const std::string& allowed) {
        const std::size_t end = std::min(rest_.find_first_not_of(allowed), rest_.size());
        const std::string taken = rest_.substr(0, end);
        rest_.erase(0, end);
        return taken;
    }
    /// Whether a quoted value came, its escapes no other than the format's.
    bool skip_value() {
        if (!skip("\"")) return false;
        while (!skip("\"")) {
            if (rest_.empty()) return false;
            if (rest_[0] == '\\' && (rest_.size() < 2 || std::string("\\\"n").find(rest_[1]) == std::string::npos))
                return false;
            rest_.erase(0, rest_[0] == '\\' ? 2 : 1);
        }
        return true;
    }
    const std::string& rest() const { return rest_; }

private:
    std::string rest_;
};

const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

bool skip_labels(reader& line) {
    if (!line.skip("{")) return true;
    do
        if (line.take(letters).empty() || !line.skip("=") || !line.skip_value()) return false;
    while (line.skip(","));
    return line.skip("}");
}

/// The samples of a text by name and labels; a line that breaks the format ends the test.
std::map<std::string, std::string> samples_of(const std::string& text) {
    std::map<std::string, std::string> found;
    std::set<std::string> families;
    std::string family;
    std::istringstream lines(text);
    for (std::string whole; std::getline(lines, whole);) {
        CAPTURE(whole);
        reader line(whole);
        if (line.skip("# HELP ")) continue;
        if (line.skip("# TYPE ")) {
            family = line.take(letters);
            REQUIRE(families.insert(family).second);  // each family in one place
            REQUIRE((line.skip(" counter") || line.skip(" gauge") || line.skip(" histogram")));
            REQUIRE(line.rest().empty());
            continue;
        }
        REQUIRE(line.take(letters).compare(0, family.size(), family) == 0);
        REQUIRE(skip_labels(line));
        const std::string sample = whole.substr(0, whole.size() - line.rest().size());
        REQUIRE(line.skip(" "));
        const std::string value = line.take("0123456789.e+-");
        REQUIRE(line.rest().empty());
        REQUIRE(found.emplace(sample, value).second);  // each sample once
    }
    return found;
}

}  // namespace

TEST_CASE("family_and_samples_are_written_as_prometheus_reads_them", "[metrics]") {
    exposition out;
    out.family("requests_total", metric_type::counter, "Requests of \\ all\nkinds.");
    out.sample(std::uint64_t{7});
    out.sample(std::uint64_t{18446744073709551615u}, {{"method", "GET"}, {"path", "a\"b\\c\nd"}});
    out.family("load", metric_type::gauge, "Load.");
    out.sample(0.25, {{"server", ""}});
    CHECK(out.text() ==
          "# HELP requests_total Requests of \\\\ all\\nkinds.\n"
          "# TYPE requests_total counter\n"
          "requests_total 7\n"
          "requests_total{method=\"GET\",path=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
          "# HELP load Load.\n"
          "# TYPE load gauge\n"
          "load 0.25\n");
}

TEST_CASE("histogram_is_written_with_cumulative_buckets", "[metrics]") {
    metrics::histogram h;
    for (const std::uint64_t us : {3u, 4u, 15u, 16u, 5000u}) h.record(us);
    exposition out;
    out.family("wait_seconds", metric_type::histogram, "Waits.");
    out.sample(h, {{"of", "all"}}, {.first_power = 2, .last_power = 4, .unit = 0.5});
    CHECK(out.text() ==
          "# HELP wait_seconds Waits.\n"
          "# TYPE wait_seconds histogram\n"
          "wait_seconds_bucket{of=\"all\",le=\"2\"} 1\n"
          "wait_seconds_bucket{of=\"all\",le=\"4\"} 2\n"
          "wait_seconds_bucket{of=\"all\",le=\"8\"} 3\n"
          "wait_seconds_bucket{of=\"all\",le=\"+Inf\"} 5\n"
          "wait_seconds_sum{of=\"all\"} 2519\n"
          "wait_seconds_count{of=\"all\"} 5\n");
}

TEST_CASE("names_that_prometheus_does_not_take_are_refused", "[metrics]") {
    exposition out;
    for (const char* bad : {"", "1st", "a-b", "a b", "a{", "\xc3\xa4"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(out.family(bad, metric_type::gauge, ""), std::invalid_argument);
    }
    out.family("a:b_1", metric_type::gauge, "");
    CHECK_THROWS_AS(out.sample(std::uint64_t{1}, {{"a:b", "x"}}), std::invalid_argument);
    CHECK_THROWS_AS(out.sample(std::uint64_t{1}, {{"", "x"}}), std::invalid_argument);
}

TEST_CASE("every_statistic_of_a_server_is_exposed", "[metrics]") {
    using namespace inbound;
    inbound_stats s;
    // A number of its own for each counter, so that none stands for another.
    std::uint64_t n = 1000;
    std::map<std::string, std::uint64_t> expected;
    const auto expect = [&](const std::string& sample) { return expected["hotpool_inbound_" + sample] = ++n; };
    for (std::size_t i = 1; i < refuse_reason_count; ++i)
        s.total.refused[i] =
            expect("refused_total{reason=\"" + std::string(to_string(static_cast<refuse_reason>(i))) + "\"}");
    for (std::size_t i = 1; i < close_reason_count; ++i)
        s.total.closed[i] =
            expect("closed_total{reason=\"" + std::string(to_string(static_cast<close_reason>(i))) + "\"}");
    for (std::size_t i = 0; i < handshake_error_count; ++i)
        s.total.handshake_failures[i] =
            expect("handshake_failures_total{error=\"" + std::string(handshake_error_label(i)) + "\"}");
    s.now.accepted = expect("connections{state=\"accepted\"}");
    s.now.handshaking = expect("connections{state=\"handshaking\"}");
    s.now.open = expect("connections{state=\"open\"}");
    s.now.draining = expect("connections{state=\"draining\"}");
    s.total.accepted = expect("accepted_total");
    s.total.opened = expect("opened_total");
    s.total.requests = expect("requests_begun_total");
    s.total.served = expect("requests_total{outcome=\"served\"}");
    s.total.refused_requests = expect("requests_total{outcome=\"refused\"}");
    s.total.failed_requests = expect("requests_total{outcome=\"failed\"}");
    s.total.cut_requests = expect("requests_total{outcome=\"cut\"}");
    s.total.pings = expect("pings_total");
    s.total.accept_errors = expect("accept_errors_total");
    s.total.accept_pauses = expect("accept_pauses_total");
    s.total.bytes_in = expect("bytes_total{direction=\"in\"}");
    s.total.bytes_out = expect("bytes_total{direction=\"out\"}");
    s.total.queue_drops = expect("queue_drops_total");
    s.total.alarms = expect("alarms_total");
    s.ready = expect("ready");
    s.blocked_groups = expect("groups{standing=\"blocked\"}");
    s.groups = s.blocked_groups + expect("groups{standing=\"admitted\"}");
    s.resources = {expect("descriptors{of=\"used\"}"), expect("descriptors{of=\"limit\"}"),
                   expect("memory_bytes{of=\"used\"}"), expect("memory_bytes{of=\"limit\"}")};
    s.total.request_us.record(1500);
    expected["hotpool_inbound_request_seconds_count"] = 1;
    expected["hotpool_inbound_request_seconds_bucket{le=\"0.001024\"}"] = 0;
    expected["hotpool_inbound_request_seconds_bucket{le=\"0.002048\"}"] = 1;
    expected["hotpool_inbound_establish_seconds_count"] = 0;
    s.alarm = true;
    expected["hotpool_inbound_condition{condition=\"alarm\"}"] = 1;
    expected["hotpool_inbound_condition{condition=\"draining\"}"] = 0;

    auto found = samples_of(exposition_of(s));
    for (const auto& [name, value] : expected) {
        CAPTURE(name);
        CHECK(found[name] == std::to_string(value));
    }
    CHECK(found["hotpool_inbound_request_seconds_sum"] == "0.0015");
}

TEST_CASE("several_servers_are_one_text_told_apart_by_a_label", "[metrics]") {
    using namespace inbound;
    inbound_stats inner, outer;
    inner.total.accepted = 1;
    outer.total.accepted = 2;
    exposition out;
    write_metrics(out, std::vector<named_stats>{{"inner", &inner}, {"outer", &outer}});
    auto found = samples_of(out.text());
    CHECK(found["hotpool_inbound_accepted_total{server=\"inner\"}"] == "1");
    CHECK(found["hotpool_inbound_accepted_total{server=\"outer\"}"] == "2");
}
