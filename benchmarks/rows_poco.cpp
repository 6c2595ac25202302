// Poco: its blocking session with the connection kept alive. It turns off Nagle by itself.
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/HTTPSClientSession.h>

#include <istream>
#include <stdexcept>

#include "bench.hpp"

namespace bench {

namespace {

std::unique_ptr<Poco::Net::HTTPClientSession> make_session(const job& job) {
    const auto port = static_cast<Poco::UInt16>(std::stoul(job.port));
    if (job.on == layer::plain) return std::make_unique<Poco::Net::HTTPClientSession>(job.host, port);
    const Poco::Net::Context::Ptr tls{new Poco::Net::Context{Poco::Net::Context::TLS_CLIENT_USE, "", "", job.ca_file,
                                                             Poco::Net::Context::VERIFY_STRICT}};
    return std::make_unique<Poco::Net::HTTPSClientSession>(job.host, port, tls);
}

class poco_row final : public row {
public:
    explicit poco_row(const job& job)
        : session_{make_session(job)},
          request_{Poco::Net::HTTPRequest::HTTP_GET, job.path, Poco::Net::HTTPRequest::HTTP_1_1},
          body_(job.body_bytes + 1) {
        session_->setKeepAlive(true);
        session_->setKeepAliveTimeout({3600, 0});
        run(1);
    }

    void run(std::uint64_t requests) override {
        for (; requests > 0; --requests) {
            session_->sendRequest(request_);
            Poco::Net::HTTPResponse response;
            std::istream& body = session_->receiveResponse(response);
            body.read(body_.data(), static_cast<std::streamsize>(body_.size()));  // one more, up to the end
            if (response.getStatus() != Poco::Net::HTTPResponse::HTTP_OK ||
                static_cast<std::size_t>(body.gcount()) + 1 != body_.size())
                throw std::runtime_error{"Poco: unexpected response"};
        }
    }

private:
    std::unique_ptr<Poco::Net::HTTPClientSession> session_;
    Poco::Net::HTTPRequest request_;
    std::vector<char> body_;
};

}  // namespace

void add_poco_rows(registry& rows) {
    for (const layer on : {layer::plain, layer::tls})
        rows.push_back({"poco", on, flow::sequential, "Poco", open<poco_row>});
}

}  // namespace bench
