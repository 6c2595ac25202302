// A block of received bytes, of which some are kept and the rest is still to be parsed.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "hotpool/base/byte_buffer.hpp"

namespace hotpool::detail {

/// What the collectors of requests and responses have in common: the bytes up to `kept_` stay, those from `unparsed_` on
/// have not been parsed, and what lies between is dropped. Moves bytes within the block only.
class kept_block {
protected:
    /// @param piece lies in the block, not before the end of what is kept
    void keep(std::string_view piece) noexcept {
        char* to = block_.data() + kept_;
        if (piece.data() != to) std::memmove(to, piece.data(), piece.size());
        kept_ += piece.size();
    }
    /// Moves the unparsed bytes down to those that are kept.
    void close_gap() noexcept {
        if (kept_ == unparsed_) return;
        const std::size_t rest = block_.size() - unparsed_;
        if (rest != 0) std::memmove(block_.data() + kept_, block_.data() + unparsed_, rest);
        block_.truncate(kept_ + rest);
        unparsed_ = kept_;
    }

    base::byte_buffer block_;
    std::size_t kept_ = 0;
    std::size_t unparsed_ = 0;
};

}  // namespace hotpool::detail
