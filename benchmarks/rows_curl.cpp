// libcurl: the easy interface with its connection reused, and the multi interface with many at once.
#include "curl_call.hpp"

#include <stdexcept>

namespace bench {

namespace {

std::size_t count_bytes(char*, std::size_t, std::size_t bytes, void* received) {
    *static_cast<std::size_t*>(received) += bytes;
    return bytes;
}

// An easy handle set up for the job's request; not movable, libcurl keeps a pointer to `received_`.
class easy {
public:
    explicit easy(const job& job) : expected_{job.body_bytes} {
        set(CURLOPT_URL, url_of(job).c_str());
        set(CURLOPT_CAINFO, job.ca_file.c_str());
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        set(CURLOPT_HTTPHEADER, fields_);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_WRITEFUNCTION, &count_bytes);
        set(CURLOPT_WRITEDATA, &received_);
        set(CURLOPT_PRIVATE, this);
        // The default of 16 KiB makes bodies larger than this up to twice as dear.
        if (job.body_bytes > std::size_t{large_buffer_bytes}) set(CURLOPT_BUFFERSIZE, large_buffer_bytes);
    }
    easy(const easy&) = delete;
    easy& operator=(const easy&) = delete;
    ~easy() {
        curl_easy_cleanup(handle_);
        curl_slist_free_all(fields_);
    }

    CURL* handle() const { return handle_; }
    void perform() {
        check(curl_easy_perform(handle_));
        check_response();
    }
    void check_response() {
        long status = 0;
        check(curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status));
        if (status != 200 || received_ != expected_) throw std::runtime_error{"libcurl: unexpected response"};
        received_ = 0;
    }

private:
    static constexpr long large_buffer_bytes = 64 << 10;

    template <class Value>
    void set(CURLoption option, Value value) {
        check(curl_easy_setopt(handle_, option, value));
    }

    CURL* handle_ = curl_easy_init();
    curl_slist* fields_ = curl_slist_append(curl_slist_append(nullptr, "Connection: keep-alive"), "Accept:");
    std::size_t expected_;
    std::size_t received_ = 0;
};

class easy_row final : public row {
public:
    explicit easy_row(const job& job) : easy_{job} { easy_.perform(); }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests) easy_.perform();
    }

private:
    easy easy_;
};

class multi_row final : public row {
public:
    explicit multi_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i) transfers_.push_back(std::make_unique<easy>(job));
        run(job.connections);
    }
    ~multi_row() override {
        transfers_.clear();
        curl_multi_cleanup(multi_);
    }

    void run(std::uint64_t requests) override {
        std::uint64_t unsent = requests;
        for (const auto& each : transfers_) start(*each, unsent);
        for (std::uint64_t unanswered = requests; unanswered > 0;) {
            int running = 0;
            check(curl_multi_perform(multi_, &running));
            int left = 0;
            while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
                check(message->data.result);
                easy* done = nullptr;
                check(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done));
                done->check_response();
                check(curl_multi_remove_handle(multi_, done->handle()));
                --unanswered;
                start(*done, unsent);
            }
            if (unanswered > 0) check(curl_multi_poll(multi_, nullptr, 0, 1000, nullptr));
        }
    }

private:
    void start(easy& transfer, std::uint64_t& unsent) {
        if (unsent == 0) return;
        --unsent;
        check(curl_multi_add_handle(multi_, transfer.handle()));
    }

    CURLM* multi_ = curl_multi_init();
    std::vector<std::unique_ptr<easy>> transfers_;
};

}  // namespace

void add_curl_rows(registry& rows) {
    for (const layer on : {layer::plain, layer::tls}) {
        rows.push_back({"curl", on, flow::sequential, "libcurl, easy", open<easy_row>});
        rows.push_back({"curl", on, flow::concurrent, "libcurl, multi", open<multi_row>});
    }
}

}  // namespace bench
