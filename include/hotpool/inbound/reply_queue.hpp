// Replies on their way out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/inbound/reply.hpp"

namespace hotpool::inbound::detail {

/// The bytes still to be written: heads and small bodies in one block, and behind them at most one body that lies
/// elsewhere. Nothing is added while they are being written. No I/O.
class reply_queue {
public:
    void append(std::string_view text) { block_.append(text); }

    /// @errors throws `std::bad_alloc`; nothing has been added then, and `r` is as it was
    void add(const reply& r, const reply_writer& how) {
        const std::string_view body = how.body_of(r);
        whole_or_nothing guard(block_);
        how.write_head(block_, r);
        if (r.shared_body() && body.size() > max_copied)
            keep(r.shared_body(), body, 0);
        else
            block_.append(body);
        guard.whole();
    }
    void add(reply&& r, const reply_writer& how) {
        if (r.shared_body() || how.body_of(r).size() <= max_copied) return add(std::as_const(r), how);
        whole_or_nothing guard(block_);
        how.write_head(block_, r);
        auto kept = std::make_shared<const reply>(std::move(r));  // allocates before it moves
        const std::string_view body = kept->body_view();
        const std::size_t own = body.size();
        keep(std::move(kept), body, own);
        guard.whole();
    }

    /// Whether another reply may be added before these are written: the block stays small, and one body lies elsewhere.
    bool has_room() const noexcept { return body_.empty() && block_.size() < max_gathered; }
    bool empty() const noexcept { return at_ == block_.size() && body_.empty(); }
    /// What is kept for these replies alone.
    std::size_t memory() const noexcept { return block_.capacity() + own_; }
    std::string_view head() const noexcept { return block_.view_from(at_); }
    std::string_view body() const noexcept { return body_; }

    void written(std::size_t bytes) noexcept {
        const std::size_t of_head = std::min(bytes, block_.size() - at_);
        at_ += of_head;
        body_.remove_prefix(bytes - of_head);
        if (!empty()) return;
        block_.clear();
        at_ = 0;
        kept_.reset();
        own_ = 0;
    }
    void release() noexcept { block_.release(); }

private:
    static constexpr std::size_t max_copied = 8 * 1024;     // from here on a copy costs more than a second buffer
    static constexpr std::size_t max_gathered = 16 * 1024;  // a record of TLS

    /// Takes back what a reply has added that cannot be finished.
    class whole_or_nothing {
    public:
        explicit whole_or_nothing(base::byte_buffer& block) noexcept : block_(block), size_(block.size()) {}
        ~whole_or_nothing() {
            if (!whole_) block_.truncate(size_);
        }
        void whole() noexcept { whole_ = true; }

    private:
        base::byte_buffer& block_;
        const std::size_t size_;
        bool whole_ = false;
    };

    void keep(std::shared_ptr<const void> owner, std::string_view body, std::size_t own) noexcept {
        kept_ = std::move(owner);
        body_ = body;
        own_ = own;
    }

    base::byte_buffer block_;
    std::size_t at_ = 0;
    std::string_view body_;
    std::shared_ptr<const void> kept_;
    std::size_t own_ = 0;  // bytes of `body_` that nobody else has
};

}  // namespace hotpool::inbound::detail
