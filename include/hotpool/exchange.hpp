// One request and its response over a lease.
#pragma once

#include "hotpool/exchange/exchange.hpp"
