// Acceptors on real sockets: who is let in, in which order, and how it ends.
#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;
using inbound::refuse_reason;

TEMPLATE_TEST_CASE("bytes_go_both_ways_on_an_accepted_connection", "[inbound]", accept_tcp, accept_tls) {
    echo_server<TestType> server;
    {
        client_socket client = server.connect();
        REQUIRE(client.write("hello"));
        CHECK(client.read_exactly(5) == "hello");
        const std::string large(1'000'000, 'x');
        std::thread writer([&] { client.write(large); });
        CHECK(client.read_exactly(large.size()) == large);
        writer.join();
        const auto s = server.acceptor.stats();
        CHECK(s.now.open == 1);
        CHECK(s.total.bytes_in == large.size() + 5);
        CHECK(s.total.bytes_out == large.size() + 5);
        client.end_sending();
    }
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::peer_closed) == 1);
}
