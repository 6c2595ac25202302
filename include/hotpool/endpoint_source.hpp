// Where the addresses of an origin come from.
#pragma once

#include "hotpool/policy/endpoint_source.hpp"
