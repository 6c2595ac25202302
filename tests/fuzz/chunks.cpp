// Chunked bodies: the reader against one by another hand, in pieces and whole; and what the writer makes, read back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "fuzz/plain_chunks.hpp"
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/http/chunk_reader.hpp"
#include "hotpool/http/chunk_writer.hpp"

using namespace hotpool;
using hotpool::fuzz::plain_chunks;
using hotpool::fuzz::require;

namespace {

/// Reads `bytes`, of which ever more can be seen, up to each of `ends`.
plain_chunks read(std::string_view bytes, const std::vector<std::size_t>& ends, const http::limits& bounds) {
    http::chunk_reader reader;
    reader.start(bounds);
    plain_chunks result;
    std::size_t consumed = 0;
    for (const std::size_t end : ends) {
        for (;;) {
            const std::vector<char> exact(bytes.begin() + static_cast<std::ptrdiff_t>(consumed),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(end));
            const parse_result step = reader.parse({exact.data(), exact.size()});
            require(step.consumed <= exact.size(), "only what is seen is consumed");
            require((step.event == parse_event::body) == !step.piece.empty(), "pieces are not empty");
            consumed += step.consumed;
            result.body += step.piece;
            if (step.event == parse_event::failed) {
                require(step.error != errc{}, "a failure has a reason");
                result.how = plain_chunks::end::wrong;
                return result;
            }
            if (step.event == parse_event::end) {
                result.how = plain_chunks::end::complete;
                result.consumed = consumed;
                return result;
            }
            if (step.event == parse_event::need_more) break;
        }
    }
    return result;
}

void check_reading(std::string_view bytes, const std::vector<std::size_t>& ends, const http::limits& bounds) {
    const plain_chunks seen = read(bytes, ends, bounds);
    const plain_chunks wanted =
        fuzz::read_plain_chunks(bytes, {bounds.max_chunk_line_bytes, bounds.max_trailer_bytes, bounds.max_body_bytes});
    require(seen.how == wanted.how, "both take or refuse it");
    require(seen.body == wanted.body, "both read the same body");
    require(seen.consumed == wanted.consumed, "both stop at the same byte");
    require(seen.body.size() <= bounds.max_body_bytes, "max_body_bytes");
}

/// Writes `data` in chunks that end at `ends` and reads them back.
void check_writing(std::string_view data, const std::vector<std::size_t>& ends) {
    base::byte_buffer out;
    std::size_t from = 0;
    for (const std::size_t end : ends) {
        http::append_chunk(out, data.substr(from, end - from));
        from = end;
    }
    out.append(http::last_chunk);
    const plain_chunks back = fuzz::read_plain_chunks(out.view(), {18, 0, data.size()});
    require(back.how == plain_chunks::end::complete && back.body == data, "what is written can be read");
    require(back.consumed == out.size(), "nothing else is written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const bool narrow = from.byte() % 2 != 0;
    const http::limits bounds =
        narrow ? http::limits{.max_chunk_line_bytes = 24, .max_trailer_bytes = 12, .max_body_bytes = 20}
               : http::limits{};
    std::vector<std::size_t> ends = fuzz::take_cuts(from);
    const std::string_view bytes = from.rest();
    ends.push_back(bytes.size());

    check_reading(bytes, {bytes.size()}, bounds);
    check_reading(bytes, ends, bounds);
    check_writing(bytes, ends);
    return 0;
}
