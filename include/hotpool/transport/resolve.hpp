// From a host to its addresses, by the system's resolver.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>

#if __has_include(<netdb.h>)
#    include <netdb.h>
#endif

#include "hotpool/base/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/endpoint.hpp"
#include "hotpool/transport/resolver.hpp"

namespace hotpool {

namespace detail {

/// The library's name for what `getaddrinfo` has returned.
inline std::error_code resolve_error(int failure, bool empty) noexcept {
    switch (failure) {
        case 0: return empty ? make_error_code(errc::resolve_empty) : std::error_code();
#if defined(EAI_NODATA)
        case EAI_NODATA: return errc::resolve_empty;
#endif
        case EAI_MEMORY: return std::make_error_code(std::errc::not_enough_memory);
#if defined(EAI_SYSTEM)
        case EAI_SYSTEM: return errno == EMFILE || errno == ENFILE ? errc::descriptors_exhausted : errc::resolve_failed;
#endif
        default: return errc::resolve_failed;
    }
}
/// Whether it says that the name does not exist, or has no address; anything else may be over in a moment.
inline bool is_definite(int failure) noexcept {
    switch (failure) {
        case EAI_NONAME: return true;
#if defined(EAI_NODATA)
        case EAI_NODATA: return true;
#endif
#if defined(EAI_ADDRFAMILY)
        case EAI_ADDRFAMILY: return true;
#endif
        default: return false;
    }
}

/// Asks the system's resolver, with all that it goes by: nsswitch, the hosts file, its options. Blocks.
inline look_up_answer look_up_by_system(const std::string& host) {
    struct list_end {
        void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
    };
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    addrinfo* list = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    const int cause = errno;
    const std::unique_ptr<addrinfo, list_end> held(failure == 0 ? list : nullptr);

    look_up_answer answer;
    for (const addrinfo* entry = held.get(); entry != nullptr; entry = entry->ai_next) {
        net::ip::tcp::endpoint endpoint;
        if (entry->ai_addr == nullptr || entry->ai_addrlen > endpoint.capacity()) continue;
        std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
        answer.addresses.push_back(from_asio(endpoint.address()));
    }
    errno = cause;
    answer.error = resolve_error(failure, answer.addresses.empty());
    answer.definite = answer.error == errc::resolve_empty || is_definite(failure);
    return answer;
}

/// What all pools ask. Never destroyed: when the process ends, a thread of it may be in the middle of a look-up.
/// @errors throws `std::bad_alloc` where it has not been asked before
inline resolver& system_resolver() {
    static resolver& only = *new resolver(look_up_by_system);
    return only;
}

}  // namespace detail

/// The look-ups of all pools of this process that have no endpoint source of their own.
/// @errors throws `std::bad_alloc` if no pool has asked before
/// @threads any thread
inline resolver_stats system_resolver_stats() { return detail::system_resolver().stats(); }

}  // namespace hotpool
