// When a server asks to come back: Retry-After and the dates of HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hotpool/base/time.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

namespace detail {

/// Takes a date apart from its front; the first thing that does not fit fails all of it.
class date_reader {
public:
    constexpr explicit date_reader(std::string_view text) noexcept : rest_(text) {}

    constexpr date_reader& text(std::string_view wanted) noexcept {
        fits_ = fits_ && rest_.starts_with(wanted);
        if (fits_) rest_.remove_prefix(wanted.size());
        return *this;
    }
    /// Exactly `digits` of them.
    constexpr date_reader& number(int& value, std::size_t digits) noexcept {
        const auto read = parse_decimal(rest_.substr(0, digits));
        fits_ = fits_ && rest_.size() >= digits && read;
        if (!fits_) return *this;
        value = static_cast<int>(*read);
        rest_.remove_prefix(digits);
        return *this;
    }
    /// Two digits, or a space and one.
    constexpr date_reader& padded_day(int& value) noexcept {
        if (!rest_.starts_with(' ')) return number(value, 2);
        return text(" ").number(value, 1);
    }
    /// One of `names`, by its number.
    template <std::size_t Count>
    constexpr date_reader& name(int& value, const std::string_view (&names)[Count]) noexcept {
        for (std::size_t i = 0; fits_ && i < Count; ++i) {
            if (!rest_.starts_with(names[i])) continue;
            value = static_cast<int>(i);
            return text(names[i]);
        }
        fits_ = false;
        return *this;
    }
    constexpr date_reader& time_of_day(std::chrono::seconds& value) noexcept {
        int h = 0, m = 0, s = 0;
        number(h, 2).text(":").number(m, 2).text(":").number(s, 2);
        fits_ = fits_ && h < 24 && m < 60 && s <= 60;  // 60: a leap second
        value = std::chrono::hours(h) + std::chrono::minutes(m) + std::chrono::seconds(s);
        return *this;
    }
    /// Whether everything fitted and nothing is left.
    constexpr bool is_whole() const noexcept { return fits_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool fits_ = true;
};

inline constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
inline constexpr std::string_view long_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                 "Thursday", "Friday", "Saturday"};
inline constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// What a date says, not yet looked at as a whole.
struct date_parts {
    int weekday = 0;  ///< from Sunday
    int year = 0;
    int month = 0;  ///< from 0
    int day = 0;
    std::chrono::seconds time{};

    /// Nothing if there is no such day, or if it is another day of the week.
    constexpr std::optional<std::chrono::sys_seconds> point() const noexcept {
        using namespace std::chrono;
        const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month) + 1),
                                  std::chrono::day(static_cast<unsigned>(day))};
        if (!date.ok() || std::chrono::weekday(date).c_encoding() != static_cast<unsigned>(weekday))
            return std::nullopt;
        return sys_days(date) + time;
    }
};

/// `Sun, 06 Nov 1994 08:49:37 GMT`
constexpr std::optional<std::chrono::sys_seconds> parse_fixed_date(std::string_view text) noexcept {
    date_parts d;
    date_reader in(text);
    in.name(d.weekday, days).text(", ").number(d.day, 2).text(" ").name(d.month, months).text(" ");
    in.number(d.year, 4).text(" ").time_of_day(d.time).text(" GMT");
    return in.is_whole() ? d.point() : std::nullopt;
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
constexpr std::optional<std::chrono::sys_seconds> parse_rfc850_date(std::string_view text,
                                                                    std::chrono::sys_seconds now) noexcept {
    using namespace std::chrono;
    date_parts d;
    date_reader in(text);
    in.name(d.weekday, long_days).text(", ").number(d.day, 2).text("-").name(d.month, months).text("-");
    in.number(d.year, 2).text(" ").time_of_day(d.time).text(" GMT");
    if (!in.is_whole()) return std::nullopt;
    const int this_year = static_cast<int>(year_month_day(floor<std::chrono::days>(now)).year());
    d.year += this_year / 100 * 100;
    // Two digits: the latest such year that is not more than 50 years ahead.
    while (d.year <= this_year - 50) d.year += 100;
    while (d.year > this_year + 50) d.year -= 100;
    return d.point();
}

/// `Sun Nov  6 08:49:37 1994`
constexpr std::optional<std::chrono::sys_seconds> parse_asctime_date(std::string_view text) noexcept {
    date_parts d;
    date_reader in(text);
    in.name(d.weekday, days).text(" ").name(d.month, months).text(" ").padded_day(d.day).text(" ");
    in.time_of_day(d.time).text(" ").number(d.year, 4);
    return in.is_whole() ? d.point() : std::nullopt;
}

}  // namespace detail

/// A date in any of the three forms that HTTP knows; case matters, and the day of the week must be the right one.
/// @param now for years of two digits
/// @source RFC 9110, 5.6.7
constexpr std::optional<std::chrono::sys_seconds> parse_date(std::string_view text,
                                                             std::chrono::sys_seconds now) noexcept {
    if (const auto fixed = detail::parse_fixed_date(text)) return fixed;
    if (const auto asctime = detail::parse_asctime_date(text)) return asctime;
    return detail::parse_rfc850_date(text, now);
}

/// How long the value of a Retry-After field asks to wait: 0 for a date that has passed, at most `duration::max()`.
/// @param now the wall clock, against which a date is held
/// @return nothing if it is neither a number of seconds nor a date
/// @source RFC 9110, 10.2.3
constexpr std::optional<duration> parse_retry_after(std::string_view value, std::chrono::sys_seconds now) noexcept {
    using std::chrono::seconds;
    constexpr auto most = std::chrono::duration_cast<seconds>(duration::max());
    if (value.find_first_not_of("0123456789") == value.npos && !value.empty()) {
        const auto read = parse_decimal(value);  // nothing: more than 64 bits
        if (!read || *read > static_cast<std::uint64_t>(most.count())) return duration::max();
        return seconds(static_cast<std::int64_t>(*read));
    }
    const auto date = parse_date(value, now);
    if (!date) return std::nullopt;
    const seconds left = *date - now;
    if (left > most) return duration::max();
    return left > seconds::zero() ? duration(left) : duration::zero();
}

}  // namespace hotpool::http
