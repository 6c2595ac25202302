// A response in memory.
#pragma once

#include "hotpool/http/response.hpp"
