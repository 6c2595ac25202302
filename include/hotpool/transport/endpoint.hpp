// Addresses as Asio has them, and as the rest of the library does.
#pragma once

#include "hotpool/base/ip_address.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

inline net::ip::address to_asio(const ip_address& address) {
    if (address.is_v4()) return net::ip::address_v4(address.v4_bytes());
    return net::ip::address_v6(address.v6_bytes(), address.scope_id());
}
inline net::ip::tcp::endpoint to_asio(const ip_endpoint& endpoint) {
    return {to_asio(endpoint.address), endpoint.port};
}

inline ip_address from_asio(const net::ip::address& address) {
    if (address.is_v4()) return ip_address(address.to_v4().to_bytes());
    const net::ip::address_v6 v6 = address.to_v6();
    return ip_address(v6.to_bytes(), static_cast<std::uint32_t>(v6.scope_id()));
}
inline ip_endpoint from_asio(const net::ip::tcp::endpoint& endpoint) {
    return {from_asio(endpoint.address()), endpoint.port()};
}

}  // namespace hotpool::detail
