// A request on its way out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/chunk_writer.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/request_builder.hpp"

namespace hotpool::detail {

/// What is to be written next of a request: a front part from a block of its own and, behind it, the text of a body
/// where it lies. No I/O.
/// @lifetime the request outlives it
class request_writer {
public:
    /// From now on no body is withheld.
    void do_not_ask_first() noexcept { asks_first_ = false; }
    /// @return why the request must not be sent, or `errc{}`
    errc start(const request_builder& request, std::string_view host_value, const http::field_block* defaults) {
        request_ = &request;
        written_ = 0;
        sent_ = 0;
        pulled_ = 0;
        block_.clear();
        if (const errc e = request.write_head(block_, host_value, defaults, asks_first_); e != errc{}) return e;
        body_ = request.body_view();
        source_ended_ = !request.is_streamed();
        withheld_ = asks_first_ && request.expects_continue();
        return errc{};
    }

    std::string_view front() const noexcept { return block_.view_from(sent_); }
    std::string_view body() const noexcept { return withheld_ ? std::string_view() : body_; }
    /// Whether the body waits for the origin's consent.
    bool withheld() const noexcept { return withheld_; }
    void release_body() noexcept { withheld_ = false; }

    /// Everything has been written that can be for now: all, or all but a withheld body.
    bool at_rest() const noexcept { return front().empty() && (withheld_ || (body_.empty() && source_ended_)); }
    bool complete() const noexcept { return !withheld_ && at_rest(); }
    std::uint64_t written() const noexcept { return written_; }

    void wrote(std::size_t bytes) noexcept {
        written_ += bytes;
        const std::size_t from_front = std::min(bytes, front().size());
        sent_ += from_front;
        body_.remove_prefix(bytes - from_front);
        if (sent_ == block_.size()) {
            block_.clear();
            sent_ = 0;
        }
    }

    /// Whether more of a streamed body is to be pulled: then `refill`.
    bool lacks_body() const noexcept { return !source_ended_ && !withheld_ && front().empty(); }
    /// Pulls more of a streamed body when the front is empty.
    /// @return the source's failure, or `errc::body_length_mismatch`
    std::error_code refill() {
        if (!lacks_body()) return {};
        return request_->is_chunked() ? refill_chunk() : refill_plain();
    }

    /// Gives its memory back; nothing is left to write.
    void release() noexcept { block_.release(); }

private:
    static constexpr std::size_t pull_bytes = 16 * 1024 - 16;  // with its chunk line one TLS record

    std::error_code refill_chunk() {
        std::error_code error;
        const std::size_t got = http::append_chunk(
            block_, pull_bytes, [&](std::span<char> room) { return request_->source().pull(room, error); });
        if (error || got != 0) return error;
        block_.append(http::last_chunk);
        source_ended_ = true;
        return {};
    }

    std::error_code refill_plain() {
        std::error_code error;
        const std::uint64_t length = *request_->content_length();
        const std::size_t got = request_->source().pull({block_.prepare(pull_bytes), pull_bytes}, error);
        if (error) return error;
        pulled_ += got;
        if (pulled_ > length || (got == 0 && pulled_ < length)) return errc::body_length_mismatch;
        block_.commit(got);
        source_ended_ = got == 0;
        return {};
    }

    const request_builder* request_ = nullptr;
    base::byte_buffer block_;
    std::size_t sent_ = 0;  // bytes of the block
    std::string_view body_;
    std::uint64_t pulled_ = 0;
    std::uint64_t written_ = 0;
    bool source_ended_ = true;
    bool withheld_ = false;
    bool asks_first_ = true;
};

}  // namespace hotpool::detail
