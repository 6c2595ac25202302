#include "support/instances.hpp"

HOTPOOL_TEST_INSTANCES(, tcp_transport)
HOTPOOL_TEST_INSTANCES(, tls_transport)
template class hotpool::tcp_stream<hotpool::net::any_io_executor>;
template class hotpool::tls_stream<hotpool::net::any_io_executor>;
HOTPOOL_TEST_INBOUND_INSTANCES(, tcp_server)
HOTPOOL_TEST_INBOUND_INSTANCES(, tls_server)
