// Idle connections of bare OpenSSL, with each of the ways it has to keep fewer buffers.
#include <deque>
#include <optional>

#include "bench_memory.hpp"
#include "dial.hpp"

namespace bench {

namespace {

enum class buffers { kept, released_by_mode, freed_when_idle };

template <buffers Policy, bool Resumes = false>
class connections final : public idle_set {
public:
    explicit connections(const job& job) : job_{job}, context_{make_tls_context(job)} {
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
        if (Resumes) tickets_.emplace(context_.get());
        if (Policy == buffers::released_by_mode) SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS);
    }

    void grow_to(std::size_t count) override {
        while (connections_.size() < count) {
            tls_dial& added =
                connections_.emplace_back(job_, context_.get(), Resumes ? tickets_->take().get() : nullptr);
            fetch(added, request_bytes(job_), job_);
            if (Policy == buffers::freed_when_idle) SSL_free_buffers(added.ssl());
        }
    }

private:
    job job_;
    tls_context context_;
    std::optional<tls_tickets> tickets_;
    std::deque<tls_dial> connections_;
};

}  // namespace

void add_idle_openssl(std::vector<idle_kind>& kinds) {
    kinds.push_back({"openssl", layer::tls, "bare OpenSSL", open_idle<connections<buffers::kept>>});
    kinds.push_back({"openssl-release", layer::tls, "bare OpenSSL, SSL_MODE_RELEASE_BUFFERS",
                     open_idle<connections<buffers::released_by_mode>>});
    kinds.push_back({"openssl-free", layer::tls, "bare OpenSSL, SSL_free_buffers",
                     open_idle<connections<buffers::freed_when_idle>>});
    // These share what was learnt of the peer: its certificate is parsed and kept once.
    kinds.push_back({"openssl-free-resumed", layer::tls, "bare OpenSSL, SSL_free_buffers, sessions resumed",
                     open_idle<connections<buffers::freed_when_idle, true>>});
}

}  // namespace bench
