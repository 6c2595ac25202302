#include <hotpool/hotpool.hpp>

int version_seen_by_two();

int main() { return version_seen_by_two() == HOTPOOL_VERSION ? 0 : 1; }
