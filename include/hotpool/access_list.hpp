// The access list: which addresses may be connected to, or may connect.
#pragma once

#include "hotpool/access/access_list.hpp"
