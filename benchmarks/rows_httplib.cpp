// cpp-httplib: its blocking client with the connection kept alive.
#include <httplib.h>

#include <stdexcept>

#include "bench.hpp"

namespace bench {

namespace {

class httplib_row final : public row {
public:
    explicit httplib_row(const job& job)
        : client_{(job.on == layer::tls ? "https://" : "http://") + job.host + ':' + job.port},
          path_{job.path},
          body_bytes_{job.body_bytes} {
        client_.set_keep_alive(true);
        client_.set_tcp_nodelay(true);
        if (job.on == layer::tls) {
            client_.set_ca_cert_path(job.ca_file.c_str());
            client_.enable_server_certificate_verification(true);
        }
        run(1);
    }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests) {
            const httplib::Result result = client_.Get(path_.c_str());
            if (!result) throw std::runtime_error{"cpp-httplib: " + httplib::to_string(result.error())};
            if (result->status != 200 || result->body.size() != body_bytes_)
                throw std::runtime_error{"cpp-httplib: unexpected response"};
        }
    }

private:
    httplib::Client client_;
    std::string path_;
    std::size_t body_bytes_;
};

}  // namespace

void add_httplib_rows(registry& rows) {
    for (const layer on : {layer::plain, layer::tls})
        rows.push_back({"httplib", on, flow::sequential, "cpp-httplib", open<httplib_row>});
}

}  // namespace bench
