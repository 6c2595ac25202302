// The pool: hot connections to one origin.
#pragma once

#include "hotpool/pool/connection_pool.hpp"
