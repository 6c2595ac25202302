// A thread on a core of its own.
#pragma once

#include <sched.h>

#include <cstddef>

namespace bench {

// Threads that share a core hardly ever contend, so each gets one of its own while there are enough.
inline void pin_to_core(std::size_t which) {
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
        if (!CPU_ISSET(core, &allowed) || which-- > 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        ::sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

}  // namespace bench
