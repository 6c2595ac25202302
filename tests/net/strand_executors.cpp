// An executor that hides its type is not taken for another.
#include "hotpool/io/completion.hpp"
#include "support/catch.hpp"

#include <asio/io_context.hpp>
#include <asio/strand.hpp>

using namespace hotpool;

TEST_CASE("a_strand_behind_any_io_executor_is_not_taken_for_its_context") {
    net::io_context io;
    const auto strand = net::make_strand(io);
    const net::any_io_executor plain(io.get_executor()), hidden(strand), none;
    CHECK(detail::plain_target(plain) != nullptr);
    CHECK(detail::plain_target(hidden) == nullptr);
    CHECK(detail::plain_target(none) == nullptr);

    int ran = 0;
    detail::post_to(plain, [&] {
        ++ran;
        CHECK(detail::runs_here(plain));
        CHECK_FALSE(detail::runs_here(hidden));
        CHECK_FALSE(strand.running_in_this_thread());
    });
    detail::post_to(hidden, [&] {
        ++ran;
        CHECK(strand.running_in_this_thread());
    });
    io.run();
    CHECK(ran == 2);
}
