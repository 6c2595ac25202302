// The response parser: what it reads must not depend on the pieces in which the bytes come, and stays in its bounds.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "unit/http_collect.hpp"

using namespace hotpool;
using hotpool::fuzz::require;

namespace {

test::situation situation_from(unsigned flags) {
    test::situation s;
    s.kind = static_cast<request_kind>(flags % 4 == 3 ? 0 : flags % 4);
    s.upgrade_requested = (flags & 4) != 0;
    s.eof = (flags & 8) != 0;
    if ((flags & 16) != 0)
        s.bounds = {.max_head_bytes = 96,
                    .max_fields = 3,
                    .max_interim_responses = 1,
                    .max_chunk_line_bytes = 24,
                    .max_trailer_bytes = 16,
                    .max_body_bytes = 32};
    s.bounds.strict = (flags & 32) != 0;
    s.bounds.validate();
    return s;
}

test::outcome read(std::string_view bytes, const std::vector<std::size_t>& cuts, const test::situation& s) {
    test::outcome result = test::deliver(bytes, cuts, s);
    // How much of a body was handed out before it turned out to be too large depends on the pieces.
    if (result.error == errc::body_too_large) result.body.clear();
    return result;
}

/// @return how many bytes the head had at least
std::size_t check_head(const test::seen_head& head, const http::limits& bounds) {
    require(head.status >= 100 && head.status <= (bounds.strict ? 599 : 999), "a status has three digits");
    require(head.version_minor <= 1, "HTTP/1.0 or HTTP/1.1");
    require(head.fields.size() <= bounds.max_fields, "max_fields");
    std::size_t bytes = std::string_view("HTTP/1.1 200\r\n\r\n").size() + head.reason.size();
    for (const auto& [name, value] : head.fields) {
        bytes += name.size() + value.size() + 3;
        require(!name.empty() && name.find_first_of(" \t:\r\n") == std::string::npos, "a name is a token");
        for (const char c : name) require(c > ' ' && c < 0x7f, "a name is a token");
        for (const char c : value)
            require(c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f), "a value has no controls");
        require(value == http::trim(value), "a value has no spaces around it");
    }
    return bytes;
}

void check_outcome(const test::outcome& seen, std::string_view bytes, const test::situation& s) {
    require(seen.interim.size() <= s.bounds.max_interim_responses, "max_interim_responses");
    require(seen.body.size() <= s.bounds.max_body_bytes, "max_body_bytes");
    require(seen.body.size() <= bytes.size(), "a body was received");
    require(seen.consumed <= bytes.size(), "only what came is consumed");
    require(!(seen.complete && seen.error != errc{}), "one end");
    std::size_t head_bytes = 0;
    for (const test::seen_head& head : seen.interim) {
        head_bytes += check_head(head, s.bounds);
        require(head.status < 200 && head.status != 101, "an interim status");
    }
    if (seen.head) head_bytes += check_head(*seen.head, s.bounds);
    require(head_bytes <= s.bounds.max_head_bytes, "max_head_bytes of all heads together");
    if (!seen.complete) return;
    require(seen.head.has_value(), "a complete response has a head");
    require(seen.kind != body_kind::length || seen.content_length == seen.body.size(), "Content-Length");
    require(seen.kind != body_kind::none || seen.body.empty(), "no body");
    require(!seen.keep_alive || (seen.kind != body_kind::until_close && !seen.switched), "keep_alive");
    require(seen.kind != body_kind::until_close || s.eof, "until close");
    require(!seen.switched || s.upgrade_requested || s.kind == request_kind::connect, "switched");
}

/// What a strict parser accepts, another reads the same.
void check_strict(const test::outcome& seen, std::string_view bytes, test::situation s) {
    if (!s.bounds.strict || seen.error != errc{}) return;
    s.bounds.strict = false;
    require(read(bytes, {}, s) == seen, "kindness changes nothing that is as it should be");
}

/// A parser that has read one response must read the next as a new one does.
void check_reuse(std::string_view bytes, const test::situation& s) {
    response_parser used{s.bounds};
    used.start(s.kind, s.upgrade_requested);
    const auto trace_of = [&](response_parser& parser) {
        std::string trace;
        std::string_view window = bytes;
        for (;;) {
            const parse_result step = parser.parse(window);
            window.remove_prefix(step.consumed);
            trace += static_cast<char>('0' + static_cast<int>(step.event));
            trace += step.piece;
            const bool over = step.event == parse_event::need_more || step.event == parse_event::end ||
                              step.event == parse_event::failed;
            if (!over) continue;
            require(step.event == parse_event::need_more || parser.parse(window).event == step.event, "an end stays");
            return trace + std::to_string(static_cast<int>(step.error)) + (parser.keep_alive() ? "k" : "c");
        }
    };
    const std::string first = trace_of(used);
    used.start(s.kind, s.upgrade_requested);
    require(!used.begun(), "nothing has begun after start");
    require(trace_of(used) == first, "the second response is read as the first");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const test::situation s = situation_from(from.byte());
    const std::vector<std::size_t> cuts = fuzz::take_cuts(from);
    const std::string_view bytes = from.rest();

    const test::outcome whole = read(bytes, {}, s);
    check_outcome(whole, bytes, s);
    check_strict(whole, bytes, s);
    require(read(bytes, cuts, s) == whole, "pieces make no difference");
    if (bytes.size() <= 256) {
        std::vector<std::size_t> every;
        for (std::size_t cut = 1; cut < bytes.size(); ++cut) every.push_back(cut);
        require(read(bytes, every, s) == whole, "single bytes make no difference");
    }
    check_reuse(bytes, s);
    return 0;
}
