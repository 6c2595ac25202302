// Replies on their way out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/inbound/reply.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

/// The bytes still to be written: heads and small bodies in one block, and behind them at most one body that lies
/// elsewhere. Nothing is added while they are being written. No I/O.
class reply_queue {
public:
    void append(std::string_view text) { block_.append(text); }

    void add(const reply& r, const reply_writer& how) {
        const std::string_view body = how.body_of(r);
        how.write_head(block_, r);
        if (r.shared_body() && body.size() > max_copied)
            keep(r.shared_body(), body);
        else
            block_.append(body);
    }
    void add(reply&& r, const reply_writer& how) {
        if (r.shared_body() || how.body_of(r).size() <= max_copied) return add(std::as_const(r), how);
        how.write_head(block_, r);
        auto kept = std::make_shared<const reply>(std::move(r));
        const std::string_view body = kept->body_view();
        keep(std::move(kept), body);
    }

    /// Whether another reply may be added before these are written: the block stays small, and one body lies elsewhere.
    bool has_room() const noexcept { return body_.empty() && block_.size() < max_gathered; }
    bool empty() const noexcept { return at_ == block_.size() && body_.empty(); }
    net::const_buffer head() const noexcept { return net::buffer(block_.view_from(at_)); }
    net::const_buffer body() const noexcept { return net::buffer(body_); }

    void written(std::size_t bytes) noexcept {
        const std::size_t of_head = std::min(bytes, block_.size() - at_);
        at_ += of_head;
        body_.remove_prefix(bytes - of_head);
        if (!empty()) return;
        block_.clear();
        at_ = 0;
        kept_.reset();
    }
    void release() noexcept { block_.release(); }

private:
    static constexpr std::size_t max_copied = 8 * 1024;  // from here on a copy costs more than a second buffer
    static constexpr std::size_t max_gathered = 16 * 1024;  // a record of TLS

    void keep(std::shared_ptr<const void> owner, std::string_view body) noexcept {
        kept_ = std::move(owner);
        body_ = body;
    }

    base::byte_buffer block_;
    std::size_t at_ = 0;
    std::string_view body_;
    std::shared_ptr<const void> kept_;
};

}  // namespace hotpool::inbound::detail
