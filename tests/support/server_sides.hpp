// The two doors of a real server, plain and TLS, for test cases that try both.
#pragma once

#include <string>

#include "hotpool/connection_pool.hpp"

namespace hotpool::test::server_sides {

struct over_tcp {
    using pool_type = tcp_pool;
    template <class Server>
    static const std::string& port(const Server& server) {
        return server.port();
    }
    template <class Server>
    static tcp_options options(const Server&) {
        return {};
    }
};

struct over_tls {
    using pool_type = tls_pool;
    template <class Server>
    static const std::string& port(const Server& server) {
        return server.tls_port();
    }
    template <class Server>
    static tls_options options(const Server& server) {
        return {.ca_pem = server.root_pem()};
    }
};

}  // namespace hotpool::test::server_sides
