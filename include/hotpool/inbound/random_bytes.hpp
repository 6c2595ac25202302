// Bits that nobody guesses, from OpenSSL's generator.
#pragma once

#include "hotpool/inbound/detail/random_bytes.hpp"
