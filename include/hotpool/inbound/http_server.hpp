// A small HTTP/1.1 server on an acceptor: enough for a service and its health and metrics, not a web framework.
#pragma once

#include "hotpool/inbound/detail/http_server.hpp"
