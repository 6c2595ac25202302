#pragma once

// Catch2 in whichever version is installed: 3 has one header for all, 2 has one header and nothing else.
#if __has_include(<catch2/catch_all.hpp>)
#    include <catch2/catch_all.hpp>
#else
#    include <catch2/catch.hpp>
#endif
