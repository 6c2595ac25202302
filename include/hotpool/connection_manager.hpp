// The machine of a pool: who gets which connection, when to open, when to close. No I/O, no clock, no lock.
//
// Longer than other files: its rules share the counts, and what one of them changes the others must find.
#pragma once

#include "hotpool/manager/connection_manager.hpp"
