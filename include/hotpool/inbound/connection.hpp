// An accepted connection in the program's hands.
#pragma once

#include "hotpool/inbound/detail/connection.hpp"
