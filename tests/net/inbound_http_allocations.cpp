// What hot requests take from the global allocator on the server's side: nothing.
#include "support/allocations.hpp"
#include "support/inbound_http.hpp"

#include <atomic>
#include <cstdint>
#include <string>

#include "hotpool/base/recycler.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// Counts in the handler, which runs on the loop's thread, from one request to a later one.
struct counted_service {
    static constexpr int warm_up = 50, rounds = 300;

    void operator()(const inbound::request&, inbound::responder answer) {
        if (round == warm_up) before = test::allocations();
        if (round == warm_up + rounds) taken = test::allocations() - before;
        ++round;
        answer.send(ready);
    }

    const inbound::reply ready = std::move(inbound::reply().header("Content-Type", "text/plain").body("hello"));
    int round = 0;
    std::uint64_t before = 0;
    std::atomic<std::uint64_t> taken{1'000'000};
};

}  // namespace

TEMPLATE_TEST_CASE("hot_requests_allocate_nothing", "[inbound]", accept_tcp, accept_tls) {
    if (!base::recycling) return;  // under a sanitizer
    using acceptor_type = typename TestType::acceptor_type;
    counted_service service;
    running_loop loop;
    inbound::acceptor_options options = on_loopback();
    options.admission.max_requests_per_group = 0;
    acceptor_type acceptor(loop.io.get_executor(), options, TestType::options());
    const inbound::http_server server(
        acceptor, [&](const inbound::request& r, inbound::responder a) { service(r, std::move(a)); });
    {
        http_peer peer(TestType::connect(acceptor.port()));
        const int at_once = GENERATE(1, 3);
        std::string text = post("/", "a body");
        for (int i = 1; i < at_once; ++i) text += get("/");
        for (int sent = 0; sent <= counted_service::warm_up + counted_service::rounds; sent += at_once) {
            REQUIRE(peer.send(text));
            for (int i = 0; i < at_once; ++i) REQUIRE(peer.read());
        }
        CHECK(service.taken == 0);
    }
    acceptor.close();
}
