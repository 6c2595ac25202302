// Everything of the accepting side: acceptors over TCP and TLS, a small HTTP/1.1 server, and the machines behind them.
#pragma once

#include "hotpool/inbound/acceptor.hpp"
#include "hotpool/inbound/admission.hpp"
#include "hotpool/inbound/connection.hpp"
#include "hotpool/inbound/connection_id.hpp"
#include "hotpool/inbound/connection_registry.hpp"
#include "hotpool/inbound/connection_supervisor.hpp"
#include "hotpool/inbound/exposition.hpp"
#include "hotpool/inbound/forwarded.hpp"
#include "hotpool/inbound/http_server.hpp"
#include "hotpool/inbound/inbound_event.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/inbound/nonce_cache.hpp"
#include "hotpool/inbound/random_bytes.hpp"
#include "hotpool/inbound/reply.hpp"
#include "hotpool/inbound/request_parser.hpp"
