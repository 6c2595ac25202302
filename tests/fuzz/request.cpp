// The request builder: what it accepts, a strict reader must read back as it was meant; what it refuses leaves no byte.
//
// Input: a byte of flags; then, each ended by \x01, method, target, body and pairs of name and value.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "fuzz/plain_request.hpp"
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/request_builder.hpp"

using namespace hotpool;
using hotpool::fuzz::plain_equal;
using hotpool::fuzz::plain_field;
using hotpool::fuzz::plain_request;
using hotpool::fuzz::require;

namespace {

enum flag : unsigned { streamed = 1, length_given = 2, expecting = 4, replacing = 8, with_defaults = 16 };

/// What the builder is told.
struct description {
    unsigned flags = 0;
    std::string method, target, body;
    std::vector<plain_field> fields;

    bool has(flag f) const { return (flags & f) != 0; }
};

description describe(fuzz::input from) {
    constexpr char mark = '\x01';
    description d;
    d.flags = from.byte();
    d.method = from.text(mark);
    d.target = from.text(mark);
    d.body = from.text(mark);
    while (!from.empty()) {
        const std::string name{from.text(mark)};
        const std::string value{fuzz::plain_trim(from.text(mark))};
        if (d.has(replacing)) std::erase_if(d.fields, [&](const plain_field& f) { return plain_equal(f.first, name); });
        d.fields.emplace_back(name, value);
    }
    return d;
}

request_builder build(const description& d) {
    request_builder request{d.method, d.target};
    for (const auto& [name, value] : d.fields)
        d.has(replacing) ? request.set_header(name, value) : request.header(name, value);
    if (d.has(expecting)) request.expect_continue();
    if (!d.has(streamed)) return std::move(request.body(d.body));
    const auto nothing = [](std::span<char>) { return std::size_t{0}; };
    const auto length = d.has(length_given) ? std::optional<std::uint64_t>{d.body.size()} : std::nullopt;
    return std::move(request.body_source(nothing, length));
}

/// Fields that the library may add.
void check_fields(const plain_request& sent, const description& d) {
    auto next = sent.fields.begin();
    for (const plain_field& given : d.fields) {
        next = std::find(next, sent.fields.end(), given);
        require(next != sent.fields.end(), "every field is sent, in order");
        ++next;
    }
    const auto is_added = [](const plain_field& f) {
        for (const char* name : {"host", "connection", "expect", "content-length", "transfer-encoding", "x-default"})
            if (plain_equal(f.first, name)) return true;
        return false;
    };
    for (const plain_field& f : sent.fields)
        require(is_added(f) || std::find(d.fields.begin(), d.fields.end(), f) != d.fields.end(), "no other is sent");
    require(sent.all("host").size() == 1, "one Host");
    require(!sent.all("connection").empty(), "a Connection");
    require(sent.all("x-default").size() >= (d.has(with_defaults) ? 1u : 0u), "the default");
}

void check_framing(const plain_request& sent, const request_builder& request, const description& d) {
    const auto lengths = sent.all("content-length");
    const auto codings = sent.all("transfer-encoding");
    const bool has_body = d.has(streamed) ? !(d.has(length_given) && d.body.empty()) : !d.body.empty();
    require(lengths.size() + codings.size() <= 1, "one framing");
    require(codings.empty() || (codings.front() == "chunked" && request.is_chunked()), "chunked");
    require(!request.is_chunked() || codings.size() == 1, "a chunked body is announced");
    require(!has_body || lengths.size() + codings.size() == 1, "a body is announced");
    if (!lengths.empty()) {
        for (const char c : lengths.front()) require(c >= '0' && c <= '9', "a length is a number");
        const bool known = !d.has(streamed) || d.has(length_given);
        require(!known || std::strtoull(lengths.front().c_str(), nullptr, 10) == d.body.size(), "the length is right");
    }
    const auto expectations = sent.all("expect");
    require(expectations.size() == (request.expects_continue() ? 1u : 0u), "Expect");
    require(!request.expects_continue() || (has_body && d.has(expecting)), "Expect only before a body");
    require(request.keep_alive() == !sent.list_has("connection", "close"), "keep_alive");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const description d = describe({data, size});
    const request_builder request = build(d);
    http::field_block defaults;
    defaults.append("X-Default", "1");
    defaults.append("Content-Length", "7");

    base::byte_buffer out;
    const errc error = request.write_head(out, "example.com", d.has(with_defaults) ? &defaults : nullptr);
    require(error == request.error(), "error");
    if (error != errc{}) {
        require(out.empty(), "nothing of a refused request is written");
        return 0;
    }
    const auto sent = fuzz::read_plain_request(out.view());
    require(sent.has_value(), "a strict reader reads it");
    require(sent->method == d.method && sent->target == d.target, "the start line is as given");
    check_fields(*sent, d);
    check_framing(*sent, request, d);
    return 0;
}
