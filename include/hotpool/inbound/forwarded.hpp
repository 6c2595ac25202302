// Which client is behind the trusted proxies.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/inbound/forwarded_element.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"

namespace hotpool::inbound {

/// The field that the trusted proxies set. One of the two is believed and never the other: a proxy that writes the one
/// passes the other on as the client has sent it.
enum class forwarded_field : std::uint8_t { x_forwarded_for, forwarded };

/// The field's name.
constexpr std::string_view to_string(forwarded_field field) noexcept {
    return field == forwarded_field::forwarded ? "Forwarded" : "X-Forwarded-For";
}

/// Finds the client of a request from the peer that it came from and the field lines that name the hops before. Read
/// from the end: as long as a hop is a trusted proxy, the element that it wrote names the hop before it. The first that
/// is not trusted is the client; if all are trusted, the first of all. What stands farther left is anybody's invention.
/// An element that names no address, empty ones included, or breaks the grammar ends the search at the proxy that wrote
/// it. From a peer that is no trusted proxy, the lines are ignored.
/// @threads distinct objects only
/// @lifetime the proxies must outlive it
/// @cost a walk over the trusted end of each line; no allocation
/// @source RFC 7239; for `X-Forwarded-For`, which no RFC describes, what proxies do
class client_finder {
public:
    client_finder(const ip_address& peer, forwarded_field field, const trusted_proxies& proxies) noexcept
        : peer_(peer), proxies_(&proxies), field_(field), peer_is_trusted_(proxies.contains(peer)) {}

    /// The value of the next line of the field, in the order of the head.
    void line_received(std::string_view value) noexcept {
        if (!peer_is_trusted_) return;
        std::optional<ip_address> leftmost;  // of the trusted hops of this line
        do {
            const auto hop = take_last_hop(value);
            if (!hop || !proxies_->contains(*hop)) {
                found_ = hop ? hop : leftmost;
                return;
            }
            leftmost = hop;
        } while (value.data() != nullptr);
        // All of them are trusted, so the line before goes on; unless there is none, or it ended with no address.
        if (!found_) found_ = leftmost;
    }

    /// The client by the lines so far, an IPv4 one where it is IPv4-mapped.
    ip_address client() const noexcept { return (found_ ? *found_ : peer_).unmapped(); }

private:
    std::optional<ip_address> take_last_hop(std::string_view& rest) const noexcept {
        const bool quotes = field_ == forwarded_field::forwarded;
        const std::string_view element = detail::take_last_element(rest, quotes);
        return quotes ? detail::read_forwarded(element) : detail::read_address(element);
    }

    ip_address peer_;
    const trusted_proxies* proxies_;
    forwarded_field field_;
    bool peer_is_trusted_;
    std::optional<ip_address> found_;
};

/// The client of a request, as `client_finder` finds it.
/// @param fields all fields of the head in its order, a range of `http::field` such as `http::fields_view`
template <class Fields>
ip_address client_address(const ip_address& peer, const Fields& fields, forwarded_field which,
                          const trusted_proxies& proxies) noexcept {
    if (!proxies.contains(peer)) return peer.unmapped();
    client_finder finder{peer, which, proxies};
    for (const http::field& line : fields)
        if (http::equals_ignoring_case(line.name, to_string(which))) finder.line_received(line.value);
    return finder.client();
}

}  // namespace hotpool::inbound
