// The floor of cold connections: bare sockets, and OpenSSL on them.
#include <optional>
#include <stdexcept>

#include "bench_cold.hpp"
#include "dial.hpp"

namespace bench {

namespace {

// A connection made by the constructor of `Dial` from the job and whatever else it needs.
template <class Dial>
class dial_row : public row {
protected:
    dial_row(const job& job, connections use) : job_{job}, request_{request_bytes(job)}, use_{use} {}

    template <class... More>
    void fetch_each(std::uint64_t requests, More... more) {
        for (; requests > 0; --requests) {
            if (!connection_) connection_.emplace(job_, more...);
            fetch(*connection_, request_, job_);
            if (use_ == connections::new_each) connection_.reset();
        }
    }

private:
    job job_;
    std::string request_;
    connections use_;
    std::optional<Dial> connection_;
};

class plain_row final : public dial_row<plain_dial> {
public:
    plain_row(const job& job, connections use) : dial_row{job, use} {}

    void run(std::uint64_t requests) override { fetch_each(requests); }
};

class full_row final : public dial_row<tls_dial> {
public:
    full_row(const job& job, connections use) : dial_row{job, use}, context_{make_tls_context(job)} {
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
    }

    void run(std::uint64_t requests) override { fetch_each(requests, context_.get()); }

private:
    tls_context context_;
};

// Each connection resumes with a ticket of the one before.
class resumed_row final : public row {
public:
    resumed_row(const job& job, connections)
        : job_{job}, request_{request_bytes(job)}, context_{make_tls_context(job)}, tickets_{context_.get()} {
        connect_once();
    }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests)
            if (!connect_once()) throw std::runtime_error{"bare OpenSSL: a session was not resumed"};
    }

private:
    bool connect_once() {
        tls_dial connection{job_, context_.get(), tickets_.take().get()};
        fetch(connection, request_, job_);
        return connection.resumed();
    }

    job job_;
    std::string request_;
    tls_context context_;
    tls_tickets tickets_;
};

}  // namespace

void add_cold_sockets(std::vector<cold_kind>& kinds) {
    kinds.push_back({handshake::none, "bare sockets", open_cold<plain_row>});
    kinds.push_back({handshake::full, "bare OpenSSL", open_cold<full_row>});
    kinds.push_back({handshake::resumed, "bare OpenSSL", open_cold<resumed_row>});
}

}  // namespace bench
