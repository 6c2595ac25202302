// The statistics of a server as metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/metrics/exposition.hpp"

namespace hotpool::inbound {

/// The statistics of one of a program's servers; the name is the label `server`, and left out where it is empty.
struct named_stats {
    std::string_view name;
    const inbound_stats* stats;
};

namespace detail {

/// Writes the families one by one, each with the samples of all servers, as the format wants it.
class stats_writer {
public:
    stats_writer(metrics::exposition& out, std::span<const named_stats> servers) noexcept
        : out_(out), servers_(servers) {}

    void write() {
        connections();
        endings();
        requests();
        traffic();
        health();
    }

private:
    using type = metrics::metric_type;

    /// A family with one sample for each server.
    template <class Value>
    void one(const char* name, type kind, const char* help, Value value_of) {
        out_.family(name, kind, help);
        for (const named_stats& s : servers_) out_.sample(value_of(*s.stats), {{"server", s.name}});
    }
    /// A family with one sample for each server and each value of a label.
    /// @param each called with the statistics and `add(label, value)`
    template <class Each>
    void by(const char* label, const char* name, type kind, const char* help, Each each) {
        out_.family(name, kind, help);
        for (const named_stats& s : servers_)
            each(*s.stats, [&](std::string_view value, std::uint64_t count) {
                out_.sample(count, {{"server", s.name}, {label, value}});
            });
    }

    void connections() {
        by("state", "hotpool_inbound_connections", type::gauge, "Connections by state.",
           [](const inbound_stats& s, auto add) {
               add(to_string(life_state::accepted), s.now.accepted);
               add(to_string(life_state::handshaking), s.now.handshaking);
               add(to_string(life_state::open), s.now.open);
               add(to_string(life_state::draining), s.now.draining);
           });
        one("hotpool_inbound_ready", type::gauge, "Open connections that the program has not accepted yet.",
            [](const inbound_stats& s) { return std::uint64_t{s.ready}; });
        by("standing", "hotpool_inbound_groups", type::gauge, "Groups of peers that are known.",
           [](const inbound_stats& s, auto add) {
               add("admitted", s.groups - s.blocked_groups);
               add("blocked", s.blocked_groups);
           });
        one("hotpool_inbound_accepted_total", type::counter, "Connections admitted.",
            [](const inbound_stats& s) { return s.total.accepted; });
        one("hotpool_inbound_opened_total", type::counter, "Connections that came through their handshake.",
            [](const inbound_stats& s) { return s.total.opened; });
        one("hotpool_inbound_establish_seconds", type::histogram, "From accept to open.",
            [](const inbound_stats& s) { return s.total.establish_us; });
    }
    void endings() {
        by("reason", "hotpool_inbound_refused_total", type::counter, "Connections not admitted.",
           [](const inbound_stats& s, auto add) {
               for (std::size_t i = 1; i < refuse_reason_count; ++i)
                   add(to_string(static_cast<refuse_reason>(i)), s.total.refused[i]);
           });
        one("hotpool_inbound_lingering_refusals", type::gauge, "Refused connections whose clients read why.",
            [](const inbound_stats& s) { return std::uint64_t{s.lingering_refusals}; });
        one("hotpool_inbound_refusals_cut_total", type::counter, "Refused connections closed early for others.",
            [](const inbound_stats& s) { return s.total.refusals_cut; });
        by("error", "hotpool_inbound_handshake_failures_total", type::counter, "Handshakes that failed.",
           [](const inbound_stats& s, auto add) {
               for (std::size_t i = 0; i < handshake_error_count; ++i)
                   add(handshake_error_label(i), s.total.handshake_failures[i]);
           });
        by("reason", "hotpool_inbound_closed_total", type::counter, "Connections ended.",
           [](const inbound_stats& s, auto add) {
               for (std::size_t i = 1; i < close_reason_count; ++i)
                   add(to_string(static_cast<close_reason>(i)), s.total.closed[i]);
           });
    }
    void requests() {
        one("hotpool_inbound_requests_begun_total", type::counter, "Requests begun.",
            [](const inbound_stats& s) { return s.total.requests; });
        by("outcome", "hotpool_inbound_requests_total", type::counter, "Requests ended.",
           [](const inbound_stats& s, auto add) {
               add("served", s.total.served);
               add("refused", s.total.refused_requests);
               add("failed", s.total.failed_requests);
               add("cut", s.total.cut_requests);
           });
        one("hotpool_inbound_request_seconds", type::histogram,
            "From the first byte of a request to the end of its reply.",
            [](const inbound_stats& s) { return s.total.request_us; });
    }
    void traffic() {
        by("direction", "hotpool_inbound_bytes_total", type::counter, "Bytes of connections.",
           [](const inbound_stats& s, auto add) {
               add("in", s.total.bytes_in);
               add("out", s.total.bytes_out);
           });
        one("hotpool_inbound_queue_drops_total", type::counter, "Messages that slow readers did not get.",
            [](const inbound_stats& s) { return s.total.queue_drops; });
        one("hotpool_inbound_pings_total", type::counter, "Pings asked for.",
            [](const inbound_stats& s) { return s.total.pings; });
    }
    void health() {
        one("hotpool_inbound_accept_errors_total", type::counter, "Failures of accept.",
            [](const inbound_stats& s) { return s.total.accept_errors; });
        one("hotpool_inbound_accept_pauses_total", type::counter, "Times that accepting was put off.",
            [](const inbound_stats& s) { return s.total.accept_pauses; });
        one("hotpool_inbound_alarms_total", type::counter, "Times that the share of errors was too large.",
            [](const inbound_stats& s) { return s.total.alarms; });
        by("condition", "hotpool_inbound_condition", type::gauge, "1 while it is so.",
           [](const inbound_stats& s, auto add) {
               add("alarm", s.alarm);
               add("draining", s.draining);
               add("short_of_resources", s.short_of_resources);
           });
        by("of", "hotpool_inbound_descriptors", type::gauge, "Descriptors of the process.",
           [](const inbound_stats& s, auto add) {
               add("used", s.resources.descriptors_used);
               add("limit", s.resources.descriptors_limit);
           });
        by("of", "hotpool_inbound_memory_bytes", type::gauge, "Memory of the process.",
           [](const inbound_stats& s, auto add) {
               add("used", s.resources.memory_used_bytes);
               add("limit", s.resources.memory_limit_bytes);
           });
    }

    metrics::exposition& out_;
    std::span<const named_stats> servers_;
};

}  // namespace detail

/// Adds the metrics of one server or several; all that a program has, in one call.
/// @cost about 150 lines for each server
inline void write_metrics(metrics::exposition& out, std::span<const named_stats> servers) {
    detail::stats_writer(out, servers).write();
}

/// The metrics of one server as a text for Prometheus; send it as `metrics::exposition::content_type`.
inline std::string exposition_of(const inbound_stats& stats) {
    metrics::exposition out;
    const named_stats one[] = {{{}, &stats}};
    write_metrics(out, one);
    return std::move(out).text();
}

}  // namespace hotpool::inbound
