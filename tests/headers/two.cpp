#include <hotpool/hotpool.hpp>

int version_seen_by_two();
int version_seen_by_two() { return HOTPOOL_VERSION; }
