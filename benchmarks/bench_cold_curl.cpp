// libcurl's easy interface, told to close each connection after its request, or not.
#include <openssl/ssl.h>

#include <stdexcept>

#include "bench_cold.hpp"
#include "curl_call.hpp"

namespace bench {

namespace {

template <handshake With>
class curl_row final : public row {
public:
    curl_row(const job& job, connections use) : expected_{job.body_bytes} {
        set(CURLOPT_URL, url_of(job).c_str());
        set(CURLOPT_CAINFO, job.ca_file.c_str());
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        set(CURLOPT_HTTPHEADER, fields_);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_FORBID_REUSE, use == connections::new_each ? 1L : 0L);
        set(CURLOPT_SSL_SESSIONID_CACHE, With == handshake::resumed ? 1L : 0L);
        set(CURLOPT_WRITEFUNCTION, &receive);
        set(CURLOPT_WRITEDATA, this);
        if (With == handshake::resumed) fetch_once();
    }
    ~curl_row() override {
        curl_easy_cleanup(handle_);
        curl_slist_free_all(fields_);
    }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests) {
            fetch_once();
            if (resumed_ != (With == handshake::resumed))
                throw std::runtime_error{"libcurl: not the handshake that was asked for"};
        }
    }

private:
    static std::size_t receive(char*, std::size_t, std::size_t bytes, void* row) {
        auto& self = *static_cast<curl_row*>(row);
        self.received_ += bytes;
        curl_tlssessioninfo* tls = nullptr;
        // Once the transfer is over, libcurl does not give its session away any more.
        if (curl_easy_getinfo(self.handle_, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls->internals != nullptr)
            self.resumed_ = SSL_session_reused(static_cast<SSL*>(tls->internals)) == 1;
        return bytes;
    }

    void fetch_once() {
        received_ = 0;
        resumed_ = false;
        check(curl_easy_perform(handle_));
        long status = 0;
        check(curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status));
        if (status != 200 || received_ != expected_) throw std::runtime_error{"libcurl: unexpected response"};
    }

    template <class Value>
    void set(CURLoption option, Value value) {
        check(curl_easy_setopt(handle_, option, value));
    }

    CURL* handle_ = curl_easy_init();
    curl_slist* fields_ = curl_slist_append(curl_slist_append(nullptr, "Connection: keep-alive"), "Accept:");
    std::size_t expected_;
    std::size_t received_ = 0;
    bool resumed_ = false;
};

}  // namespace

void add_cold_curl(std::vector<cold_kind>& kinds) {
    kinds.push_back({handshake::none, "libcurl", open_cold<curl_row<handshake::none>>});
    kinds.push_back({handshake::full, "libcurl", open_cold<curl_row<handshake::full>>});
    kinds.push_back({handshake::resumed, "libcurl", open_cold<curl_row<handshake::resumed>>});
}

}  // namespace bench
