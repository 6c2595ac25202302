// The test programs' main: Catch2 2 makes it from its header, Catch2 3 brings it as a library.
#if __has_include(<catch2/catch_all.hpp>)
#    include <catch2/catch_session.hpp>
int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }
#else
#    define CATCH_CONFIG_MAIN
#    include <catch2/catch.hpp>
#endif
