// Numbers used once: those that peers sent, and those that were sent to them.
#pragma once

#include "hotpool/inbound/detail/nonce_cache.hpp"
