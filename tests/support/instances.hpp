// What nearly every test of pools and acceptors uses is compiled once, in instances.cpp: each file would take seconds
// longer.
#pragma once

#include "hotpool/hotpool.hpp"
#include "hotpool/inbound.hpp"

#define HOTPOOL_TEST_INSTANCES(kind, transport)                                                         \
    kind template class hotpool::detail::pool_core<hotpool::transport, hotpool::default_policies,       \
                                                   hotpool::net::any_io_executor>;                      \
    kind template class hotpool::detail::connection<hotpool::transport, hotpool::net::any_io_executor>; \
    kind template class hotpool::detail::exchange_op<                                                   \
        hotpool::detail::connection<hotpool::transport, hotpool::net::any_io_executor>>;                \
    kind template class hotpool::lease<hotpool::transport, hotpool::net::any_io_executor>;              \
    kind template class hotpool::response_reader<hotpool::transport, hotpool::net::any_io_executor>;

#define HOTPOOL_TEST_INBOUND_INSTANCES(kind, server)                                                        \
    kind template class hotpool::inbound::detail::acceptor_core<hotpool::server, hotpool::default_policies, \
                                                                hotpool::net::any_io_executor>;             \
    kind template class hotpool::inbound::detail::connection_state<                                         \
        hotpool::server::stream<hotpool::net::any_io_executor>>;                                            \
    kind template class hotpool::inbound::detail::http_session<                                             \
        hotpool::inbound::basic_acceptor<hotpool::server>::connection_type>;                                \
    kind template class hotpool::inbound::basic_acceptor<hotpool::server>;

HOTPOOL_TEST_INSTANCES(extern, tcp_transport)
HOTPOOL_TEST_INSTANCES(extern, tls_transport)
extern template class hotpool::tcp_stream<hotpool::net::any_io_executor>;
extern template class hotpool::tls_stream<hotpool::net::any_io_executor>;
HOTPOOL_TEST_INBOUND_INSTANCES(extern, tcp_server)
HOTPOOL_TEST_INBOUND_INSTANCES(extern, tls_server)
