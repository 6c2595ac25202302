// Every way an operation of this library can end, one name each.
#pragma once

#include "hotpool/base/error.hpp"
