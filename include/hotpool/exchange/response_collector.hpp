// A response on its way in, collected in one block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/kept_block.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/http/response_parser.hpp"

namespace hotpool::detail {

/// Lays out what is received as the response keeps it: the head, directly behind it the body without its coding,
/// and behind that, for as long as there are any, the bytes not yet parsed. No I/O.
class response_collector : private kept_block {
public:
    enum class verdict {
        need_more,  ///< receive more
        interim,    ///< a 1xx response has been dropped; there may be more in the block
        head,       ///< the final head is there
        complete,   ///< the whole response is there
        failed,     ///< see `error`
    };

    explicit response_collector(const http::limits& bounds) noexcept : parser_(bounds) {}

    void start(request_kind kind, bool upgrade_requested) noexcept {
        parser_.start(kind, upgrade_requested);
        block_.clear();
        kept_ = unparsed_ = head_size_ = 0;
    }

    /// Room for what comes next: large enough that a small response takes one read, and a body of known length ends
    /// where the block ends but for one byte, which shows whether something follows.
    char* room(std::size_t block_bytes) {
        const std::uint64_t rest = parser_.remaining_body_hint();
        if (rest != 0) return block_.prepare(static_cast<std::size_t>(std::min<std::uint64_t>(rest, max_ahead)) + 1);
        return block_.prepare(block_.size() < block_bytes / 2 ? block_bytes - block_.size() : min_room);
    }
    std::size_t room_size() const noexcept { return block_.room(); }
    void received(std::size_t bytes) noexcept { block_.commit(bytes); }

    /// Parses as far as it goes.
    verdict advance() noexcept {
        for (;;) {
            const parse_result r = parser_.parse(block_.data() + unparsed_, block_.size() - unparsed_);
            unparsed_ += r.consumed;
            switch (r.event) {
                case parse_event::need_more: close_gap(); return verdict::need_more;
                case parse_event::failed: error_ = r.error; return verdict::failed;
                case parse_event::end: return verdict::complete;
                case parse_event::interim_head: close_gap(); return verdict::interim;
                case parse_event::head: head_size_ = kept_ = r.consumed; return verdict::head;
                case parse_event::body:
                    keep(r.piece);
                    if (parser_.complete()) return verdict::complete;
                    break;
            }
        }
    }

    /// The peer has closed its side: complete or failed.
    verdict finish() noexcept {
        const parse_result r = parser_.finish();
        error_ = r.error;
        return r.event == parse_event::end ? verdict::complete : verdict::failed;
    }

    errc error() const noexcept { return error_; }
    response_parser& parser() noexcept { return parser_; }
    std::string_view unparsed() const noexcept { return block_.view_from(unparsed_); }
    bool empty() const noexcept { return block_.empty(); }
    void release() noexcept { block_.release(); }

    /// The response with all that has been kept; the bytes not parsed are lost.
    response take(bool request_complete) {
        block_.truncate(kept_);
        auto whole = access::make<response>(parser_.head(), head_size_, std::move(block_), request_complete);
        block_.release();
        return whole;
    }

private:
    static constexpr std::size_t min_room = 4 * 1024;
    static constexpr std::size_t max_ahead = 1024 * 1024;  // memory is not taken on the peer's word alone

    response_parser parser_;
    std::size_t head_size_ = 0;
    errc error_{};
};

}  // namespace hotpool::detail
