// What the failure of one connection says of others.
#pragma once

#include <cstdint>

namespace hotpool::detail {

/// The doubt that a connection casts on those that lie idle, when it fails before any byte of a response and had been
/// used before.
enum class doubt : std::uint8_t {
    none,
    closed,  ///< its peer had closed it: those to the same address that have been idle as long or longer likely are, too
    silent,  ///< nothing came in time: nor perhaps would it on any that has not been heard of since it was asked
};

}  // namespace hotpool::detail
