// Probes of idle connections.
#pragma once

#include "hotpool/exchange/health_checker.hpp"
