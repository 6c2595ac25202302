// Requests on their way in, collected in one block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/kept_block.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/inbound/request_parser.hpp"

namespace hotpool::inbound::detail {

/// Lays out what is received as the present request keeps it: its head, behind it the body without its coding, and
/// behind that the bytes not yet parsed. No I/O.
class request_collector : private hotpool::detail::kept_block {
public:
    enum class verdict {
        need_more,  ///< receive more
        head,       ///< the head is there
        complete,   ///< the whole request is there
        failed,     ///< see `error`
    };

    static constexpr std::size_t max_room = 64 * 1024;

    explicit request_collector(const http::limits& bounds) noexcept : parser_(bounds) {}

    /// Room for what comes next, of `room_size` bytes.
    /// @param least bytes, up to `max_room`
    char* room(std::size_t least) {
        if (block_.room() < least && begin_ != 0) drop_front();
        if (block_.room() < least) fit_block();
        return block_.prepare(least);
    }
    /// However much there is: others of the loop wait while it is filled.
    std::size_t room_size() const noexcept { return std::min(block_.room(), max_room); }
    void received(std::size_t bytes) noexcept { block_.commit(bytes); }
    /// How much room the rest of the request can use.
    /// @param usual up to `max_room`
    std::size_t wanted_room(std::size_t usual) const noexcept {
        // Memory is not taken on the peer's word alone.
        return static_cast<std::size_t>(std::clamp<std::uint64_t>(parser_.remaining_body_hint(), usual, max_room));
    }

    /// Parses as far as it goes.
    verdict advance() noexcept {
        for (;;) {
            const parse_result r = parser_.parse(block_.view_from(unparsed_));
            unparsed_ += r.consumed;
            switch (r.event) {
                case parse_event::need_more:
                    close_gap();
                    if (!parser_.begun() && unparsed_ == block_.size()) clear();
                    return verdict::need_more;
                case parse_event::failed: error_ = r.error; return verdict::failed;
                case parse_event::end: return verdict::complete;
                case parse_event::body: keep(r.piece); break;
                case parse_event::head:
                    begin_ = unparsed_ - r.piece.size();
                    body_ = kept_ = unparsed_;
                    return verdict::head;
                case parse_event::interim_head: break;
            }
        }
    }

    /// The present request has been dealt with; the bytes behind it are the next one's.
    void next() noexcept {
        parser_.start();
        begin_ = body_ = kept_ = unparsed_;
        if (unparsed_ == block_.size()) clear();
    }

    const request_parser& parser() const noexcept { return parser_; }
    errc error() const noexcept { return error_; }
    /// From its event on, until `next`; moved by `room`.
    std::string_view head_text() const noexcept { return {block_.data() + begin_, body_ - begin_}; }
    std::string_view body_text() const noexcept { return {block_.data() + body_, kept_ - body_}; }
    /// Whether no byte is there of a request, the present or the next.
    bool empty() const noexcept { return !parser_.begun() && !has_next(); }
    bool has_unparsed() const noexcept { return unparsed_ != block_.size(); }
    /// Whether the request behind a complete one has begun.
    bool has_next() const noexcept { return request_parser::has_request(block_.view_from(unparsed_)); }

    std::size_t memory() const noexcept { return block_.capacity(); }
    /// Gives the memory back if nothing is in it.
    void release() noexcept {
        if (block_.empty()) block_.release();
    }

private:
    void clear() noexcept {
        block_.clear();
        begin_ = body_ = kept_ = unparsed_ = 0;
    }
    /// Where the end of a body is in sight the block need not double.
    void fit_block() {
        const std::uint64_t rest = parser_.remaining_body_hint();
        if (rest == 0 || rest > block_.capacity()) return;
        block_.reserve(block_.size() + static_cast<std::size_t>(rest));
    }
    void drop_front() noexcept {
        block_.consume(begin_);
        body_ -= begin_;
        kept_ -= begin_;
        unparsed_ -= begin_;
        begin_ = 0;
    }

    request_parser parser_;
    std::size_t begin_ = 0;
    std::size_t body_ = 0;
    errc error_{};
};

}  // namespace hotpool::inbound::detail
