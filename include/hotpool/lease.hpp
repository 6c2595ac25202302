// A connection in a caller's hands.
#pragma once

#include "hotpool/connection/lease.hpp"
