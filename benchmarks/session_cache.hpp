// Whether the library resumes TLS sessions, and how it is told not to.
#pragma once

#include <hotpool/transport/tls_options.hpp>

#include "bench.hpp"

namespace bench {

template <class Options>
concept can_resume = requires(Options options) {
    options.session_cache_size;
};

enum class sessions { full, resumed_if_possible };

template <class Options = hotpool::tls_options>
Options make_tls_options(const job& job, sessions wanted) {
    Options options{.ca_file = job.ca_file};
    if constexpr (can_resume<Options>)
        if (wanted == sessions::full) options.session_cache_size = 0;
    return options;
}

}  // namespace bench
