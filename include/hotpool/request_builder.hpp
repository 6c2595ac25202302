// The request builder: a request checked and serialised while it is described.
#pragma once

#include "hotpool/http/request_builder.hpp"
