// What this process has of descriptors and memory.
#pragma once

#include "hotpool/inbound/detail/process_resources.hpp"
