// Retry-After: seconds, the three forms of a date, and everything that is neither.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "hotpool/http/retry_after.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

namespace {

/// The moment in the examples of RFC 9110, 5.6.7.
constexpr sys_seconds moment = sys_days(std::chrono::November / 6 / 1994) + 8h + 49min + 37s;
constexpr sys_seconds soon_before = moment - 90s;

std::optional<duration> wait(std::string_view value, sys_seconds now = soon_before) {
    return http::parse_retry_after(value, now);
}

}  // namespace

TEST_CASE("seconds_are_taken_as_they_are", "[http]") {
    CHECK(wait("0") == 0s);
    CHECK(wait("120") == 120s);
    CHECK(wait("007") == 7s);
    CHECK(wait("9223372036") == 9223372036s);
}

TEST_CASE("seconds_beyond_any_clock_are_as_long_as_can_be", "[http]") {
    CHECK(wait("9223372037") == duration::max());
    CHECK(wait("18446744073709551615") == duration::max());
    CHECK(wait("99999999999999999999999999") == duration::max());
}

TEST_CASE("all_three_forms_of_a_date_mean_the_same", "[http]") {
    CHECK(wait("Sun, 06 Nov 1994 08:49:37 GMT") == 90s);
    CHECK(wait("Sunday, 06-Nov-94 08:49:37 GMT") == 90s);
    CHECK(wait("Sun Nov  6 08:49:37 1994") == 90s);
    CHECK(wait("Wed Nov 16 08:49:37 1994") == 240h + 90s);
}

TEST_CASE("date_that_has_passed_asks_for_no_wait", "[http]") {
    CHECK(wait("Sun, 06 Nov 1994 08:49:37 GMT", moment) == 0s);
    CHECK(wait("Sun, 06 Nov 1994 08:49:37 GMT", moment + 1s) == 0s);
    CHECK(wait("Sun Nov  6 08:49:37 1994", moment + 24h) == 0s);
}

TEST_CASE("far_date_does_not_overflow", "[http]") {
    CHECK(wait("Fri, 31 Dec 9999 23:59:59 GMT") == duration::max());
    CHECK(wait("Sat, 01 Jan 0000 00:00:00 GMT") == 0s);
}

TEST_CASE("every_month_and_weekday_is_known", "[http]") {
    constexpr std::string_view week[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::string_view year[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (unsigned month = 1; month <= 12; ++month)
        for (unsigned day = 10; day < 17; ++day) {
            const sys_days date(std::chrono::year(2024) / static_cast<int>(month) / static_cast<int>(day));
            const std::string text = std::string(week[std::chrono::weekday(date).c_encoding()]) + ", " +
                                     std::to_string(day) + " " + std::string(year[month - 1]) + " 2024 00:00:00 GMT";
            CAPTURE(text);
            CHECK(http::parse_date(text, {}) == sys_seconds(date));
        }
}

TEST_CASE("two_digits_of_a_year_are_at_most_50_years_ahead", "[http]") {
    const sys_seconds now = sys_days(std::chrono::June / 1 / 2024);
    const auto year_of = [&](const char* text) {
        const auto date = http::parse_date(text, now);
        REQUIRE(date);
        return int(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(*date)).year());
    };
    CHECK(year_of("Monday, 01-Jan-24 00:00:00 GMT") == 2024);
    CHECK(year_of("Monday, 01-Jan-74 00:00:00 GMT") == 2074);
    CHECK(year_of("Wednesday, 01-Jan-75 00:00:00 GMT") == 1975);
    CHECK(year_of("Friday, 01-Jan-99 00:00:00 GMT") == 1999);
    CHECK(year_of("Saturday, 01-Jan-00 00:00:00 GMT") == 2000);
}

TEST_CASE("leap_days_and_leap_seconds_exist_where_they_do", "[http]") {
    CHECK(http::parse_date("Thu, 29 Feb 2024 00:00:00 GMT", {}));
    CHECK_FALSE(http::parse_date("Wed, 29 Feb 2023 00:00:00 GMT", {}));
    CHECK_FALSE(http::parse_date("Wed, 01 Mar 2023 00:00:61 GMT", {}));
    CHECK(http::parse_date("Sat, 31 Dec 2016 23:59:60 GMT", {}) == sys_days(std::chrono::January / 1 / 2017));
}

TEST_CASE("what_is_neither_seconds_nor_a_date_is_refused", "[http]") {
    for (const std::string_view bad : {"",
                                       " ",
                                       "-1",
                                       "+1",
                                       "1.5",
                                       " 5",
                                       "5 ",
                                       "5s",
                                       "0x5",
                                       "1e3",
                                       "5,6",
                                       "soon",
                                       "GMT",
                                       "Mon, 06 Nov 1994 08:49:37 GMT",  // was a Sunday
                                       "Monday, 06-Nov-94 08:49:37 GMT",
                                       "Mon Nov  6 08:49:37 1994",
                                       "sun, 06 nov 1994 08:49:37 gmt",
                                       "Sun, 06 Nov 1994 08:49:37 UTC",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 GMT ",
                                       "Sun, 06 Nov 1994 08:49:37 GMT+1",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 06  Nov 1994 08:49:37 GMT",
                                       "Sun,06 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 94 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:00:00 GMT",
                                       "Sun, 06 Nov 1994 08:60:00 GMT",
                                       "Sun, 06 Nov 1994 8:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49 GMT",
                                       "Sun, 00 Nov 1994 08:49:37 GMT",
                                       "Thu, 31 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Foo 1994 08:49:37 GMT",
                                       "Sun, 06-Nov-1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-1994 08:49:37 GMT",
                                       "Sun, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov 06 08:49:37 94",
                                       "Sun Nov 6 08:49:37 1994",
                                       "Sun Nov  6 08:49:37 1994 GMT",
                                       "Sunday Nov  6 08:49:37 1994"}) {
        CAPTURE(bad);
        CHECK_FALSE(wait(bad));
    }
}

// A date cut short, or with any one character changed, is never taken for another date by accident of parsing.
TEST_CASE("damaged_date_is_refused_or_another_valid_one", "[http]") {
    for (const std::string whole :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(whole.substr(0, size));
            CHECK_FALSE(wait(whole.substr(0, size)));
        }
        for (std::size_t at = 0; at < whole.size(); ++at)
            for (const char c : {'\0', 'x', '-', '\x80'}) {
                std::string damaged = whole;
                damaged[at] = damaged[at] == c ? '+' : c;
                CAPTURE(damaged);
                CHECK_FALSE(wait(damaged));
            }
    }
}
