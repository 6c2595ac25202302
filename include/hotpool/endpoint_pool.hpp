// The addresses of one origin: which are known, which may be used, which comes next. No I/O, no clock, no lock.
#pragma once

#include "hotpool/manager/endpoint_pool.hpp"
