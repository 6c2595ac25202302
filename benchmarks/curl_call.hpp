// What the uses of libcurl share: a failed call ends the benchmark, and a job has a URL.
#pragma once

#include <curl/curl.h>

#include <stdexcept>
#include <string>

#include "bench.hpp"

namespace bench {

inline void check(CURLcode result) {
    if (result != CURLE_OK) throw std::runtime_error{curl_easy_strerror(result)};
}
inline void check(CURLMcode result) {
    if (result != CURLM_OK) throw std::runtime_error{curl_multi_strerror(result)};
}

inline std::string url_of(const job& job) {
    return (job.on == layer::tls ? "https://" : "http://") + job.host + ':' + job.port + job.path;
}

}  // namespace bench
