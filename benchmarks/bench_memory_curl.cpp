// Idle connections in libcurl's multi interface; the easy handles that made them are gone.
#include <stdexcept>
#include <utility>

#include "bench_memory.hpp"
#include "curl_call.hpp"

namespace bench {

namespace {

std::size_t drop(char*, std::size_t, std::size_t bytes, void*) { return bytes; }

class cached final : public idle_set {
public:
    explicit cached(const job& job) : url_{url_of(job)}, ca_file_{job.ca_file} {
        check(curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 2000L));
    }
    ~cached() override { curl_multi_cleanup(multi_); }

    void grow_to(std::size_t connections) override {
        for (std::size_t i = open_; i < connections; ++i) check(curl_multi_add_handle(multi_, make_transfer()));
        for (std::size_t unanswered = connections - std::exchange(open_, connections); unanswered > 0;) {
            int running = 0;
            check(curl_multi_perform(multi_, &running));
            int left = 0;
            while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
                check(message->data.result);
                CURL* const done = message->easy_handle;
                finished_.push_back(done);
                --unanswered;
            }
            if (unanswered > 0) check(curl_multi_poll(multi_, nullptr, 0, 1000, nullptr));
        }
        for (CURL* const done : finished_) {
            check(curl_multi_remove_handle(multi_, done));
            curl_easy_cleanup(done);
        }
        finished_ = {};
    }

private:
    CURL* make_transfer() const {
        CURL* const made = curl_easy_init();
        check(curl_easy_setopt(made, CURLOPT_URL, url_.c_str()));
        check(curl_easy_setopt(made, CURLOPT_CAINFO, ca_file_.c_str()));
        check(curl_easy_setopt(made, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1));
        check(curl_easy_setopt(made, CURLOPT_NOSIGNAL, 1L));
        check(curl_easy_setopt(made, CURLOPT_FRESH_CONNECT, 1L));
        check(curl_easy_setopt(made, CURLOPT_FAILONERROR, 1L));
        check(curl_easy_setopt(made, CURLOPT_WRITEFUNCTION, &drop));
        return made;
    }

    std::string url_;
    std::string ca_file_;
    CURLM* multi_ = curl_multi_init();
    std::size_t open_ = 0;
    std::vector<CURL*> finished_;
};

}  // namespace

void add_idle_curl(std::vector<idle_kind>& kinds) {
    kinds.push_back({"curl", layer::plain, "libcurl, multi", open_idle<cached>});
    kinds.push_back({"curl", layer::tls, "libcurl, multi", open_idle<cached>});
}

}  // namespace bench
