// One ceiling over the connections of many pools.
#pragma once

#include "hotpool/manager/connection_budget.hpp"
