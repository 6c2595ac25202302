// The accepting side: connections that are admitted, watched, and asked to leave.
#pragma once

#include "hotpool/inbound/detail/acceptor.hpp"
