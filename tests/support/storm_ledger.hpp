// Who was promised what in a storm, and whether it was kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/request_builder.hpp"
#include "support/fault_origin.hpp"
#include "support/fault_verdict.hpp"
#include "support/storm_report.hpp"

namespace hotpool::test {

/// Hands out the requests, every second one a POST, and takes down how each has ended.
/// @threads any thread
class storm_ledger {
public:
    storm_ledger(std::size_t requests, const request_log& log, violations& broken)
        : outcomes_(requests), log_(log), broken_(broken) {}

    /// The number of the next request; none when all have been handed out.
    std::optional<request_id> next() noexcept {
        const request_id id = next_++;
        return id < outcomes_.size() ? std::optional(id) : std::nullopt;
    }
    static bool is_post(request_id id) noexcept { return id % 2 == 1; }
    static request_builder request_for(request_id id) {
        request_builder request(is_post(id) ? "POST" : "GET", "/" + std::to_string(id));
        if (is_post(id)) request.body(body_of(id));
        return request;
    }

    /// How the request has ended.
    void note(request_id id, std::error_code error) {
        if (error && !is_named(error)) break_promise(id, "has a foreign error: " + error.message());
        const auto outcome = error ? static_cast<std::uint8_t>(error.value()) : was_answered;
        if (outcomes_[id].exchange(outcome) != 0) break_promise(id, "has ended twice");
        if (!error && log_.times(id) == 0) break_promise(id, "was answered by nobody");
        ++noted_;
    }
    void note(request_id id, std::error_code error, unsigned status, std::string_view body) {
        if (!error && status == 408) return note_unsolicited(id);
        if (!error && (status != 200 || body != body_of(id))) break_promise(id, "was answered with something else");
        note(id, error);
    }
    /// The response is the one that nobody had asked for when the request was begun: it came behind that.
    void note_unsolicited(request_id id) {
        if (outcomes_[id].exchange(met_unsolicited) != 0) break_promise(id, "has ended twice");
        if (log_.times(id) != 0) break_promise(id, "was answered with something else");
        ++noted_;
    }
    /// Requests that have ended.
    std::size_t noted() const noexcept { return noted_; }
    std::size_t requests() const noexcept { return outcomes_.size(); }

    /// What was said of each request against what was done to it. To be called when nothing is on its way any more.
    void judge(storm_report& report) const {
        for (request_id id = 0; id < outcomes_.size(); ++id) {
            const std::uint8_t outcome = outcomes_[id];
            if (outcome == was_answered)
                ++report.answered;
            else if (outcome == met_unsolicited)
                ++report.met_unsolicited;
            else
                ++report.failed[outcome];
            if (outcome == 0) break_promise(id, "has never ended");
            if (is_post(id)) judge_post(id, outcome, report);
        }
        if (log_.garbled_requests() != 0) broken_.note("an origin met a request that nobody has sent");
    }

private:
    static constexpr std::uint8_t was_answered = 255;
    static constexpr std::uint8_t met_unsolicited = 254;

    void judge_post(request_id id, std::uint8_t outcome, storm_report& report) const {
        const unsigned times = log_.times(id);
        if (times > 1) break_promise(id, "was processed " + std::to_string(times) + " times");
        if (outcome == was_answered || outcome == met_unsolicited || times == 0) return;
        const std::error_code error = make_error_code(static_cast<errc>(outcome));
        if (error != condition::maybe_processed) ++report.processed_unsaid[outcome];
        if (says_unprocessed(error)) break_promise(id, "was processed in spite of: " + error.message());
    }
    void break_promise(request_id id, const std::string& how) const {
        broken_.note((is_post(id) ? "POST " : "GET ") + std::to_string(id) + ' ' + how);
    }

    std::vector<std::atomic<std::uint8_t>> outcomes_;  // by request: an `errc`, or `was_answered`
    const request_log& log_;
    violations& broken_;
    std::atomic<request_id> next_{0};
    std::atomic<std::size_t> noted_{0};
};

}  // namespace hotpool::test
