
#pragma once

#include "hotpool/base/version.hpp"
