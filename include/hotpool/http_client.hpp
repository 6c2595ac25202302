// Requests over a pool, with everything around them.
#pragma once

#include "hotpool/client/http_client.hpp"
