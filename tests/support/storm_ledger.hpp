// Who was promised what in a storm, and whether it was kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/request_builder.hpp"
#include "hotpool/response.hpp"
#include "support/fault_requests.hpp"
#include "support/fault_verdict.hpp"
#include "support/http_test.hpp"
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
    static bool asks_first(request_id id) noexcept { return is_post(id) && id % 11 == 7; }
    static request_builder request_for(request_id id) {
        request_builder request(is_post(id) ? "POST" : "GET", "/" + std::to_string(id));
        if (!is_post(id)) return request;
        if (is_long_upload(id) && id % 4 == 1)
            stream_body(request, id);
        else
            request.body(upload_of(id));
        if (asks_first(id)) request.expect_continue();
        return request;
    }

    /// How the request has ended.
    void note(request_id id, std::error_code error, const response& reply) {
        error ? failed(id, error) : answered(id, reply.status(), reply.body(), reply.request_complete());
    }
    void failed(request_id id, std::error_code error) {
        if (!is_named(error)) break_promise(id, "has a foreign error: " + error.message());
        take_down(id, static_cast<std::uint8_t>(error.value()));
    }
    /// @param body none where nobody has read it
    /// @param request_complete whether all of the request is said to have left
    void answered(request_id id, unsigned status, std::optional<std::string_view> body, bool request_complete) {
        const std::optional<std::uint8_t> outcome = outcome_of(status, request_complete);
        const bool is_own = outcome && (status == 408 || !body || *body == body_of(id));
        // Only who has processed a request says 200, and nobody else has.
        if (!is_own || (status == 200) != (log_.times(id) != 0) || (status == 413 && !is_post(id)) ||
            (status == 417 && !asks_first(id)))
            break_promise(id, "was answered with something else, " + std::to_string(status));
        take_down(id, outcome.value_or(was_answered));
    }
    /// Requests that have ended.
    std::size_t noted() const noexcept { return noted_; }
    std::size_t requests() const noexcept { return outcomes_.size(); }

    /// What was said of each request against what was done to it. To be called when nothing is on its way any more.
    void judge(storm_report& report) const {
        for (request_id id = 0; id < outcomes_.size(); ++id) {
            const std::uint8_t outcome = outcomes_[id];
            switch (outcome) {
                case 0: break_promise(id, "has never ended"); break;
                case was_answered: ++report.answered; break;
                case was_answered_early: ++report.answered_early; break;
                case was_refused: ++report.refused; break;
                case met_unsolicited: ++report.met_unsolicited; break;
                default: ++report.failed[outcome];
            }
            if (is_post(id)) judge_post(id, outcome, report);
        }
        if (log_.garbled_requests() != 0) broken_.note("an origin met a request that nobody has sent");
    }

private:
    static constexpr std::uint8_t was_answered = 255;
    static constexpr std::uint8_t was_answered_early = 254;  ///< and the rest of it has not been sent
    static constexpr std::uint8_t was_refused = 253;         ///< by 413 or 417
    static constexpr std::uint8_t met_unsolicited = 252;     ///< what came behind the begun request, unasked

    static std::optional<std::uint8_t> outcome_of(unsigned status, bool request_complete) noexcept {
        switch (status) {
            case 200: return request_complete ? was_answered : was_answered_early;
            case 408: return met_unsolicited;
            case 413:
            case 417: return was_refused;
            default: return std::nullopt;
        }
    }
    void take_down(request_id id, std::uint8_t outcome) {
        if (outcomes_[id].exchange(outcome) != 0) break_promise(id, "has ended twice");
        ++noted_;
    }

    void judge_post(request_id id, std::uint8_t outcome, storm_report& report) const {
        const unsigned times = log_.times(id);
        if (times > 1) break_promise(id, "was processed " + std::to_string(times) + " times");
        if (outcome == was_answered_early && log_.came_whole(id))
            break_promise(id, "is said not to have left, and came whole");
        if (times == 0 || outcome == was_answered || outcome == was_answered_early) return;
        if (outcome == was_refused || outcome == met_unsolicited)
            return break_promise(id, "was answered with something else, and processed");
        const std::error_code error = make_error_code(static_cast<errc>(outcome));
        if (error != condition::maybe_processed) ++report.processed_unsaid[outcome];
        if (says_unprocessed(error)) break_promise(id, "was processed in spite of: " + error.message());
    }
    void break_promise(request_id id, const std::string& how) const {
        broken_.note((is_post(id) ? "POST " : "GET ") + std::to_string(id) + ' ' + how);
    }

    static void stream_body(request_builder& request, request_id id) {
        const auto text = std::make_shared<pulled_text>(pulled_text{upload_of(id)});
        const auto back = [text] {
            text->at = 0;
            return true;
        };
        request.body_source({[text](std::span<char> room) { return text->pull(room); }, back}, text->text.size());
    }

    std::vector<std::atomic<std::uint8_t>> outcomes_;  // by request: an `errc`, or one of those above
    const request_log& log_;
    violations& broken_;
    std::atomic<request_id> next_{0};
    std::atomic<std::size_t> noted_{0};
};

}  // namespace hotpool::test
