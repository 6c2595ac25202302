// What is read into or written of a sequence of buffers.
#pragma once

#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// The first buffer of a sequence that holds a byte, or an empty one.
template <class Buffer, class Buffers>
Buffer first_nonempty(const Buffers& buffers) {
    const auto end = net::buffer_sequence_end(buffers);
    for (auto it = net::buffer_sequence_begin(buffers); it != end; ++it)
        if (const Buffer b(*it); b.size() != 0) return b;
    return {};
}

}  // namespace hotpool::detail
