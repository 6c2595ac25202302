// A response whose body is read piece by piece.
#pragma once

#include "hotpool/exchange/response_reader.hpp"
