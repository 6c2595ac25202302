// Which addresses pools may connect to: an access list and denial by status, shared between threads.
#pragma once

#include "hotpool/access/access_controller.hpp"
