// The request parser: what it reads must not depend on the pieces in which the bytes come, stays in its bounds, and holds
// nothing that another server could read as something else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "unit/inbound_request_collect.hpp"

using namespace hotpool;
using hotpool::fuzz::require;

namespace {

http::limits bounds_from(unsigned flags) {
    if ((flags & 1) == 0) return {};
    return {.max_head_bytes = 128,
            .max_fields = 4,
            .max_chunk_line_bytes = 24,
            .max_trailer_bytes = 16,
            .max_body_bytes = 32,
            .max_request_line_bytes = 48};
}

std::size_t count_of(const test::seen_request& seen, std::string_view name) {
    std::size_t count = 0;
    for (const auto& field : seen.fields) count += http::equals_ignoring_case(field.first, name);
    return count;
}

void check_request(const test::seen_request& seen, const http::limits& bounds, bool complete) {
    require(!seen.method.empty() && seen.method.size() <= http::max_method_bytes, "a method");
    for (const char c : seen.method) require((c >= 'A' && c <= 'Z') || c == '-' || c == '_', "letters of a method");
    require(!seen.target.empty(), "a target");
    for (const char c : seen.target) require(c > ' ' && c < 0x7f && c != '#', "characters of a target");
    require(seen.version_minor == 0 || seen.version_minor == 1, "HTTP/1.0 or HTTP/1.1");
    require(seen.method.size() + seen.target.size() + 12 <= bounds.max_request_line_bytes, "max_request_line_bytes");
    require(seen.fields.size() <= bounds.max_fields, "max_fields");
    std::size_t bytes = seen.method.size() + seen.target.size() + 14;
    for (const auto& [name, value] : seen.fields) {
        bytes += name.size() + value.size() + 3;
        require(http::is_token(name), "a name is a token");
        require(http::is_field_value(value) && value == http::trim(value), "a value");
    }
    require(bytes <= bounds.max_head_bytes, "max_head_bytes");
    require(seen.body.size() <= bounds.max_body_bytes, "max_body_bytes");

    require(count_of(seen, "host") == 1 || (count_of(seen, "host") == 0 && seen.version_minor == 0), "one Host");
    const std::size_t lengths = count_of(seen, "content-length"), codings = count_of(seen, "transfer-encoding");
    require(lengths + codings <= 1, "one framing");
    require(seen.kind == (codings != 0   ? body_kind::chunked
                          : lengths != 0 ? body_kind::length
                                         : body_kind::none),
            "its kind");
    require(codings == 0 || seen.version_minor == 1, "chunks are of HTTP/1.1");
    require(!seen.expects_continue || seen.version_minor == 1, "expectations are of HTTP/1.1");
    for (const auto& [name, value] : seen.fields)
        if (complete && http::equals_ignoring_case(name, "content-length"))
            require(http::parse_decimal(value) == seen.body.size(), "Content-Length");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const http::limits bounds = bounds_from(from.byte());
    const std::vector<std::size_t> cuts = fuzz::take_cuts(from);
    const std::string_view bytes = from.rest();

    const test::request_outcome whole = test::deliver_request(bytes, {}, bounds);
    for (const test::seen_request& seen : whole.complete) check_request(seen, bounds, true);
    if (whole.unfinished) check_request(*whole.unfinished, bounds, false);
    require(whole.consumed <= bytes.size(), "only what came is consumed");
    require(whole.error == errc{} || make_error_code(whole.error) == condition::bad_client, "a refusal of requests");
    require(test::deliver_request(bytes, cuts, bounds) == whole, "pieces make no difference");
    if (bytes.size() <= 256) {
        std::vector<std::size_t> every;
        for (std::size_t cut = 1; cut < bytes.size(); ++cut) every.push_back(cut);
        require(test::deliver_request(bytes, every, bounds) == whole, "single bytes make no difference");
    }
    return 0;
}
